/**
 * A Campaign is one candidate's standing: it tries again whatever the engine does, and watches the lease by our clock.
 *
 * The lease is counted from when its renewal was sent, less the margin. It is over when the clock says so, not when a
 * timer rings: a process that stood still (SIGSTOP, a stalled loop) finds its term over the moment it asks. The wall
 * clock is asked as well, since on a suspended machine the monotonic one stands still: one that jumps ahead costs an
 * election, never two leaders.
 */
import { Alarm } from "../core/alarm.ts";
import { RpcError } from "../core/error.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import { Pauses } from "../discovery/pauses.ts";
import { type Candidate, checkRecord } from "./candidate.ts";
import type { Candidacy, CandidacyListener, ElectionSettings, Term } from "./election.ts";
import type { Ballot, ElectionEngine, Seat } from "./engine.ts";

export interface CampaignParts {
  readonly runtime: Runtime;
  readonly engine: ElectionEngine;
  readonly settings: ElectionSettings;
}

export class Campaign implements Candidacy {
  /** Resolves when it stands no more. */
  readonly over: Promise<void>;
  readonly #parts: CampaignParts;
  readonly #standing: { readonly name: string; readonly candidate: Candidate };
  readonly #listener: CandidacyListener;
  readonly #pauses: Pauses;
  readonly #end = new AbortController();
  #round = new AbortController();
  #term: HeldTerm | undefined = undefined;
  #isLost = false;

  constructor(
    parts: CampaignParts, standing: { name: string; candidate: Candidate }, listener: CandidacyListener,
  ) {
    this.#parts = parts;
    this.#standing = standing;
    this.#listener = listener;
    this.#pauses = new Pauses(parts.runtime, parts.settings.pauseMs);
    this.over = this.#run();
  }

  get term(): Term | undefined {
    return this.#term?.holds() === true ? this.#term : undefined;
  }

  resign(): Promise<void> {
    if (!this.#end.signal.aborted) {
      this.#end.abort(resigned());
      // First of all nobody here acts as the leader any more; only then may another rise.
      this.#over("it resigned");
      this.#round.abort(resigned());
      this.#pauses.skip();
    }
    return this.over;
  }

  async #run(): Promise<void> {
    const { engine, settings: { observer } } = this.#parts;
    const { name } = this.#standing;
    // Whoever made us holds us before anything happens.
    await Promise.resolve();
    while (!this.#end.signal.aborted) {
      const round = this.#round = new AbortController();
      let why = "the engine ended it";
      try {
        await engine.stand(this.#ballot(round), round.signal);
      } catch (error) {
        why = RpcError.from(error).message;
        if (!this.#isLost && !round.signal.aborted) {
          observer.event?.("leadership.engine.lost", { name, engine: engine.name, error: why });
          this.#isLost = true;
        }
      }
      this.#over(why);
      round.abort(resigned());
      if (!this.#end.signal.aborted) await this.#pauses.next();
    }
  }

  #ballot(round: AbortController): Ballot {
    const { runtime: { clock }, settings: { marginMs, observer }, engine } = this.#parts;
    const { name, candidate } = this.#standing;
    let lease: Lease | undefined;
    return {
      name, candidate,
      renewed: (sentMs, leaseMs) => {
        if (round.signal.aborted) return;
        if (this.#isLost) observer.event?.("leadership.engine.found", { name, engine: engine.name });
        this.#isLost = false;
        this.#pauses.reset();
        const next = { endsAtMs: sentMs + leaseMs - marginMs, wallEndsAtMs: wallAt(clock, sentMs) + leaseMs };
        lease = next;
        // A term that is over stays so, whatever the engine has said since.
        if (this.#term !== undefined && this.#term.holds()) this.#term.extend(next);
      },
      elected: (seat) => {
        if (round.signal.aborted || lease === undefined) return;
        if (clock.now() >= lease.endsAtMs) {
          round.abort(new RpcError("unavailable", "the lease had ended when its holder was elected"));
          return;
        }
        this.#begin(seat, lease, round);
      },
    };
  }

  #begin(seat: Seat, lease: Lease, round: AbortController): void {
    const { runtime: { clock }, settings: { observer } } = this.#parts;
    const { name, candidate } = this.#standing;
    const term = this.#term = new HeldTerm(clock, name, seat, lease, () => {
      this.#over("its lease ran out by our own clock");
      round.abort(new RpcError("unavailable", "the lease ran out by our own clock"));
    });
    observer.event?.("leadership.elected", { name, id: candidate.id, token: term.token, endsAtMs: term.endsAtMs });
    this.#listener.elected(term);
  }

  #over(why: string): void {
    const term = this.#term;
    if (term === undefined) return;
    this.#term = undefined;
    const { name, token } = term;
    term.end(new RpcError("unavailable", `the term ${token} as the leader of "${name}" is over: ${why}`));
    this.#parts.settings.observer.event?.("leadership.ended", { name, id: this.#standing.candidate.id, token, why });
    this.#listener.ended?.(term, why);
  }
}

interface Lease {
  readonly endsAtMs: number;
  readonly wallEndsAtMs: number;
}

function wallAt(clock: Clock, atMs: number): number {
  return clock.wallMs() - (clock.now() - atMs);
}

class HeldTerm extends Alarm implements Term {
  // A leader's process has better reasons to live.
  override keepsAlive = false;
  readonly name: string;
  readonly token: bigint;
  readonly record: string | undefined;
  readonly #clock: Clock;
  readonly #seat: Seat;
  readonly #expired: () => void;
  readonly #end = new AbortController();
  #lease: Lease;

  constructor(clock: Clock, name: string, seat: Seat, lease: Lease, expired: () => void) {
    super();
    this.name = name;
    this.token = seat.token;
    this.record = seat.record;
    this.#clock = clock;
    this.#seat = seat;
    this.#lease = lease;
    this.#expired = expired;
    clock.set(this, lease.endsAtMs);
  }

  get endsAtMs(): number {
    return this.#lease.endsAtMs;
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  holds(): boolean {
    return !this.#end.signal.aborted && this.#clock.now() < this.#lease.endsAtMs &&
      this.#clock.wallMs() < this.#lease.wallEndsAtMs;
  }

  /** Renewals may be told out of order; none shortens the lease. */
  extend(lease: Lease): void {
    if (lease.endsAtMs <= this.#lease.endsAtMs) return;
    this.#lease = lease;
    this.#clock.set(this, lease.endsAtMs);
  }

  async save(record: string): Promise<void> {
    checkRecord(record);
    if (!this.holds()) throw this.#end.signal.reason ?? new RpcError("aborted", `the term ${this.token} is over`);
    await this.#seat.save(record);
  }

  override ring(): void {
    this.#expired();
  }

  end(why: RpcError): void {
    this.#clock.clear(this);
    this.#end.abort(why);
  }
}

function resigned(): RpcError {
  return new RpcError("cancelled", "the candidate stands no more");
}
