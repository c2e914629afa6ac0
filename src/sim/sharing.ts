/**
 * Processor sharing by virtual time: it runs as fast as each job does, so a job ends when it has advanced by its work,
 * whoever comes and goes meanwhile. A heap by that end, and one planned event.
 */
import { Happening } from "../runtime/sim/agenda.ts";
import type { Program } from "../runtime/sim/world.ts";
import type { Job } from "./job.ts";

export class Sharing {
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
    this.#program.admit(this, SharedEnding.done, this);
  }

  static done(this: void, ending: SharedEnding): void {
    const { world } = ending.#program;
    world.isTouched = true;
    world.digest.foldNumber(world.agenda.nowMs);
    ending.#sharing.ended();
  }
}
