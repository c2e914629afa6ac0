/**
 * Decision records say why a call went where it went, and where its time went: kept in a bounded ring, for calls that
 * failed, were slow or repeated, for those whose callers ask (`meridian-why`), and for a small sample of the others.
 *
 * Nothing is kept of a call before it is known to be worth it: most facts are on its context and its endpoint when it
 * ends. Only what would be lost by then (who else could have been picked) is looked at as an attempt is made, for calls
 * that are worth it already: repeats, calls whose callers ask, and the next of the sample. A call of which nothing is
 * kept costs a few comparisons.
 */
import {
  type Candidate, type Context, createMetadata, decisionTrailer, emptyMetadata, type EndpointAddress, numberOption,
  type Observer, type Picker, type RpcError, type Runtime, whyMetadata,
} from "../core/index.ts";
import { type ClientEndpoint, speaksAgainstEndpoint } from "../client/index.ts";
import { tokenBucket, type TokenBucket } from "../resilience/index.ts";
import { type Choice, choiceOf } from "./candidates.ts";
import type { Decision } from "./contract.ts";
import { recordOf } from "./record.ts";
import { Slowness } from "./slowness.ts";

export interface DecisionOptions {
  /** Records kept, of all kinds together. Default 1,000. */
  readonly maxRecords?: number | undefined;
  /** Candidates that each attempt of a record names. Default 16. */
  readonly maxCandidates?: number | undefined;
  /** Of calls that nothing else speaks for, one in so many is kept, ten a second at most. Default 1,000. */
  readonly sampleEvery?: number | undefined;
  /** Where this process is: where its calls come from. Default "". */
  readonly region?: string | undefined;
  /** Everybody who serves a name, also those that a picker is not shown. */
  readonly everybody?: ((service: string) => readonly Candidate[]) | undefined;
}

/** Why a record is kept. */
export type Kept = "asked" | "failed" | "slow" | "repeated" | "sample";

export interface DecisionFilter {
  readonly service?: string | undefined;
  readonly method?: string | undefined;
  /** Of an endpoint that an attempt went to. */
  readonly region?: string | undefined;
  readonly code?: string | undefined;
  readonly kept?: string | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

export interface Decisions {
  /** What hears the calls: an observer of clients or of a gateway. */
  readonly observer: Observer;
  /** Newest first. */
  list(filter?: DecisionFilter): readonly Decision[];
  /** By id, or by trace id; undefined once it is no longer kept. */
  find(id: string): Decision | undefined;
  readonly size: number;
}

/**
 * Shares of the ring, so that a flood of one kind leaves the others be; and most a second, since each costs some time.
 */
const kinds: Readonly<Record<Kept, { readonly share: number; readonly perSecond: number }>> = {
  asked: { share: 0.15, perSecond: 50 },
  failed: { share: 0.35, perSecond: 100 },
  slow: { share: 0.2, perSecond: 20 },
  repeated: { share: 0.2, perSecond: 50 },
  sample: { share: 0.1, perSecond: 10 },
};

/** Makes a recorder. Impossible options are refused by name. */
export function createDecisions(
  runtime: Pick<Runtime, "clock" | "random">, options: DecisionOptions = {},
): Decisions {
  const recorder = new Recorder(runtime, options);
  return {
    observer: {
      picked: (context, candidates, picked, picker) => recorder.picked(context, candidates, picked, picker),
      attemptEnded: (context, endpoint, latencyMs, error) => {
        // Of a first attempt that went well all is known at the call's end.
        if (error !== undefined || context.attempt > 0 || context.hedged) {
          recorder.attemptEnded(context, endpoint, latencyMs, error);
        }
      },
      callEnded: (context, latencyMs, error) => recorder.callEnded(context, latencyMs, error),
    },
    list: (filter = {}) => recorder.list(filter),
    find: (id) => recorder.find(id),
    get size() {
      return recorder.size;
    },
  };
}

interface Ring {
  readonly records: Decision[];
  readonly most: number;
  readonly rate: TokenBucket;
  next: number;
}

class Recorder {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #maxCandidates: number;
  readonly #sampleEvery: number;
  readonly #region: string;
  readonly #everybody: ((service: string) => readonly Candidate[]) | undefined;
  readonly #rings: ReadonlyMap<Kept, Ring>;
  readonly #slowness = new Slowness();
  #untilSample: number;
  /** Picks until one is looked at, for the sample. */
  #untilLook: number;

