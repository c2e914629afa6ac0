// A modelled capacity: so many workers that do one piece of work at a time, which takes time and no processor.
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../../src/core/index.ts";
import { machineMs } from "./messages.ts";

interface Piece {
  readonly workMs: number;
  readonly context: Context;
  readonly done: (wasDone: boolean) => void;
}

/** Timers are late: what the next piece began too late by, up to this, is not counted against the capacity. */
const timerLateMs = 4;

/** First come, first served. What nobody waits for any more when its turn comes is left undone. */
export class Workbench {
  workers: number;
  workMs = 0;
  wastedMs = 0;
  #busy = 0;
  #busyMs = 0;
  #changedMs = machineMs();
  readonly #utilisation = { atMs: machineMs(), busyMs: 0, share: 0 };
  readonly #queue: Piece[] = [];

  constructor(workers: number) {
    this.workers = workers;
  }

  /** Resolves when it is done, or left undone (false). */
  do(workMs: number, context: Context): Promise<boolean> {
    return new Promise((done) => {
      this.#queue.push({ workMs, context, done });
      if (this.#busy < this.workers) void this.#work();
    });
  }

  /** Share of the workers that work, averaged over about a second: what a server bound by its processor would tell. */
  utilisation(): number {
    this.#changed(0);
    const last = this.#utilisation;
    const elapsedMs = machineMs() - last.atMs;
    if (elapsedMs < 100) return last.share;
    const now = (this.#busyMs - last.busyMs) / elapsedMs / this.workers;
    last.share = Math.min(1, now + (last.share - now) * Math.exp(-elapsedMs / 1_000));
    [last.atMs, last.busyMs] = [machineMs(), this.#busyMs];
    return last.share;
  }

  #changed(by: number): void {
    const nowMs = machineMs();
    this.#busyMs += this.#busy * (nowMs - this.#changedMs);
    this.#changedMs = nowMs;
    this.#busy += by;
  }

  async #work(): Promise<void> {
    this.#changed(1);
    let freeMs = machineMs();
    while (this.#busy <= this.workers) {
      const piece = this.#queue.shift();
      if (piece === undefined) break;
      if (piece.context.cancelReason !== undefined) {
        piece.done(false);
        continue;
      }
      const beginMs = Math.max(freeMs, machineMs() - timerLateMs);
      freeMs = beginMs + piece.workMs;
      await sleep(Math.max(0, freeMs - machineMs()));
      this.workMs += piece.workMs;
      if (piece.context.cancelReason !== undefined) this.wastedMs += piece.workMs;
      piece.done(true);
    }
    this.#changed(-1);
  }
}
