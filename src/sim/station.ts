/**
 * A Station is where work is done: a queue before so many workers, or a processor that all jobs share.
 *
 * Work is in milliseconds at speed 1. Speed and capacity may change at any time (antagonists, slow spells, stalls): the
 * work that is left goes on at the new speed.
 */
import type { Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Program } from "../runtime/sim/world.ts";
import { Job, type JobOwner } from "./job.ts";
import { Line } from "./line.ts";
import { Sharing } from "./sharing.ts";

export interface StationOptions {
  /** How many jobs are worked on at once (`fifo`, `lifo`), or how many cores are shared (`sharing`). Default 1. */
  readonly workers?: number | undefined;
  /**
   * - `fifo`, the default: one queue, first come first served;
   * - `lifo`: one queue, last come first served;
   * - `sharing`: processor sharing; all jobs run at once, none faster than one core.
   */
  readonly discipline?: "fifo" | "lifo" | "sharing" | undefined;
  /** How fast work is done. Default 1. */
  readonly speed?: number | undefined;
  /** Most jobs that wait; more are refused: `resource_exhausted`, certain not to have started. Default 1,000,000. */
  readonly maxQueue?: number | undefined;
  /**
   * What becomes of work whose call was cancelled or whose deadline passed:
   *
   * - `drop queued`, the default: what waits is dropped, what was begun is finished (and counted as wasted);
   * - `stop`: both are dropped at once;
   * - `finish`: all of it is done, for nobody.
   */
  readonly abandoned?: "drop queued" | "stop" | "finish" | undefined;
}

/** What a station has done since its beginning. */
export interface StationFigures {
  readonly begun: number;
  readonly finished: number;
  /** Dropped before or within their work, since nobody wanted it any more; refused, since the queue was full. */
  readonly dropped: number;
  readonly refused: number;
  /** Work done, in milliseconds at speed 1, and what of it was for calls that had been given up. */
  readonly workMs: number;
  readonly wastedMs: number;
  /** Finished, though their calls had been given up. */
  readonly wasted: number;
  /** Worker-milliseconds in use: of utilisation, the numerator. */
  readonly busyMs: number;
  /** Most that ever waited or were worked on. */
  readonly mostInside: number;
}

