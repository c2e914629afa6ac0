// A server that shares its processors: each call gets one of them while there are enough, and an equal part of them all
// otherwise. How many there are changes while it runs.
import { type LatencyByLoad, latencyByLoad } from "../../src/server/latency-by-load.ts";
import type { LoadReport } from "../../src/core/index.ts";
import type { Agenda, Happening } from "./agenda.ts";
import { type Call, reportOf, type Server } from "./clients.ts";

export class SharedServer implements Server, Happening {
  readonly #agenda: Agenda;
  readonly #latencies: LatencyByLoad;
  /** How much work each call in flight has been given since the beginning. */
  #given = 0;
  #givenAtMs = 0;
  #processors: number;
  readonly speed: number;
  /** Calls done, and processor time used, in milliseconds. */
  ended = 0;
  busyMs = 0;
  /** A heap by `dueAt`. */
  readonly #jobs: Call[] = [];
  /** The event that is due, if it is still the right one. */
  #nextAtMs = Infinity;

  constructor(agenda: Agenda, processors: number, speed: number) {
    this.#agenda = agenda;
    this.#processors = processors;
    this.speed = speed;
    this.#latencies = latencyByLoad({ clock: agenda.clock });
  }

  get inFlight(): number {
    return this.#jobs.length;
  }

  get processors(): number {
    return this.#processors;
  }

  set processors(processors: number) {
    this.#advance();
    this.#processors = processors;
    this.#schedule();
  }

  /** What is given to each call in a millisecond. */
  get rate(): number {
    const n = this.#jobs.length;
    return n === 0 ? 0 : this.speed * Math.min(1, this.#processors / n);
  }

  report(inFlight: number): LoadReport {
    return reportOf(inFlight, this.#latencies.at(inFlight));
  }

  begin(job: Call): void {
    this.#advance();
    job.dueAt = this.#given + job.workMs;
    this.#jobs.push(job);
    this.#up(this.#jobs.length - 1);
    this.#schedule();
  }

  cancel(job: Call): void {
    if (this.#jobs[job.position] !== job) return;
    this.#advance();
    this.#remove(job.position);
    this.#schedule();
  }

  happen(): void {
    if (this.#agenda.nowMs !== this.#nextAtMs) return;
    this.#nextAtMs = Infinity;
    this.#advance();
    while (this.#jobs.length > 0 && (this.#jobs[0] as Call).dueAt <= this.#given + 1e-7) {
      const job = this.#jobs[0] as Call;
      this.#remove(0);
      this.#latencies.ended(this.#jobs.length, this.#agenda.nowMs - job.arrivedMs);
      this.ended++;
      job.done();
    }
    this.#schedule();
  }

  #advance(): void {
    const elapsedMs = this.#agenda.nowMs - this.#givenAtMs;
    const n = this.#jobs.length;
    if (elapsedMs > 0 && n > 0) {
      this.#given += elapsedMs * this.rate;
      this.busyMs += elapsedMs * Math.min(n, this.#processors);
    }
    this.#givenAtMs = this.#agenda.nowMs;
  }

  #schedule(): void {
    const [first] = this.#jobs;
    if (first === undefined) {
      this.#nextAtMs = Infinity;
      return;
    }
    const atMs = this.#agenda.nowMs + Math.max(0, first.dueAt - this.#given) / this.rate;
    if (atMs === this.#nextAtMs) return;
    this.#nextAtMs = atMs;
    this.#agenda.add(atMs, this);
  }

  #remove(at: number): void {
    const last = this.#jobs.pop() as Call;
    if (at === this.#jobs.length) return;
    this.#jobs[at] = last;
    last.position = at;
    this.#up(at);
    this.#down(last.position);
  }

  #up(from: number): void {
    const jobs = this.#jobs;
    const job = jobs[from] as Call;
    let at = from;
    while (at > 0) {
      const parent = jobs[(at - 1) >> 1] as Call;
      if (parent.dueAt <= job.dueAt) break;
      jobs[at] = parent;
      parent.position = at;
      at = (at - 1) >> 1;
    }
    jobs[at] = job;
    job.position = at;
  }

  #down(from: number): void {
    const jobs = this.#jobs;
    const job = jobs[from] as Call;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= jobs.length) break;
      if (child + 1 < jobs.length && (jobs[child + 1] as Call).dueAt < (jobs[child] as Call).dueAt) child++;
      if ((jobs[child] as Call).dueAt >= job.dueAt) break;
      jobs[at] = jobs[child] as Call;
      (jobs[at] as Call).position = at;
      at = child;
    }
    jobs[at] = job;
    job.position = at;
  }
}
