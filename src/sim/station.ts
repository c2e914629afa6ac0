/**
 * A Station is where work is done: a queue before so many workers, or a processor that all jobs share.
 *
 * Work is in milliseconds at speed 1. Speed and capacity may change at any time (antagonists, slow spells, stalls): the
 * work that is left goes on at the new speed.
 */
import type { Cancellable, Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import { badOption, numberOption } from "../core/option.ts";
import { Happening } from "../runtime/sim/agenda.ts";
import type { Program } from "../runtime/sim/world.ts";

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

export class Station {
  readonly #program: Program;
  readonly #options: Required<{ [K in keyof StationOptions]: Exclude<StationOptions[K], undefined> }>;
  #workers: number;
  #speed: number;
  #isPaused = false;
  readonly #waiting: Deque = new Deque();
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

/** One piece of work. */
class Job implements Cancellable {
  readonly station: Station;
  readonly workMs: number;
  leftMs: number;
  sinceMs = 0;
  isBegun = false;
  isOver = false;
  readonly #context: Context | undefined;
  readonly #resolve: () => void;
  readonly #reject: (error: RpcError) => void;
  #ending: Ending | undefined = undefined;
  /** In a shared processor: the virtual time at which it is done, and its place in the heap. */
  virtualEnd = 0;
  heapIndex = -1;

  constructor(
    station: Station, workMs: number, context: Context | undefined, resolve: () => void,
    reject: (error: RpcError) => void,
  ) {
    this.station = station;
    this.workMs = this.leftMs = workMs;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get isGivenUp(): boolean {
    return this.#context?.cancelReason !== undefined;
  }

  measure(agenda: { readonly nowMs: number }, rate: number): void {
    this.leftMs = Math.max(0, this.leftMs - (agenda.nowMs - this.sinceMs) * rate);
    this.sinceMs = agenda.nowMs;
  }

  /** Moves the planned end of its work. */
  aim(program: Program, atMs: number): void {
    const { agenda } = program.world;
    if (this.#ending !== undefined) agenda.callOff(this.#ending);
    this.#ending = undefined;
    if (atMs !== Infinity) agenda.plan(this.#ending = new Ending(program, this), atMs);
  }

  cancelled(reason: RpcError): void {
    this.station.givenUp(this, reason);
  }

  end(error: RpcError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#context?.offCancel(this);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}

/** The end of a job's work. */
class Ending extends Happening {
  readonly #program: Program;
  readonly #job: Job;

  constructor(program: Program, job: Job) {
    super();
    this.#program = program;
    this.#job = job;
  }

  happen(): void {
    const program = this.#program;
    if (!program.isAlive) return;
    if (program.isHolding) program.admit(this, () => this.#done());
    else this.#done();
  }

  #done(): void {
    const { world } = this.#program;
    world.isTouched = true;
    world.digest.foldNumber(world.agenda.nowMs);
    this.#job.station.done(this.#job);
  }
}

/** Jobs that wait, oldest first; those that were given up leave a gap until their turn. */
class Deque {
  #jobs: (Job | undefined)[] = [];
  #first = 0;
  size = 0;

  push(job: Job): void {
    this.#jobs.push(job);
    this.size++;
  }

  shift(): Job | undefined {
    while (this.#first < this.#jobs.length) {
      const job = this.#jobs[this.#first] as Job;
      this.#jobs[this.#first++] = undefined;
      if (this.#first > 1_024 && this.#first * 2 > this.#jobs.length) {
        this.#jobs = this.#jobs.slice(this.#first);
        this.#first = 0;
      }
      if (job.isOver) continue;
      this.size--;
      return job;
    }
    return undefined;
  }

  pop(): Job | undefined {
    while (this.#first < this.#jobs.length) {
      const job = this.#jobs.pop() as Job;
      if (job.isOver) continue;
      this.size--;
      return job;
    }
    return undefined;
  }

  /** `job` is about to be over. */
  drop(_job: Job): void {
    this.size--;
  }
}

/**
 * Processor sharing by virtual time: it runs as fast as each job does, so a job ends when it has advanced by its work,
 * whoever comes and goes meanwhile. A heap by that end, and one planned event.
 */
class Sharing {
  readonly #program: Program;
  readonly #finished: (job: Job) => void;
  readonly #heap: Job[] = [];
  #virtual = 0;
  #atMs = 0;
  #cores = 1;
  #speed = 1;
  #next: SharedEnding | undefined = undefined;

  constructor(program: Program, finished: (job: Job) => void) {
    this.#program = program;
    this.#finished = finished;
  }

  get size(): number {
    return this.#heap.length;
  }

  retune(cores: number, speed: number): void {
    this.#advance();
    this.#cores = cores;
    this.#speed = speed;
    this.#aim();
  }

  add(job: Job): void {
    this.#advance();
    job.virtualEnd = this.#virtual + job.workMs;
    this.#heap.push(job);
    this.#up(this.#heap.length - 1);
    this.#aim();
  }

  measure(job: Job): void {
    this.#advance();
    job.leftMs = Math.max(0, job.virtualEnd - this.#virtual);
  }

  remove(job: Job): void {
    this.#advance();
    this.#takeOut(job.heapIndex);
    this.#aim();
  }

  #rate(): number {
    const n = this.#heap.length;
    return n === 0 ? 0 : this.#speed * Math.min(1, this.#cores / n);
  }

  #advance(): void {
    const { nowMs } = this.#program.world.agenda;
    this.#virtual += (nowMs - this.#atMs) * this.#rate();
    this.#atMs = nowMs;
    // Nobody compares with it any more: begin again, before it loses its digits.
    if (this.#heap.length === 0) this.#virtual = 0;
  }

  #aim(): void {
    const { agenda } = this.#program.world;
    const first = this.#heap[0];
    const rate = this.#rate();
    const atMs = first === undefined || rate === 0
      ? Infinity
      : this.#atMs + Math.max(0, first.virtualEnd - this.#virtual) / rate;
    if (this.#next !== undefined) {
      if (this.#next.atMs === atMs) return;
      agenda.callOff(this.#next);
    }
    this.#next = undefined;
    if (atMs !== Infinity) agenda.plan(this.#next = new SharedEnding(this.#program, this), atMs);
  }

  /** The first job is done. */
  ended(): void {
    this.#next = undefined;
    const first = this.#heap[0];
    if (first === undefined) return;
    this.#advance();
    // Rounding may leave a billionth of its work.
    this.#virtual = Math.max(this.#virtual, first.virtualEnd);
    this.#takeOut(0);
    this.#aim();
    this.#finished(first);
  }

  #takeOut(index: number): void {
    const heap = this.#heap;
    const removed = heap[index] as Job;
    const last = heap.pop() as Job;
    removed.heapIndex = -1;
    if (last === removed) return;
    heap[index] = last;
    last.heapIndex = index;
    this.#down(index);
    this.#up(last.heapIndex);
  }

  #up(index: number): void {
    const heap = this.#heap;
    const job = heap[index] as Job;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const other = heap[parent] as Job;
      if (other.virtualEnd <= job.virtualEnd) break;
      heap[index] = other;
      other.heapIndex = index;
      index = parent;
    }
    heap[index] = job;
    job.heapIndex = index;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const job = heap[index] as Job;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length &&
        (heap[child + 1] as Job).virtualEnd < (heap[child] as Job).virtualEnd) child++;
      const other = heap[child] as Job;
      if (other.virtualEnd >= job.virtualEnd) break;
      heap[index] = other;
      other.heapIndex = index;
      index = child;
    }
    heap[index] = job;
    job.heapIndex = index;
  }
}

class SharedEnding extends Happening {
  readonly #program: Program;
  readonly #sharing: Sharing;

  constructor(program: Program, sharing: Sharing) {
    super();
    this.#program = program;
    this.#sharing = sharing;
  }

  happen(): void {
    const program = this.#program;
    if (!program.isAlive) return;
    const { world } = program;
    const done = (): void => {
      world.isTouched = true;
      world.digest.foldNumber(world.agenda.nowMs);
      this.#sharing.ended();
    };
    if (program.isHolding) program.admit(this, done);
    else done();
  }
}
