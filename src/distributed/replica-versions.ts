/**
 * ReplicaVersions is the server's half of session guarantees: how far this replica has got, told with every reply, and
 * waited for, a bounded time, by reads that have seen more elsewhere.
 *
 * Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (PDIS 1994), with one number per region.
 */
import {
  badOption, type Cancellable, type Context, expected, isPromise, type Layer, numberOption, type Observer, RpcError,
  type Runtime,
} from "../core/index.ts";
import { covers, maxOrigins, readVector, type VersionVector, versionOf, writeVector } from "./version-vector.ts";

/** What a session has seen, in the metadata of its calls; and what a reply is of, in its trailers. */
export const sessionHeader = "meridian-session";
export const versionTrailer = "meridian-version";

export interface ReplicaVersionsOptions {
  /** The origin of this replica's own writes: its region, or its name where a region has several that take writes. */
  readonly origin: string;
  /** How far it had got when it stopped, if it remembers. Default: nowhere. */
  readonly initial?: VersionVector | undefined;
  /** How long a read that has seen more waits here before it is sent elsewhere, in milliseconds. Default 50. */
  readonly maxWaitMs?: number | undefined;
  /** Most calls that wait. Default 1,000. */
  readonly maxWaiting?: number | undefined;
  /** Hears `session.lagging`. */
  readonly observer?: Observer | undefined;
}

export interface ReplicaVersions {
  /** For a server's `stack`: lets a call on when this replica has what its session has seen. */
  readonly layer: Layer;
  /** Takes the next number for a write that is committed here; with its context, tells its session so. */
  wrote(context?: Context): number;
  /** A write of another origin has been applied here, after all before it of that origin. */
  applied(origin: string, version: number): void;
  /** How far it has got. */
  readonly vector: VersionVector;
  /** Calls that wait for it to get further. */
  readonly waiting: number;
}

/** Makes the server's half for one replica. */
export function replicaVersions(runtime: Runtime, options: ReplicaVersionsOptions): ReplicaVersions {
  const { origin, observer } = options;
  if (origin === "" || origin.length > 128) throw badOption("origin", origin, "expected 1 to 128 characters");
  const maxWaitMs = numberOption("maxWaitMs", options.maxWaitMs ?? 50, { least: 0, unit: "milliseconds" });
  const maxWaiting = numberOption("maxWaiting", options.maxWaiting ?? 1_000, { least: 0, whole: true, unit: "calls" });
  const vector: Record<string, number> = { ...options.initial };
  const waiting = new Set<Wait>();
  const writes = new WeakMap<Context, number>();
  const advanced = (): void => {
    for (const wait of waiting) if (covers(vector, wait.wanted)) wait.end(undefined);
  };
  const lagging = (wanted: VersionVector): RpcError => {
    const behind = Object.keys(wanted).filter((one) => versionOf(vector, one) < (wanted[one] as number));
    const why = behind.map((one) => `${versionOf(vector, one)} of ${wanted[one]} of ${one}`).join(", ");
    observer?.event?.("session.lagging", { at: origin, why });
    // Not `unavailable`: to be behind is no illness, for which a server would be left alone.
    return expected("aborted", `this replica is behind what the session has seen: it has ${why}`,
      { neverStarted: true, reason: "ReplicaLags" });
  };
  const caughtUp = (wanted: VersionVector, context: Context): Promise<void> => {
    const limitMs = Math.min(maxWaitMs, context.deadline - runtime.clock.now());
    if (limitMs <= 0 || waiting.size >= maxWaiting) return Promise.reject(lagging(wanted));
    return new Promise((resolve, reject) => {
      const wait = new Wait(wanted, context, (error) => {
        waiting.delete(wait);
        timer.cancel();
        if (error === undefined) resolve();
        else reject(error);
      });
      const timer = runtime.clock.after(limitMs, () => wait.end(lagging(wanted)));
      waiting.add(wait);
      context.onCancel(wait);
    });
  };
  const tell = (context: Context): void => {
    const own = writes.get(context);
    // A write is all that its session must see again; a read may have shown anything that is here.
    context.setTrailer(versionTrailer, writeVector(own === undefined ? vector : { [origin]: own }));
  };
  const layer: Layer = (next) => (request, context) => {
    const run = (): unknown => {
      const answer = next(request, context);
      if (!isPromise(answer)) {
        tell(context);
        return answer;
      }
      return answer.then((value) => {
        tell(context);
        return value;
      });
    };
    const token = context.metadata[sessionHeader];
    if (token === undefined || token === "") return run();
    const wanted = readVector(token);
    return covers(vector, wanted) ? run() : caughtUp(wanted, context).then(run);
  };
  return {
    layer,
    wrote(context) {
      const version = versionOf(vector, origin) + 1;
      vector[origin] = version;
      if (context !== undefined) writes.set(context, version);
      advanced();
      return version;
    },
    applied(from, version) {
      numberOption("version", version, { least: 0, whole: true });
      if (!Object.hasOwn(vector, from) && Object.keys(vector).length >= maxOrigins) {
        throw new RpcError("resource_exhausted", `${maxOrigins} origins are known already; ${from} is one more`);
      }
      if (version <= versionOf(vector, from)) return;
      vector[from] = version;
      advanced();
    },
    get vector() {
      return { ...vector };
    },
    get waiting() {
      return waiting.size;
    },
  };
}

class Wait implements Cancellable {
  readonly wanted: VersionVector;
  readonly #context: Context;
  readonly #ended: (error: RpcError | undefined) => void;

  constructor(wanted: VersionVector, context: Context, ended: (error: RpcError | undefined) => void) {
    this.wanted = wanted;
    this.#context = context;
    this.#ended = ended;
  }

  cancelled(reason: RpcError): void {
    this.end(reason);
  }

  end(error: RpcError | undefined): void {
    this.#context.offCancel(this);
    this.#ended(error);
  }
}
