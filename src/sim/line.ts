/** A Line holds the jobs that wait, oldest first; those that were given up leave a gap until their turn. */
import type { Job } from "./job.ts";

export class Line {
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