export class Station implements JobOwner {
  readonly #program: Program;
  readonly #options: Required<{ [K in keyof StationOptions]: Exclude<StationOptions[K], undefined> }>;
  #workers: number;
  #speed: number;
  #isPaused = false;
  readonly #waiting: Line = new Line();
  readonly #running = new Set<Job>();
  readonly #sharing: Sharing | undefined;
  readonly #figures = {
    begun: 0, finished: 0, dropped: 0, refused: 0, workMs: 0, wastedMs: 0, wasted: 0, busyMs: 0, mostInside: 0,
  };
  #busySinceMs = 0;

  constructor(program: Program, options: StationOptions = {}) {
    this.#program = program;
    const discipline = options.discipline ?? "fifo";
    if (!["fifo", "lifo", "sharing"].includes(discipline)) {
      throw badOption("discipline", discipline, "expected fifo, lifo or sharing");
    }
    const whole = discipline !== "sharing";
    this.#options = {
      discipline,
      workers: numberOption("workers", options.workers ?? 1, { least: whole ? 1 : Number.MIN_VALUE, whole }),
      speed: numberOption("speed", options.speed ?? 1, { least: 0 }),
      maxQueue: numberOption("maxQueue", options.maxQueue ?? 1_000_000, { least: 0, whole: true, unit: "jobs" }),
      abandoned: options.abandoned ?? "drop queued",
    };
    if (!["drop queued", "stop", "finish"].includes(this.#options.abandoned)) {
      throw badOption("abandoned", this.#options.abandoned, "expected drop queued, stop or finish");
    }
    this.#workers = this.#options.workers;
    this.#speed = this.#options.speed;
    this.#sharing = whole ? undefined : new Sharing(program, (job) => this.#finished(job));
    this.#sharing?.retune(this.#workers, this.#speed);
  }

  /** Jobs inside, waiting or at work. */
  get inside(): number {
    return this.#waiting.size + this.running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#sharing?.size ?? this.#running.size;
  }

  get speed(): number {
    return this.#speed;
  }

  get workers(): number {
    return this.#workers;
  }

  get figures(): StationFigures {
    this.#clockIn();
    return { ...this.#figures };
  }

  /** Does `workMs` of work. Rejects when the call is given up first, or when there is no room. */
  serve(workMs: number, context?: Context): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const job = new Job(this, workMs, context, resolve, reject);
      if (this.#sharing === undefined && this.#waiting.size >= this.#options.maxQueue &&
        this.#running.size >= this.#workers) {
        this.#figures.refused++;
        reject(expected("resource_exhausted", `${this.#waiting.size} jobs wait (maxQueue)`, { neverStarted: true }));
        return;
      }
      if (context !== undefined && this.#options.abandoned !== "finish") {
        if (context.cancelReason !== undefined) {
          this.#figures.dropped++;
          reject(context.cancelReason);
          return;
        }
        context.onCancel(job);
      }
      this.#clockIn();
      if (this.#sharing !== undefined) {
        this.#begin(job);
        this.#sharing.add(job);
      } else if (this.#running.size < this.#workers) {
        this.#begin(job);
        this.#running.add(job);
        this.#proceed(job);
      } else {
        this.#waiting.push(job);
      }
      this.#figures.mostInside = Math.max(this.#figures.mostInside, this.inside);
    });
  }

  /** Changes how fast it works, or how many at once, from now on. */
  tune({ speed, workers }: { readonly speed?: number; readonly workers?: number }): void {
    this.#clockIn();
    this.#measure();
    if (speed !== undefined) this.#speed = numberOption("speed", speed, { least: 0 });
    if (workers !== undefined) {
      const whole = this.#sharing === undefined;
      this.#workers = numberOption("workers", workers, { least: 0, whole });
    }
    this.#resume();
  }

  /** Does nothing until `resume`: a collection of garbage, a stolen processor. */
  pause(): void {
    if (this.#isPaused) return;
    this.#clockIn();
    this.#measure();
    this.#isPaused = true;
    this.#resume();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#resume();
  }

  get #rate(): number {
    return this.#isPaused ? 0 : this.#speed;
  }

  #begin(job: Job): void {
    this.#figures.begun++;
    job.isBegun = true;
  }

  /** Worker-time in use up to now. */
  #clockIn(): void {
    const { nowMs } = this.#program.world.agenda;
    const used = this.#sharing === undefined ? this.#running.size : Math.min(this.#sharing.size, this.#workers);
    this.#figures.busyMs += used * (nowMs - this.#busySinceMs);
    this.#busySinceMs = nowMs;
  }

  /** Notes how much of each job is done. */
  #measure(): void {
    for (const job of this.#running) job.measure(this.#program.world.agenda, this.#rate);
  }

  #resume(): void {
    for (const job of this.#running) this.#proceed(job);
    this.#sharing?.retune(this.#workers, this.#rate);
    this.#fill();
  }

  /** Plans the end of a job's work. */
  #proceed(job: Job): void {
    const { agenda } = this.#program.world;
    job.sinceMs = agenda.nowMs;
    const endMs = this.#rate === 0 ? Infinity : agenda.nowMs + job.leftMs / this.#rate;
    job.aim(this.#program, endMs);
  }

  #fill(): void {
    while (this.#running.size < this.#workers && this.#sharing === undefined) {
      const next = this.#options.discipline === "lifo" ? this.#waiting.pop() : this.#waiting.shift();
      if (next === undefined) return;
      this.#begin(next);
      this.#running.add(next);
      this.#proceed(next);
    }
  }

  /** A worker has finished. Called within the program. */
  done(job: Job): void {
    this.#clockIn();
    this.#running.delete(job);
    this.#finished(job);
    this.#fill();
  }

  #finished(job: Job): void {
    if (this.#sharing !== undefined) this.#clockIn();
    this.#figures.finished++;
    this.#figures.workMs += job.workMs;
    if (job.isGivenUp) {
      this.#figures.wasted++;
      this.#figures.wastedMs += job.workMs;
    }
    job.end(undefined);
  }

  /** The call of a job was given up. */
  givenUp(job: Job, reason: RpcError): void {
    if (job.isOver) return;
    if (job.isBegun && this.#options.abandoned !== "stop") return;
    this.#clockIn();
    this.#figures.dropped++;
    if (job.isBegun) {
      if (this.#sharing === undefined) job.measure(this.#program.world.agenda, this.#rate);
      else this.#sharing.measure(job);
      const doneMs = job.workMs - job.leftMs;
      this.#figures.workMs += doneMs;
      this.#figures.wastedMs += doneMs;
      this.#sharing?.remove(job);
      this.#running.delete(job);
      job.aim(this.#program, Infinity);
    } else {
      this.#waiting.drop(job);
    }
    job.end(reason);
    this.#fill();
  }
}