  constructor(runtime: Pick<Runtime, "clock" | "random">, options: DecisionOptions) {
    this.#runtime = runtime;
    const maxRecords = numberOption("maxRecords", options.maxRecords ?? 1_000,
      { least: 10, most: 100_000, whole: true, unit: "records" });
    this.#maxCandidates = numberOption("maxCandidates", options.maxCandidates ?? 16,
      { least: 1, most: 256, whole: true });
    this.#sampleEvery = numberOption("sampleEvery", options.sampleEvery ?? 1_000, { least: 1, most: 1e9, whole: true });
    this.#untilSample = this.#untilLook = this.#sampleEvery;
    this.#region = options.region ?? "";
    this.#everybody = options.everybody;
    this.#rings = new Map(Object.entries(kinds).map(([kept, { share, perSecond }]) => [kept as Kept, {
      records: [], most: Math.max(1, Math.floor(maxRecords * share)), rate: tokenBucket(runtime.clock, { perSecond }),
      next: 0,
    }]));
  }

  get size(): number {
    let size = 0;
    for (const { records } of this.#rings.values()) size += records.length;
    return size;
  }

  picked(
    context: Context, candidates: readonly Candidate[], picked: Candidate | undefined, picker: Picker,
  ): void {
    if (context.attempt === 0 && !context.hedged && --this.#untilLook > 0 && !asks(context)) return;
    if (this.#untilLook <= 0) {
      // Where calls are so many that the sample has enough for now, its picks are looked at less often.
      const isEnough = (this.#rings.get("sample") as Ring).rate.available() < 1;
      this.#untilLook = this.#sampleEvery * (isEnough ? 16 : 1);
      if (isEnough && !asks(context)) return;
    }
    const { picks } = context.traced();
    if (picks.length < 16) picks.push(this.#look(context, candidates, picked, picker, "pick"));
  }

  #look(
    context: Context, candidates: readonly Candidate[], picked: Candidate | undefined, picker: Picker | undefined,
    seen: Choice["seen"],
  ): Choice {
    const everybody = this.#everybody?.(context.method.service) ?? [];
    const all = everybody.length > candidates.length ? everybody : candidates;
    return choiceOf(all, {
      context, picked, explanation: picker?.explain?.(context) ?? {}, maxCandidates: this.#maxCandidates, seen,
    });
  }

  attemptEnded(context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError | undefined): void {
    const { attempts } = context.traced();
    if (attempts.length >= 16) return;
    attempts.push({
      number: context.attempt, hedged: context.hedged, startedMs: context.startedMs,
      endedMs: context.startedMs + latencyMs, endpoint: endpoint.id, region: endpoint.region, error,
    });
  }

  callEnded(context: Context, latencyMs: number, error: RpcError | undefined): void {
    const { trace, metadata } = context;
    const isSlow = this.#slowness.isSlow(context.method, latencyMs);
    if (error === undefined && trace === undefined && !isSlow && metadata === emptyMetadata &&
      --this.#untilSample > 0) return;
    const kept = this.#reason(context, error, isSlow);
    if (kept !== undefined) this.#keep(kept, context, latencyMs, error);
  }

  /** Why a call is kept, the strongest reason first; undefined if nothing speaks for it. */
  #reason(context: Context, error: RpcError | undefined, isSlow: boolean): Kept | undefined {
    if (asks(context) && this.#may("asked")) return "asked";
    if (error !== undefined) {
      // A caller's own mistakes are many, and say little of the way.
      const isTelling = speaksAgainstEndpoint(error) || this.#untilSample % 10 === 0;
      if (isTelling && this.#may("failed")) return "failed";
    }
    const attempts = context.trace?.attempts ?? [];
    const isRepeated = context.contenders !== undefined || attempts.some(({ number }) => number > 0);
    if (isRepeated && this.#may("repeated")) return "repeated";
    if (isSlow && this.#may("slow")) return "slow";
    if (this.#untilSample > 0 && context.trace !== undefined) this.#untilSample--;
    if (this.#untilSample > 0 && !isSampled(context)) return undefined;
    if (this.#untilSample <= 0) this.#untilSample = this.#sampleEvery;
    return this.#may("sample") ? "sample" : undefined;
  }

  #may(kept: Kept): boolean {
    return this.#rings.get(kept)?.rate.take() ?? false;
  }

  #keep(kept: Kept, context: Context, latencyMs: number, error: RpcError | undefined): void {
    const ring = this.#rings.get(kept) as Ring;
    const nowMs = this.#runtime.clock.now();
    const id = this.#runtime.random.id().slice(0, 16);
    const picks = (context.trace?.picks ?? []) as readonly Choice[];
    const picked = context.picked as ClientEndpoint | undefined;
    // Of a first pick that nobody looked at, what can be known now.
    const choices = picked === undefined || picks.some((one) => one.context.attempt === 0 && !one.context.hedged)
      ? picks
      : [this.#look(context, [], firstPicked(context, picked), picked.picker, "end"), ...picks];
    const record = recordOf({
      id, kept, from: this.#region, context, latencyMs, error, choices, nowMs,
      wallMs: this.#runtime.clock.wallMs(),
    });
    if (ring.records.length < ring.most) ring.records.push(record);
    else ring.records[ring.next] = record;
    ring.next = (ring.next + 1) % ring.most;
    if (asks(context)) context.onMetadata?.("trailer", createMetadata({ [decisionTrailer]: id }));
  }

  list({ service, method, region, code, kept, limit = 50 }: DecisionFilter): readonly Decision[] {
    const found: Decision[] = [];
    for (const [kind, { records }] of this.#rings) {
      if (kept !== undefined && kept !== kind) continue;
      for (const one of records) {
        if ((service === undefined || one.service === service) && (method === undefined || one.method === method) &&
          (code === undefined || one.code === code) &&
          (region === undefined || one.attempts.some((attempt) => attempt.region === region))) found.push(one);
      }
    }
    return found.sort((a, b) => b.atMs - a.atMs).slice(0, Math.max(0, limit));
  }

  find(id: string): Decision | undefined {
    let byTrace: Decision | undefined;
    for (const { records } of this.#rings.values()) {
      for (const one of records) {
        if (one.id === id) return one;
        if (id !== "" && one.traceId === id && (byTrace === undefined || one.atMs > byTrace.atMs)) byTrace = one;
      }
    }
    return byTrace;
  }
}

/** Who was picked first: the last picked may be a repeat's. */
function firstPicked(context: Context, last: Candidate): Candidate {
  for (const one of (context.trace?.picks ?? []) as readonly Choice[]) {
    const [first] = one.context.avoid;
    if (first !== undefined) return first as Candidate;
  }
  return last;
}

function asks({ metadata }: Context): boolean {
  return metadata !== emptyMetadata && metadata[whyMetadata] !== undefined;
}

/** Whether its first pick was looked at for the sample. */
function isSampled({ trace }: Context): boolean {
  return trace !== undefined && trace.picks.length > 0;
}
