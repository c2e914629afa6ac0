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
  return new Replica(runtime, options);
}

class Replica implements ReplicaVersions {
  readonly #runtime: Runtime;
  readonly #origin: string;
  readonly #observer: Observer | undefined;
  readonly #maxWaitMs: number;
  readonly #maxWaiting: number;
  readonly #vector: Record<string, number>;
  readonly #waiting = new Set<Wait>();
  readonly #writes = new WeakMap<Context, number>();

  constructor(runtime: Runtime, options: ReplicaVersionsOptions) {
    const { origin, maxWaitMs = 50, maxWaiting = 1_000 } = options;
    if (origin === "" || origin.length > 128) throw badOption("origin", origin, "expected 1 to 128 characters");
    this.#runtime = runtime;
    this.#origin = origin;
    this.#observer = options.observer;
    this.#maxWaitMs = numberOption("maxWaitMs", maxWaitMs, { least: 0, unit: "milliseconds" });
    this.#maxWaiting = numberOption("maxWaiting", maxWaiting, { least: 0, whole: true, unit: "calls" });
    this.#vector = { ...options.initial };
  }

  readonly layer: Layer = (next) => (request, context) => {
    const run = (): unknown => {
      const answer = next(request, context);
      if (!isPromise(answer)) {
        this.#tell(context);
        return answer;
      }
      return answer.then((value) => {
        this.#tell(context);
        return value;
      });
    };
    const token = context.metadata[sessionHeader];
    if (token === undefined || token === "") return run();
    const wanted = readVector(token);
    return covers(this.#vector, wanted) ? run() : this.#caughtUp(wanted, context).then(run);
  };

  wrote(context?: Context): number {
    const version = versionOf(this.#vector, this.#origin) + 1;
    this.#vector[this.#origin] = version;
    if (context !== undefined) this.#writes.set(context, version);
    this.#advanced();
    return version;
  }

  applied(origin: string, version: number): void {
    numberOption("version", version, { least: 0, whole: true });
    if (!Object.hasOwn(this.#vector, origin) && Object.keys(this.#vector).length >= maxOrigins) {
      throw new RpcError("resource_exhausted", `${maxOrigins} origins are known already; ${origin} is one more`);
    }
    if (version <= versionOf(this.#vector, origin)) return;
    this.#vector[origin] = version;
    this.#advanced();
  }

  get vector(): VersionVector {
    return { ...this.#vector };
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  #advanced(): void {
    for (const wait of this.#waiting) if (covers(this.#vector, wait.wanted)) wait.end(undefined);
  }

  #tell(context: Context): void {
    const own = this.#writes.get(context);
    // A write is all that its session must see again; a read may have shown anything that is here.
    context.setTrailer(versionTrailer, writeVector(own === undefined ? this.#vector : { [this.#origin]: own }));
  }

  #caughtUp(wanted: VersionVector, context: Context): Promise<void> {
    const limitMs = Math.min(this.#maxWaitMs, context.deadline - this.#runtime.clock.now());
    if (limitMs <= 0 || this.#waiting.size >= this.#maxWaiting) return Promise.reject(this.#lagging(wanted));
    return new Promise((resolve, reject) => {
      const wait = new Wait(wanted, context, (error) => {
        this.#waiting.delete(wait);
        timer.cancel();
        if (error === undefined) resolve();
        else reject(error);
      });
      const timer = this.#runtime.clock.after(limitMs, () => wait.end(this.#lagging(wanted)));
      this.#waiting.add(wait);
      context.onCancel(wait);
    });
  }

  #lagging(wanted: VersionVector): RpcError {
    const behind = Object.keys(wanted).filter((one) => versionOf(this.#vector, one) < (wanted[one] as number));
    const why = behind.map((one) => `${versionOf(this.#vector, one)} of ${wanted[one]} of ${one}`).join(", ");
    this.#observer?.event?.("session.lagging", { at: this.#origin, why });
    // Not `unavailable`: to be behind is no illness, for which a server would be left alone.
    return expected("aborted", `this replica is behind what the session has seen: it has ${why}`,
      { neverStarted: true, reason: "ReplicaLags" });
  }
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
