/** An ElectionEngine is what a driver says of the place where elections are held; the rest is `electionOver`'s. */
import type { Candidate } from "./candidate.ts";
import type { Leader } from "./election.ts";

export interface ElectionEngine {
  /** What messages call it, with its address: `etcd at 10.0.0.5:2379`. */
  readonly name: string;
  /**
   * Stands until `signal` aborts, and then withdraws, within seconds, and resolves. Keeps the lease alive and tells
   * `ballot` of each renewal. Rejects when the lease or the seat is lost; it is then called again after a pause.
   */
  stand(ballot: Ballot, signal: AbortSignal): Promise<void>;
  /** Tells who leads, and again whenever it changed, until `signal` aborts. Rejects when the engine is lost. */
  follow(name: string, told: (leader: Leader | undefined) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** One standing, as its driver knows it. */
export interface Ballot {
  readonly name: string;
  readonly candidate: Candidate;
  /**
   * The engine confirmed the lease: it lasts `leaseMs` at least, counted from when the question was *sent*, by our
   * clock. Whatever the engine did with it later makes it last longer, never shorter.
   */
  renewed(sentMs: number, leaseMs: number): void;
  /** The engine gave us the seat, at a time when the lease was renewed before. */
  elected(seat: Seat): void;
}

export interface Seat {
  readonly token: bigint;
  readonly record: string | undefined;
  /** As in Term; rejects with `aborted` if the seat is another's by now. */
  save(record: string): Promise<void>;
}
