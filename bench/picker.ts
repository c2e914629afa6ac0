/**
 * What it costs to choose an endpoint, and to choose the first after a change of the set.
 *
 *   node bench/picker.ts [--json] [--sizes 10,1000,10000] [--picker NAME]
 *
 * Times are processor time of this thread, so that a busy machine does not distort them much.
 * `value` of a size is the best of five rounds, in nanoseconds a pick, with calls in flight that come and go. `change`
 * is one endpoint changing its status in a snapshot, then the first pick from it: the mean of 100, in milliseconds.
 * `snapshot` is a client's balancer given a complete set of which one endpoint is another, and its first pick.
 * The first row of each size, `none`, is the loop without a picker.
 */
import { parseArgs } from "node:util";
import {
  avoidTried, c3, consistentHash, dynamicWeighted, errorAware, geographic, leastDelay, leastRequests, nearest, peakEwma,
  prequal, primaryBackup, random, roundRobin, slowStart, smoothWeighted, weightedRandom,
} from "../src/balance/index.ts";
import { Balancer } from "../src/client/balancer.ts";
import {
  type Candidate, Context, createLoad,
  type EndpointAddress, endpointAddress, type EndpointStatus, type MethodInfo, type Picker,
} from "../src/core/index.ts";
import { preferRegion } from "../src/region/index.ts";
import { nodeRuntime } from "../src/runtime/node/index.ts";

const runtime = nodeRuntime;
const { clock } = runtime;
const dice = runtime.random;
const regional = preferRegion(runtime, { region: "r0", zone: "z0" });

const pickers: Readonly<Record<string, () => Picker>> = {
  none: () => (candidates) => candidates[0],
  random: () => random(dice),
  weightedRandom: () => weightedRandom(dice),
  roundRobin: () => roundRobin(),
  smoothWeighted: () => smoothWeighted(),
  dynamicWeighted: () => dynamicWeighted(runtime),
  leastRequests: () => leastRequests(dice),
  leastDelay: () => leastDelay(dice),
  "leastDelay, told": () => leastDelay(dice),
  peakEwma: () => peakEwma(runtime),
  c3: () => c3(runtime),
  "prequal, told": () => prequal(runtime),
  errorAware: () => errorAware(runtime),
  consistentHash: () => consistentHash(),
  geographic: () => geographic({ lat: 48, lon: 11 })(leastRequests(dice)),
  nearest: () => nearest(runtime)(leastRequests(dice)),
  primaryBackup: () => primaryBackup(leastRequests(dice)),
  slowStart: () => slowStart(runtime)(leastRequests(dice)),
  "preferRegion(leastRequests)": () => regional(avoidTried(leastRequests(dice))),
  "preferRegion(leastRequests), spilling": () => regional(avoidTried(leastRequests(dice))),
};

const method: MethodInfo = {
  service: "bench.Picker", name: "pick", wireName: "Pick", path: "bench.Picker/pick", kind: "unary", idempotent: true,
  criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: 0,
};

interface Endpoint extends Candidate {
  status: EndpointStatus;
}

/** Five regions, three zones, weights 1 to 4, measured; a fifth of the home region is away if it is to spill. */
function endpoints(n: number, spilling: boolean, told = false): Endpoint[] {
  return Array.from({ length: n }, (_, i) => {
    const region = Math.floor((i * 5) / n);
    const load = { ...createLoad(), peakEwmaMs: 5, latencyMs: 5, leastRoundTripMs: 1 + region * 20 };
    const rates = { callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 };
    const report = { cpu: 0, memory: 0, inFlight: i % 3, latencyMs: 5, ...rates };
    if (told) Object.assign(load, { report, reportAtMs: clock.now() });
    const askLoad = (): boolean => {
      load.reportAtMs = clock.now();
      return true;
    };
    const address = endpointAddress({
      address: `10.${region}.${i >> 8}.${i & 255}:443`, region: `r${region}`, zone: `z${i % 3}`, weight: 1 + (i % 4),
      attributes: { lat: String(region * 10), lon: "11" },
    });
    const status = spilling && region === 0 && i % 2 === 0 ? "connecting" : "ready";
    return { address, load, status, ...told && { askLoad } };
  });
}

/** Contexts as calls bring them: each knows when it began, and which key it is for. */
function contexts(): Context[] {
  return Array.from({ length: 64 }, (_, i) => new Context(method, clock.now(), Infinity, { routeKey: `tenant-${i}` }));
}

