/**
 * An Election decides which of several candidates leads a name, for as long as that one's lease lasts.
 *
 * Two promises, of different strength. By lease: at one time at most one candidate holds a term, as long as monotonic
 * clocks run apart by less than the margin (Gray and Cheriton, "Leases", SOSP 1989). By token: every term has a number
 * that is greater than that of all terms before it, so that whoever is written to can refuse a leader whose clock
 * stood still, whatever clocks do ({@link Fence}).
 */
import { RpcError } from "../core/error.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { Pauses } from "../discovery/pauses.ts";
import { Campaign } from "./campaign.ts";
import { type Candidate, type CandidateFields, candidateOf, checkElectionName, sameLeader } from "./candidate.ts";
import type { ElectionEngine } from "./engine.ts";

/** Who leads, as others see it. What is told may be old by the time it is heard: a hint, where a token is proof. */
export interface Leader extends Candidate {
  readonly token: bigint;
}

/** One candidate's time as the leader. */
export interface Term {
  readonly name: string;
  /** Greater than that of every term before, in this engine. */
  readonly token: bigint;
  /** What a leader before saved last ({@link save}); undefined if none ever did. */
  readonly record: string | undefined;
  /** When it ends unless it is renewed, in our clock's milliseconds: before the engine would give it to another. */
  readonly endsAtMs: number;
  /** Aborts when the term is over, with the reason. Whatever it was a leader's to do stops then. */
  readonly signal: AbortSignal;
  /**
   * Whether it holds at this moment: asks the clock, so that it tells the truth to whoever wakes from a standstill,
   * even before any timer has rung. Ask it right before each act that only a leader may do.
   */
  holds(): boolean;
  /**
   * Saves up to 64 KiB for the leaders to come, in one step with the engine's own check that this term is its present
   * one: a deposed leader saves nothing, whatever its clock says. Rejects with `aborted` then.
   */
  save(record: string): Promise<void>;
}

export interface CandidacyListener {
  /** We lead from now on. */
  elected(term: Term): void;
  /** We lead no more: resigned, expired by our own clock, or deposed by the engine. */
  ended?(term: Term, why: string): void;
}

/** Our standing for election. */
export interface Candidacy {
  /** Our term, while it holds. */
  readonly term: Term | undefined;
  /** Gives up the term, if there is one, and stands no more. The next leader need not wait for a lease to end. */
  resign(): Promise<void>;
}

export interface Election extends AsyncDisposable {
  /**
   * Stands for election under `name` until it resigns: whenever nobody leads, one of the candidates is elected. Throws
   * `invalid_argument` for a name or a candidate that engines do not take.
   */
  campaign(name: string, candidate: CandidateFields, listener: CandidacyListener): Candidacy;
  /**
   * Tells who leads, at once if that is known, and whenever it changes; undefined for nobody. While the engine is away
   * what was told last stays. The returned function ends it.
   */
  observe(name: string, listener: (leader: Leader | undefined) => void): () => void;
  /** Resigns everywhere and closes the connections. */
  close(): Promise<void>;
}

export interface ElectionOptions {
  /**
   * Hears `leadership.elected`, `leadership.ended` (with `why`), `leadership.observed`, `leadership.engine.lost` and
   * `leadership.engine.found`, once an outage.
   */
  readonly observer?: Observer | undefined;
  /**
   * So long before its lease can end, by its own clock, a leader holds itself for none, in milliseconds: what clocks
   * may run apart in a lease, and what an act may take that was begun while the term still held. Default a tenth of
   * `ttlMs`.
   */
  readonly marginMs?: number | undefined;
  /** First and longest pause before the engine is tried again, in milliseconds. Default 50 and 500. */
  readonly retryMinMs?: number | undefined;
  readonly retryMaxMs?: number | undefined;
}

export interface ElectionSettings {
  readonly observer: Observer;
  readonly marginMs: number;
  readonly pauseMs: { readonly min: number; readonly max: number };
}

/** Most campaigns, and most observed names, of one election. */
const maxNames = 1_000;

