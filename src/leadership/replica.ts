/**
 * A Replica is one member's copy: the user's state, the last changes in order, and the answers to those with a key.
 *
 * Changes are named by number and term, as entries of Raft's log: whoever has one of the same two has the same ones
 * before it (the Log Matching property: Ongaro and Ousterhout, USENIX ATC 2014).
 */
import { RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";

/** The state of a service that is kept warm elsewhere. All three are synchronous: nothing comes between. */
export interface StandbyState {
  /** Everything, in bytes that `restore` of another process of the same release understands. */
  snapshot(): Uint8Array;
  /** Replaces everything. */
  restore(bytes: Uint8Array): void;
  /**
   * Makes one change and returns what its caller is answered. It must depend on the state and the change alone (no
   * clock, no chance: put what those said into the change), and leave the state as it was if it throws.
   */
  apply(change: Uint8Array): Uint8Array | undefined;
}

export interface Change {
  readonly token: bigint;
  readonly sequence: number;
  readonly key: string;
  readonly change: Uint8Array;
  readonly answer: Uint8Array;
}

export interface Completion {
  readonly sequence: number;
  readonly answer: Uint8Array;
  readonly atMs: number;
}

export interface ReplicaLimits {
  readonly maxLogChanges: number;
  readonly maxLogBytes: number;
  readonly maxKeys: number;
  readonly keepKeysMs: number;
}

const nothing = new Uint8Array(0);

export class Replica {
  readonly #clock: Clock;
  readonly #state: StandbyState;
  readonly #limits: ReplicaLimits;
  readonly #keys = new Map<string, Completion>();
  /** The change before the oldest in the log. */
  #base = { sequence: 0, token: 0n };
  #log: Change[] = [];
  /** Where the oldest stands: shifting a long array each time would be slow. */
  #oldest = 0;
  #logBytes = 0;

  constructor(clock: Clock, state: StandbyState, limits: ReplicaLimits) {
    this.#clock = clock;
    this.#state = state;
    this.#limits = limits;
  }

  get last(): { readonly sequence: number; readonly token: bigint } {
    return this.#log.at(-1) ?? this.#base;
  }

  get logChanges(): number {
    return this.#log.length - this.#oldest;
  }

  get keys(): number {
    return this.#keys.size;
  }

  completion(key: string): Completion | undefined {
    return this.#keys.get(key);
  }

  /** Makes a new change, of the present term. Throws what `apply` throws. */
  change(token: bigint, key: string, change: Uint8Array): Change {
    if (key !== "") this.#makeRoom();
    const answer = this.#state.apply(change) ?? nothing;
    const made = { token, sequence: this.last.sequence + 1, key, change, answer };
    this.#keep(made);
    return made;
  }

  /** Makes a change that another member made first. */
  follow(change: Change): void {
    if (change.sequence !== this.last.sequence + 1) {
      throw new RpcError("data_loss", `change ${change.sequence} came after ${this.last.sequence}`);
    }
    this.#state.apply(change.change);
    this.#keep(change);
  }

  #keep(change: Change): void {
    const { maxLogChanges, maxLogBytes } = this.#limits;
    this.#log.push(change);
    this.#logBytes += sizeOf(change);
    if (change.key !== "") {
      // Last in the order of age.
      this.#keys.delete(change.key);
      this.#keys.set(change.key, { sequence: change.sequence, answer: change.answer, atMs: this.#clock.now() });
    }
    while (this.logChanges > 1 && (this.logChanges > maxLogChanges || this.#logBytes > maxLogBytes)) {
      const dropped = this.#log[this.#oldest++] as Change;
      this.#base = { sequence: dropped.sequence, token: dropped.token };
      this.#logBytes -= sizeOf(dropped);
    }
    if (this.#oldest > 1_024 && this.#oldest * 2 > this.#log.length) {
      this.#log = this.#log.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  /** Forgets keys that are old enough. One that may still be repeated is never forgotten: new ones are refused. */
  #makeRoom(): void {
    const { maxKeys, keepKeysMs } = this.#limits;
    const oldMs = this.#clock.now() - keepKeysMs;
    for (const [key, { atMs }] of this.#keys) {
      if (atMs > oldMs) break;
      this.#keys.delete(key);
    }
    if (this.#keys.size < maxKeys) return;
    throw new RpcError("resource_exhausted",
      `${maxKeys} keys (maxKeys) of the last ${keepKeysMs} ms (keepKeysMs) are remembered; more would be forgotten ` +
      "while they may still be repeated", { neverStarted: true, retryAfterMs: 1_000 });
  }

  /** Whether whoever has this change as its last has what this replica has up to there, and the log goes on from it. */
  continues(sequence: number, token: bigint): boolean {
    if (sequence === this.#base.sequence) return token === this.#base.token;
    return this.#at(sequence)?.token === token;
  }

  #at(sequence: number): Change | undefined {
    const index = sequence - this.#base.sequence - 1;
    return index < 0 ? undefined : this.#log[this.#oldest + index];
  }

  /** Changes after a number, up to so many and about so many bytes; undefined if the log does not reach back so far. */
  after(sequence: number, most: number, mostBytes: number): readonly Change[] | undefined {
    if (sequence < this.#base.sequence) return undefined;
    const start = this.#oldest + sequence - this.#base.sequence;
    let end = start;
    for (let bytes = 0; end < this.#log.length && end - start < most && bytes < mostBytes; end++) {
      bytes += sizeOf(this.#log[end] as Change);
    }
    return this.#log.slice(start, end);
  }

  /** Everything as of now. */
  snapshot(): { state: Uint8Array; sequence: number; token: bigint; completions: [string, Completion][] } {
    return { state: this.#state.snapshot(), ...this.#lastOnly(), completions: [...this.#keys] };
  }

  #lastOnly(): { sequence: number; token: bigint } {
    const { sequence, token } = this.last;
    return { sequence, token };
  }

  restore(state: Uint8Array, sequence: number, token: bigint, completions: readonly [string, Completion][]): void {
    this.#state.restore(state);
    this.#base = { sequence, token };
    this.#log = [];
    this.#oldest = this.#logBytes = 0;
    this.#keys.clear();
    for (const [key, completion] of completions) this.#keys.set(key, completion);
  }
}

/** What an entry costs, roughly. */
function sizeOf({ key, change, answer }: Change): number {
  return 100 + key.length + change.length + answer.length;
}