/** Picks `times`, with 64 calls in flight, and answers nanoseconds a pick. */
function time(picker: Picker, all: readonly Endpoint[], times: number): number {
  const flying: (Endpoint | undefined)[] = Array.from({ length: 64 });
  let calls = contexts();
  const started = cpuMs();
  for (let i = 0; i < times; i++) {
    const slot = i & 63;
    if ((i & 0xfff) === 0) calls = contexts();
    const ended = flying[slot];
    if (ended !== undefined) ended.load.inFlight--;
    const picked = picker(all, calls[slot] as Context);
    if (picked !== undefined) picked.load.inFlight++;
    flying[slot] = picked;
  }
  const tookMs = cpuMs() - started;
  for (const each of flying) if (each !== undefined) each.load.inFlight--;
  return (tookMs * 1e6) / times;
}

/** One endpoint changes its status, and back: what the first pick from the new snapshot takes, in milliseconds. */
function timeChange(picker: Picker, all: readonly Endpoint[]): number {
  const [call] = contexts() as [Context];
  const changing = all[all.length >> 1] as Endpoint;
  const change = (times: number): void => {
    for (let i = 0; i < times; i++) {
      changing.status = i % 2 === 0 ? "ejected" : "ready";
      // What the balancer makes of the change is part of it: an array of those to choose from.
      const snapshot = picker.seesAll === true ? all.slice() : all.filter((each) => each.status === "ready");
      picker(snapshot, call);
    }
  };
  change(20);
  const started = cpuMs();
  change(100);
  return (cpuMs() - started) / 100;
}

/** A whole balancer: a discovery snapshot in which one endpoint of all is new, and the first pick after it. */
function timeSnapshot(size: number): number {
  const addresses = endpoints(size, false).map((each) => each.address);
  let tell: (snapshot: readonly EndpointAddress[]) => void = () => undefined;
  let seen = 0;
  const balancer = new Balancer(runtime, {
    name: "bench.Picker", observer: {}, connect: () => fail("nobody calls"),
    picker: preferRegion(runtime, { region: "r0" })(() => undefined),
    discovery: {
      watch(_name, watcher) {
        tell = (snapshot) => watcher.snapshot(snapshot);
        return () => undefined;
      },
    },
  });
  const pick = balancer.serviceBy((candidates) => {
    seen = candidates.length;
    return undefined;
  });
  const [call] = contexts() as [Context];
  const change = (times: number): void => {
    for (let i = 0; i < times; i++) {
      tell(addresses.with(size >> 1, endpointAddress({ address: `new-${i % 2}:443`, region: "r2" })));
      try {
        void pick(undefined, call);
      } catch {
        // Nobody may take the call; what is measured is how that was found.
      }
      if (seen !== size) fail(`the picker saw ${seen} of ${size}`);
    }
  };
  tell(addresses);
  change(20);
  const started = cpuMs();
  change(100);
  const tookMs = (cpuMs() - started) / 100;
  balancer.close(0);
  return tookMs;
}

function fail(why: string): never {
  throw new Error(why);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    sizes: { type: "string", default: "10,1000,10000" },
    picker: { type: "string" },
  },
});
const sizes = values.sizes.split(",").map(Number);
const names = Object.keys(pickers).filter((name) => values.picker === undefined || name.includes(values.picker));
const show = (row: { case: string; picker: string; value: number; unit: string }): void => {
  if (values.json) console.log(JSON.stringify({ bench: "picker", system: "meridian", ...row }));
  else console.log(`${row.case.padStart(12)}  ${row.picker.padEnd(40)} ${String(row.value).padStart(8)} ${row.unit}`);
};
for (const size of sizes) {
  for (const name of names) {
    const all = endpoints(size, name.includes("spilling"), name.includes("told"));
    const picker = (pickers[name] as () => Picker)();
    time(picker, all, 100_000);
    const best = Math.min(...Array.from({ length: 5 }, () => time(picker, all, 400_000)));
    show({ case: String(size), picker: name, value: round(best), unit: "ns" });
  }
}
const largest = Math.max(...sizes);
for (const name of names) {
  const all = endpoints(largest, name.includes("spilling"));
  const value = round(timeChange((pickers[name] as () => Picker)(), all));
  show({ case: `change ${largest}`, picker: name, value, unit: "ms" });
}
const snapshotMs = round(timeSnapshot(largest));
show({ case: `snapshot ${largest}`, picker: "the balancer of a client", value: snapshotMs, unit: "ms" });
