/**
 * A Slot is what one server holds of one virtual shard: its entries, its completion records, and whether it is ours.
 *
 * Entries and records are changed by the same commit, move with the shard, and are copied in the same rounds.
 */
import { type Awaitable, type Context, expected, isPromise, type RpcError, type Runtime } from "../core/index.ts";

/** An entry that was written, or removed where the value is undefined. Keys begin with their kind: `d` or `r`. */
export type Change = readonly [key: string, value: string | undefined];

/**
 * Where a server writes down what it holds, so that it has it again after a restart. What is asked of one shard takes
 * effect in the order in which it is asked.
 */
export interface ShardLog {
  /** Everything of a shard. */
  load(shard: number): Awaitable<Iterable<readonly [key: string, value: string]>>;
  /** All of them or none; when it has resolved they are there to stay. */
  commit(shard: number, changes: readonly Change[]): Awaitable<void>;
  drop(shard: number): Awaitable<void>;
}

/** Identifies a move; a later one of the same shard is greater. */
export interface MoveId {
  readonly epoch: number;
  readonly sequence: number;
}

export function isLater(one: MoveId, other: MoveId): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.sequence > other.sequence);
}

/**
 * - `away`: another's, or nobody's; `arriving` says what has come of it;
 * - `owned`: calls are taken; `moving` are the keys that changed since they were last sent to where it goes;
 * - `fenced`: ours, but about to go: calls wait.
 */
export type SlotState =
  | { readonly kind: "away"; readonly arriving: Arriving | undefined }
  | { readonly kind: "owned"; moving: Set<string> | undefined }
  | { readonly kind: "fenced"; moving: Set<string> };

/** A shard on its way here: how many pieces of it have come. */
export interface Arriving {
  readonly move: MoveId;
  pieces: number;
  complete: boolean;
  /** The pieces that are being written down, one after the other. Rejects for good once one could not be. */
  work: Promise<void>;
}

interface CompletionRecord {
  readonly expiresMs: number;
  readonly answer: string;
}

export class Slot {
  readonly shard: number;
  state: SlotState = { kind: "away", arriving: undefined };
  /** The greatest move that was ever begun here, so that what is left of an earlier one is refused. */
  lastMove: MoveId | undefined = undefined;
  readonly entries = new Map<string, string>();
  /** By idempotency key, oldest first. */
  readonly records = new Map<string, CompletionRecord>();
  /** Calls that have been taken and have not ended. */
  running = 0;
  /** Who waits for `running` to be 0, and who for the fence to go. */
  #drained: (() => void) | undefined = undefined;
  readonly #waiting = new Set<() => void>();

  constructor(shard: number) {
    this.shard = shard;
  }

  get size(): number {
    return this.entries.size + this.records.size;
  }

  clear(): void {
    this.entries.clear();
    this.records.clear();
  }

  apply(changes: Iterable<Change>): void {
    const moving = this.state.kind === "away" ? undefined : this.state.moving;
    for (const [key, value] of changes) {
      moving?.add(key);
      const name = key.slice(1);
      if (key.startsWith("r")) {
        if (value === undefined) this.records.delete(name);
        else this.records.set(name, readRecord(value));
      } else if (value === undefined) {
        this.entries.delete(name);
      } else {
        this.entries.set(name, value);
      }
    }
  }

  /** The present value of a key with its kind. */
  valueOf(key: string): string | undefined {
    const name = key.slice(1);
    if (key.startsWith("d")) return this.entries.get(name);
    const record = this.records.get(name);
    return record && writeRecord(record);
  }

  keys(): string[] {
    const records = Array.from(this.records.keys(), (key) => `r${key}`);
    return [...Array.from(this.entries.keys(), (key) => `d${key}`), ...records];
  }

  leave(): void {
    if (--this.running === 0) this.#drained?.();
  }

  /** Resolves when no call runs; rejects when some still do after `limitMs`. */
  async drain(runtime: Pick<Runtime, "clock">, limitMs: number): Promise<void> {
    if (this.running === 0) return;
    await new Promise<void>((resolve, reject) => {
      const timer = runtime.clock.after(limitMs, () => {
        this.#drained = undefined;
        reject(expected("aborted", `${this.running} calls of shard ${this.shard} did not end within ${limitMs} ms`));
      });
      this.#drained = () => {
        this.#drained = undefined;
        timer.cancel();
        resolve();
      };
    });
  }

  /** Waits until the fence is gone, the call's deadline or its cancellation. */
  wait(runtime: Pick<Runtime, "clock">, context: Context): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        timer?.cancel();
        context.offCancel(listener);
        this.#waiting.delete(released);
      };
      const released = (): void => {
        over();
        resolve();
      };
      const failed = (error: RpcError): void => {
        over();
        reject(error);
      };
      const listener = { cancelled: failed };
      const leftMs = context.deadline - runtime.clock.now();
      const timer = leftMs === Infinity ? undefined : runtime.clock.after(Math.max(0, leftMs), () =>
        failed(expected("deadline_exceeded", `shard ${this.shard} was about to move`, { neverStarted: true })));
      this.#waiting.add(released);
      context.onCancel(listener);
    });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Sets another state and lets those go on who waited for it. */
  become(state: SlotState): void {
    this.state = state;
    for (const released of [...this.#waiting]) released();
  }
}

export function writeRecord({ expiresMs, answer }: CompletionRecord): string {
  return `${expiresMs} ${answer}`;
}

function readRecord(text: string): CompletionRecord {
  const space = text.indexOf(" ");
  return { expiresMs: Number(text.slice(0, space)), answer: text.slice(space + 1) };
}

/** After either kind of answer, in order. */
export async function committed(log: ShardLog | undefined, slot: Slot, changes: readonly Change[]): Promise<void> {
  const written = log?.commit(slot.shard, changes);
  if (written !== undefined && isPromise(written)) await written;
  slot.apply(changes);
}
