/**
 * A prober asks the servers that no traffic tells of, and says which of them do not answer as they should.
 *
 * Traffic first: an endpoint whose calls succeed is not probed. Peers watch only whom they call: neither is one that
 * is not connected, since connecting asks the same. Probes are spread over time and bounded in number.
 */
import { Alarm } from "../core/alarm.ts";
import type { Connect } from "../core/connection.ts";
import { RpcError } from "../core/error.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import type { LoopGuard } from "../health/index.ts";
import type { ClientEndpoint } from "./endpoint.ts";
import {
  type GrpcHealthOptions, grpcHealthProbe, httpProbe, type HttpProbeOptions, pingProbe, tcpProbe, type ProbeTarget,
} from "./probes-kinds.ts";

/** What is asked, and how: as data, or as a {@link Probe} of one's own. */
export type ProbeKind =
  | "ping"
  | ({ readonly kind: "grpc.health.v1" } & GrpcHealthOptions)
  | ({ readonly kind: "http" } & HttpProbeOptions)
  | ({ readonly kind: "tcp" } & ProbeTarget)
  | Probe;

export interface ProbeSettings {
  /** `"ping"` of the client's own protocol by default. */
  readonly probe?: ProbeKind | undefined;
  /** From one probe of an endpoint to the next, in milliseconds. Default 5,000, at least 100. */
  readonly intervalMs?: number | undefined;
  /** How much each interval differs, 0 to 1. Default 0.2: 80 to 120 %. */
  readonly jitter?: number | undefined;
  /** Time for one probe, in milliseconds. Default 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Failures in a row that take an endpoint out. Default 3. */
  readonly unhealthyAfter?: number | undefined;
  /** Successes in a row that let it back. Default 2. */
  readonly healthyAfter?: number | undefined;
  /** Most probes under way at once; others wait their turn. Default 16. */
  readonly maxAtOnce?: number | undefined;
}

/** Makes the probe of a kind. `connect` and `tls` are the client's own; its connections must be new ones. */
export function probeOf(
  runtime: Runtime, kind: ProbeKind, own: { readonly connect: Connect; readonly tls?: Security | undefined },
): Probe {
  if (typeof kind === "function") return kind;
  if (kind === "ping") return pingProbe(runtime, own.connect);
  const options = { tls: own.tls, ...kind };
  switch (options.kind) {
    case "grpc.health.v1": return grpcHealthProbe(runtime, options);
    case "http": return httpProbe(runtime, options);
    case "tcp": return tcpProbe(runtime, options);
  }
}

export interface ProbeOptions extends Omit<ProbeSettings, "probe"> {
  readonly probe: Probe;
}

/** After a turn that had to wait, in milliseconds. */
const waitMs = 50;

export class Prober {
  readonly #runtime: Runtime;
  readonly #options: ProbeOptions;
  readonly #guard: Pick<LoopGuard, "stalledRecently">;
  readonly #rounds = new Set<Round>();
  underWay = 0;

  constructor(runtime: Runtime, options: ProbeOptions, guard: Pick<LoopGuard, "stalledRecently">) {
    this.#runtime = runtime;
    this.#options = options;
    this.#guard = guard;
  }

  /** Looks after an endpoint until it is closed. */
  watch(endpoint: ClientEndpoint): void {
    this.#rounds.add(new Round(this.#runtime, this.#options, this, endpoint));
  }

  get isFull(): boolean {
    return this.underWay >= (this.#options.maxAtOnce ?? 16);
  }

  /** Whether a failure may be our own. */
  isStalled(): boolean {
    return this.#guard.stalledRecently(this.#options.timeoutMs ?? defaultTimeoutMs);
  }

  forget(round: Round): void {
    this.#rounds.delete(round);
  }

  close(): void {
    for (const round of this.#rounds) round.stop();
    this.#rounds.clear();
  }
}

const defaultTimeoutMs = 1_000;

/** The probes of one endpoint, one after the other. */
class Round extends Alarm {
  override keepsAlive = false;
  readonly #runtime: Runtime;
  readonly #options: ProbeOptions;
  readonly #prober: Prober;
  readonly #endpoint: ClientEndpoint;
  /** Attempts that had succeeded at the last turn. */
  #succeeded = 0;
  #failures = 0;
  #successes = 0;
  #isOut = false;
  #stopped = false;

  constructor(runtime: Runtime, options: ProbeOptions, prober: Prober, endpoint: ClientEndpoint) {
    super();
    this.#runtime = runtime;
    this.#options = options;
    this.#prober = prober;
    this.#endpoint = endpoint;
    // The first turns of many endpoints lie all over an interval.
    this.#later(this.#intervalMs * runtime.random.next());
  }

  get #intervalMs(): number {
    return Math.max(100, this.#options.intervalMs ?? 5_000);
  }

  stop(): void {
    this.#stopped = true;
    this.#runtime.clock.clear(this);
  }

  override ring(): void {
    const { status, load } = this.#endpoint;
    if (status === "closed") {
      this.#prober.forget(this);
      return;
    }
    const succeeded = load.ended - load.failed;
    const hasTraffic = succeeded > this.#succeeded;
    if (!this.#isOut && (hasTraffic || !this.#endpoint.isConnected)) {
      this.#succeeded = succeeded;
      this.#failures = 0;
      this.#later(this.#spreadMs());
    } else if (this.#prober.isFull) {
      this.#later(waitMs * (0.5 + this.#runtime.random.next()));
    } else {
      this.#succeeded = succeeded;
      void this.#ask();
    }
  }

  async #ask(): Promise<void> {
    const { probe, timeoutMs = defaultTimeoutMs } = this.#options;
    let failure: string | undefined;
    this.#prober.underWay++;
    try {
      await probe(this.#endpoint.address, timeoutMs);
    } catch (error) {
      failure = RpcError.from(error).message;
    } finally {
      this.#prober.underWay--;
    }
    if (this.#stopped) return;
    // What failed while we stood still ourselves speaks against nobody.
    if (failure === undefined || !this.#prober.isStalled()) this.#take(failure);
    this.#later(this.#spreadMs());
  }

  #take(failure: string | undefined): void {
    const { unhealthyAfter = 3, healthyAfter = 2 } = this.#options;
    if (failure === undefined) {
      this.#failures = 0;
      if (!this.#isOut || ++this.#successes < healthyAfter) return;
      this.#isOut = false;
      this.#endpoint.probed(undefined);
      return;
    }
    this.#successes = 0;
    if (++this.#failures < unhealthyAfter) return;
    this.#isOut = true;
    this.#endpoint.probed(`${this.#failures} probes in a row failed: ${failure}`);
  }

  #spreadMs(): number {
    const jitter = Math.min(1, Math.max(0, this.#options.jitter ?? 0.2));
    return this.#intervalMs * (1 + jitter * (2 * this.#runtime.random.next() - 1));
  }

  #later(delayMs: number): void {
    if (!this.#stopped) this.#runtime.clock.set(this, this.#runtime.clock.now() + delayMs);
  }
}
