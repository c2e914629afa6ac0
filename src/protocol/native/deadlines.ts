/**
 * Deadlines rings the calls of one connection when their time is up, by one alarm that is set for the first to be due.
 *
 * Nearly all calls are answered long before, so a call costs a comparison: an alarm of its own would cost it two walks
 * to the clock's wheel, which are slow where alarms are of many classes. When the alarm rings the table is looked
 * through, which takes microseconds, once in the shortest time that calls are given.
 */
import { Alarm } from "../../core/alarm.ts";
import type { Clock } from "../../core/runtime.ts";
import type { CallTable } from "../call-table.ts";

/** What has a table of calls that may be due. */
export interface DeadlinesOwner {
  readonly calls: CallTable<{ ring(): void }>;
  readonly channel: { readonly clock: Clock };
}

export class Deadlines extends Alarm {
  readonly #owner: DeadlinesOwner;
  /** When it rings; Infinity while it is not set. In a field of its own: that of an alarm is read slowly. */
  #dueMs = Infinity;

  constructor(owner: DeadlinesOwner) {
    super();
    this.#owner = owner;
  }

  /** A call of the table is due then. */
  watch(deadlineMs: number): void {
    if (deadlineMs < this.#dueMs) this.#set(deadlineMs);
  }

  #set(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#owner.channel.clock.set(this, dueMs);
  }

  /** There are no calls: nothing keeps a process alive that waits for none. */
  stop(): void {
    if (this.#dueMs === Infinity) return;
    this.#dueMs = Infinity;
    this.#owner.channel.clock.clear(this);
  }

  override ring(): void {
    this.#dueMs = Infinity;
    const { calls, channel } = this.#owner;
    const due = calls.due(channel.clock.now());
    // Before they are told: who is told may call again, and be due sooner.
    if (due.nextMs !== Infinity) this.#set(due.nextMs);
    for (const call of due.calls) call.ring();
  }
}
