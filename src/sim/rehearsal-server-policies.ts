/** Policies of a rehearsal's servers: admission with its limits, and replay, as the production server has them. */
import {
  admission, aimdLimit, type ConcurrencyLimit, fixedLimit, gradientLimit, kneeLimit, vegasLimit,
} from "../overload/index.ts";
import type { Runtime } from "../core/runtime.ts";
import { memoryReplayStore, replay, type ReplayOptions } from "../replay/index.ts";
import { flag, number, oneOf, orFalse, type Reader, type ReadOf, shape } from "./rehearsal-readers.ts";
import type { SimulatedServerOptions } from "./server.ts";

const some = number(0, 1e9);
const whole = number(0, 1e9, { whole: true });
const bounds = { initial: whole, floor: whole, ceiling: whole };

type MakeLimit = (runtime: Runtime) => ConcurrencyLimit;

interface LimitKind {
  readonly options: Readonly<Record<string, Reader<unknown>>>;
  make(runtime: Runtime, options: object): ConcurrencyLimit;
}

const limits = {
  knee: {
    options: { ...bounds, tolerance: some, queue: some, windowMs: some, retrialMs: some },
    make: (_, options) => kneeLimit(options),
  },
  gradient: {
    options: { ...bounds, tolerance: some, queue: some, smoothing: some, longWindows: whole, windowMs: some },
    make: (_, options) => gradientLimit(options),
  },
  vegas: {
    options: { ...bounds, alpha: some, beta: some, probeEvery: whole, windowMs: some },
    make: (runtime, options) => vegasLimit(runtime, options),
  },
  aimd: { options: { ...bounds, backoff: some, timeoutMs: some }, make: (_, options) => aimdLimit(options) },
} satisfies Readonly<Record<string, LimitKind>>;

export type LimitName = keyof typeof limits;

export const limitNames = Object.keys(limits) as readonly LimitName[];

export function limitNamed(name: LimitName, options: object = {}): MakeLimit {
  const kind: LimitKind = limits[name];
  return (runtime) => kind.make(runtime, options);
}

/** A number of calls, a limit's name, or a mapping from the one name to options. */
const readLimit: Reader<MakeLimit> = (value, place, refuse) => {
  if (typeof value === "number") return () => fixedLimit(value);
  if (typeof value !== "object" || value === null) {
    return limitNamed(oneOf(limitNames)(value, place, refuse));
  }
  const readers = Object.fromEntries(limitNames.map((name) => [name, shape(name, limits[name].options)]));
  const read = shape("a limit", readers)(value, place, refuse);
  const [name, ...others] = Object.keys(read) as LimitName[];
  if (name === undefined || others.length > 0) {
    return refuse(place, `expected one limit, found ${Object.keys(read).join(", ") || "none"}`);
  }
  return limitNamed(name, read[name]);
};

/** What the servers of a rehearsal can be given. What is not given is as `simulatedServer` has it. */
export const serverPolicies = shape("server policies", {
  maxInFlight: number(1, 1e9, { whole: true }),
  /** Whether replies carry load reports. */
  reports: flag,
  admission: orFalse(shape("admission", {
    limit: readLimit, room: whole, levels: flag, maxLoopLagMs: some, trustsCriticality: flag,
    line: orFalse(shape("line", { capacity: some, targetMs: some, intervalMs: some, maxWaitMs: some, lifo: flag })),
  })),
  /** Repeats of keyed calls are answered from records, which the servers of a service share. Default: they are not. */
  replay: orFalse(shape("replay", {
    retentionMs: some, leaseMs: some, waitMs: some, clockSkewMs: some, storeTimeoutMs: some, maxOutcomeBytes: whole,
    afterCrash: oneOf(["unknown", "run_again"] as const), withoutKey: oneOf(["run", "refuse"] as const),
    withoutStamp: oneOf(["take", "refuse"] as const), withoutStore: oneOf(["refuse", "run"] as const),
  })),
});

export type ServerPolicies = ReadOf<{ all: typeof serverPolicies }>["all"];

/** The options of one server from the policies named; those of one service are made from one call of this. */
export function serverOptions(
  policies: NonNullable<ServerPolicies>,
): Pick<SimulatedServerOptions, "maxInFlight" | "reports" | "admission" | "replay"> {
  const { admission: entry, replay: records, maxInFlight, reports } = policies;
  const store = records === undefined || records === false ? undefined : memoryReplayStore();
  return {
    maxInFlight, reports,
    ...(entry === undefined ? {} : { admission: entry !== false && admission(entry) }),
    ...(store === undefined ? {} : {
      // The claims of a server that runs are its own; the records are everybody's.
      replay: (runtime, observer) => replay({ ...records as ReplayOptions<() => unknown>, store })(runtime, observer),
    }),
  };
}