/** Makes the election of an engine; its lease of `ttlMs` is what the margin must leave something of. */
export function electionOver(
  runtime: Runtime, engine: ElectionEngine, ttlMs: number, options: ElectionOptions = {},
): Election {
  const settings = resolve(ttlMs, options);
  const campaigns = new Set<Campaign>();
  const observed = new Map<string, Observation>();
  let closing: Promise<void> | undefined;

  function open(name: string, count: number): void {
    checkElectionName(name);
    if (closing !== undefined) throw new RpcError("failed_precondition", `the election by ${engine.name} is closed`);
    if (count < maxNames) return;
    throw new RpcError("resource_exhausted", `an election has at most ${maxNames} names at once`);
  }

  async function close(): Promise<void> {
    for (const one of observed.values()) one.close();
    await Promise.all([...campaigns].map((one) => one.resign()));
    await engine.close();
  }

  return {
    campaign(name, fields, listener) {
      open(name, campaigns.size);
      const campaign = new Campaign({ runtime, engine, settings }, { name, candidate: candidateOf(fields) }, listener);
      campaigns.add(campaign);
      void campaign.over.then(() => campaigns.delete(campaign));
      return campaign;
    },
    observe(name, listener) {
      let observation = observed.get(name);
      if (observation === undefined) {
        open(name, observed.size);
        observed.set(name, observation = new Observation(runtime, engine, settings, name));
      }
      const one = observation;
      return one.join(listener, () => {
        if (observed.get(name) === one) observed.delete(name);
        one.close();
      });
    },
    close: () => closing ??= close(),
    [Symbol.asyncDispose]: () => closing ??= close(),
  };
}

function resolve(ttlMs: number, options: ElectionOptions): ElectionSettings {
  const marginMs = numberOption("marginMs", options.marginMs ?? ttlMs / 10, { least: 0, unit: "milliseconds" });
  if (marginMs > ttlMs / 2) {
    throw badOption("marginMs", marginMs, `half of the lease (ttlMs ${ttlMs}) is the most that can be given away`);
  }
  const min = numberOption("retryMinMs", options.retryMinMs ?? 50, { least: 1, unit: "milliseconds" });
  const max = numberOption("retryMaxMs", options.retryMaxMs ?? Math.max(500, min), { least: 1, unit: "milliseconds" });
  if (max < min) throw badOption("retryMaxMs", max, `it is less than retryMinMs ${min}`);
  return { observer: options.observer ?? {}, marginMs, pauseMs: { min, max } };
}

/** One name's leader, followed for all who asked. */
class Observation {
  readonly #listeners = new Set<(leader: Leader | undefined) => void>();
  readonly #end = new AbortController();
  readonly #pauses: Pauses;
  #known = false;
  #leader: Leader | undefined = undefined;

  constructor(runtime: Runtime, engine: ElectionEngine, { observer, pauseMs }: ElectionSettings, name: string) {
    this.#pauses = new Pauses(runtime, pauseMs);
    void this.#follow(engine, observer, name);
  }

  async #follow(engine: ElectionEngine, observer: Observer, name: string): Promise<void> {
    const { signal } = this.#end;
    let isLost = false;
    const told = (leader: Leader | undefined): void => {
      if (signal.aborted) return;
      this.#pauses.reset();
      if (isLost) observer.event?.("leadership.engine.found", { name, engine: engine.name });
      isLost = false;
      if (this.#known && sameLeader(leader, this.#leader)) return;
      this.#known = true;
      this.#leader = leader;
      observer.event?.("leadership.observed", { name, leader: leader?.id, token: leader?.token });
      for (const listener of [...this.#listeners]) listener(leader);
    };
    while (!signal.aborted) {
      try {
        await engine.follow(name, told, signal);
      } catch (error) {
        if (!isLost && !signal.aborted) {
          observer.event?.("leadership.engine.lost",
            { name, engine: engine.name, error: RpcError.from(error).message });
        }
        isLost = true;
      }
      if (!signal.aborted) await this.#pauses.next();
    }
  }

  join(listener: (leader: Leader | undefined) => void, empty: () => void): () => void {
    // Of its own, so that the same function may listen twice.
    const own = (leader: Leader | undefined): void => listener(leader);
    this.#listeners.add(own);
    if (this.#known) own(this.#leader);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) empty();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#end.abort(new RpcError("cancelled", "nobody observes this election any more"));
    this.#pauses.skip();
  }
}
