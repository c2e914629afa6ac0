/**
 * The stand-in for an engine within one process: for tests, for simulations, and for set-ups of one machine in which
 * whoever holds elections may die with the candidates.
 */
import { RpcError } from "../core/error.ts";
import { numberOption } from "../core/option.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import { type Election, electionOver, type ElectionOptions, type Leader } from "./election.ts";
import type { Ballot, ElectionEngine } from "./engine.ts";

/** Where elections are held: shared by all candidates of one process. */
export interface Arbiter {
  /** Answers nobody from now on, as an engine that is down: leases go on running out. */
  stop(): void;
  start(): void;
}

export interface MemoryElectionOptions extends ElectionOptions {
  /** Shared with the other candidates. */
  readonly arbiter: Arbiter;
  /** How long the seat outlives who holds it, in milliseconds. Default 1,000. */
  readonly ttlMs?: number | undefined;
}

interface Seated {
  readonly leader: Leader;
  endsAtMs: number;
}

interface Chair {
  seated: Seated | undefined;
  record: string | undefined;
  readonly waiting: Set<() => void>;
}

class MemoryArbiter implements Arbiter {
  isUp = true;
  readonly #chairs = new Map<string, Chair>();
  #lastToken = 0n;

  chair(name: string): Chair {
    let chair = this.#chairs.get(name);
    if (chair === undefined) {
      this.#chairs.set(name, chair = { seated: undefined, record: undefined, waiting: new Set() });
    }
    return chair;
  }

  nextToken(): bigint {
    return ++this.#lastToken;
  }

  stop(): void {
    this.isUp = false;
  }

  start(): void {
    this.isUp = true;
    for (const chair of this.#chairs.values()) wake(chair);
  }
}

export function createArbiter(): Arbiter {
  return new MemoryArbiter();
}

/** Elections within this process. Throws `invalid_argument` for options that are out of bounds. */
export function memoryElectionOn(runtime: Runtime, options: MemoryElectionOptions): Election {
  const ttlMs = numberOption("ttlMs", options.ttlMs ?? 1_000, { least: 20, unit: "milliseconds" });
  return electionOver(runtime, memoryEngine(runtime.clock, options.arbiter as MemoryArbiter, ttlMs), ttlMs, options);
}

function memoryEngine(clock: Clock, arbiter: MemoryArbiter, ttlMs: number): ElectionEngine {
  return {
    name: "the memory of this process",
    stand: (ballot, signal) => new Standing(clock, arbiter, ttlMs, ballot).until(signal),
    async follow(name, told, signal) {
      const chair = arbiter.chair(name);
      while (!signal.aborted) {
        if (arbiter.isUp) {
          expire(clock, chair);
          told(chair.seated?.leader);
        }
        const leftMs = chair.seated === undefined ? ttlMs : chair.seated.endsAtMs - clock.now();
        await changed(clock, chair, Math.max(1, Math.min(leftMs, ttlMs)), signal);
      }
    },
    close: () => Promise.resolve(),
  };
}

class Standing {
  readonly #clock: Clock;
  readonly #arbiter: MemoryArbiter;
  readonly #ttlMs: number;
  readonly #ballot: Ballot;
  readonly #chair: Chair;

  constructor(clock: Clock, arbiter: MemoryArbiter, ttlMs: number, ballot: Ballot) {
    this.#clock = clock;
    this.#arbiter = arbiter;
    this.#ttlMs = ttlMs;
    this.#ballot = ballot;
    this.#chair = arbiter.chair(ballot.name);
  }

  async until(signal: AbortSignal): Promise<void> {
    let own: Seated | undefined;
    try {
      while (!signal.aborted) {
        if (this.#arbiter.isUp) {
          expire(this.#clock, this.#chair);
          if (own !== undefined && this.#chair.seated !== own) throw new RpcError("unavailable", "the lease ran out");
          if (own !== undefined) this.#renew(own);
          else if (this.#chair.seated === undefined) own = this.#take();
        }
        await changed(this.#clock, this.#chair, this.#ttlMs / 4, signal);
      }
    } finally {
      if (own !== undefined && this.#chair.seated === own && this.#arbiter.isUp) {
        this.#chair.seated = undefined;
        wake(this.#chair);
      }
    }
  }

  #renew(own: Seated): void {
    const nowMs = this.#clock.now();
    own.endsAtMs = nowMs + this.#ttlMs;
    this.#ballot.renewed(nowMs, this.#ttlMs);
  }

  #take(): Seated {
    const arbiter = this.#arbiter;
    const chair = this.#chair;
    const token = arbiter.nextToken();
    const own: Seated = { leader: { ...this.#ballot.candidate, token }, endsAtMs: 0 };
    chair.seated = own;
    this.#renew(own);
    this.#ballot.elected({
      token, record: chair.record,
      save: async (record) => {
        if (!arbiter.isUp) throw new RpcError("unavailable", "the arbiter is stopped");
        expire(this.#clock, chair);
        if (chair.seated !== own) throw new RpcError("aborted", `the term ${token} is over`);
        chair.record = record;
      },
    });
    wake(chair);
    return own;
  }
}

function expire(clock: Clock, chair: Chair): void {
  if (chair.seated === undefined || clock.now() < chair.seated.endsAtMs) return;
  chair.seated = undefined;
  wake(chair);
}

function wake(chair: Chair): void {
  const waiting = [...chair.waiting];
  chair.waiting.clear();
  for (const one of waiting) one();
}

/** Resolves when something changed, or after so long. */
function changed(clock: Clock, chair: Chair, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      chair.waiting.delete(end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(ms, end).unref();
    chair.waiting.add(end);
    signal.addEventListener("abort", end, { once: true });
  });
}
