/**
 * A probe pool is what a client knows just now of a few servers: their answers to the question how busy they are,
 * each good for a short time and a few calls (Prequal; Wydrowski et al., "Load is not what you should balance",
 * NSDI 2024).
 *
 * Answers come by two ways: as probes, and with the replies to calls. A picker asks neither to be told: it looks, when
 * it is asked for a choice, at the loads of those that it expects to have answered.
 */
import type { Candidate } from "../core/index.ts";

/** One answer. Fields change while it lies in the pool; it is used again for another answer afterwards. */
export interface Answer {
  candidate: Candidate;
  /** When it came, in clock milliseconds. */
  atMs: number;
  /** Calls in flight there: as told, and those that were sent there since. */
  inFlight: number;
  /** What a call takes there at so many in flight, as told or, if that is not, as we have seen, in ms. */
  latencyMs: number;
  /** How many more calls it is good for. */
  uses: number;
}

/** Asked, and has not answered. */
interface Awaited {
  readonly candidate: Candidate;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface ProbePoolOptions {
  /** Most answers kept. */
  readonly size: number;
  /** Age at which an answer is dropped, in milliseconds. */
  readonly maxAgeMs: number;
  /** Calls in flight count in relation to weight: as if all had this one. */
  readonly meanWeight: number;
}

export class ProbePool {
  /** The answers, the oldest first. */
  readonly answers: Answer[] = [];
  readonly #options: ProbePoolOptions;
  readonly #awaited: Awaited[] = [];
  readonly #mostAwaited: number;

  constructor(options: ProbePoolOptions) {
    this.#options = options;
    this.#mostAwaited = 2 * options.size;
  }

  /** Expects an answer of `candidate`, to a probe or with the reply to a call, within so long. */
  expect(candidate: Candidate, nowMs: number, withinMs: number): void {
    const awaited = this.#awaited;
    if (awaited.length >= this.#mostAwaited) awaited.shift();
    awaited.push({ candidate, sinceMs: nowMs, untilMs: nowMs + withinMs });
  }

  /** Takes in what has come, and drops what is too old. `uses` says how many calls the next answer is good for. */
  refresh(nowMs: number, uses: () => number, hears: { add(inFlight: number): void }): void {
    const { maxAgeMs } = this.#options;
    const awaited = this.#awaited;
    let kept = 0;
    for (const one of awaited) {
      const { load } = one.candidate;
      if (load.report !== undefined && load.reportAtMs >= one.sinceMs) {
        hears.add(load.report.inFlight * this.#perWeight(one.candidate));
        this.#take(one.candidate, uses());
      }
      else if (nowMs < one.untilMs) awaited[kept++] = one;
    }
    awaited.length = kept;
    const { answers } = this;
    while (answers.length > 0 && nowMs - (answers[0] as Answer).atMs >= maxAgeMs) answers.shift();
  }

  /** A new answer takes the place of an older one of the same server. */
  #take(candidate: Candidate, uses: number): void {
    const { answers } = this;
    const { report, reportAtMs, sinceReport } = candidate.load;
    if (report === undefined) return;
    const before = answers.findIndex((one) => one.candidate === candidate);
    if (before >= 0) {
      if ((answers[before] as Answer).atMs >= reportAtMs) return;
      answers.splice(before, 1);
    } else if (answers.length >= this.#options.size) {
      answers.shift();
    }
    const answer: Answer = {
      candidate, atMs: reportAtMs, inFlight: (report.inFlight + sinceReport) * this.#perWeight(candidate),
      latencyMs: report.latencyMs || candidate.load.latencyMs || 1, uses,
    };
    // Replies overtake each other by little: nearly always it belongs at the end.
    let at = answers.length;
    while (at > 0 && (answers[at - 1] as Answer).atMs > reportAtMs) at--;
    if (at === answers.length) answers.push(answer);
    else answers.splice(at, 0, answer);
  }

  /** A call is sent on the strength of this answer. */
  use(at: number): void {
    const answer = this.answers[at] as Answer;
    answer.inFlight += this.#perWeight(answer.candidate);
    if (--answer.uses <= 0) this.answers.splice(at, 1);
  }

  #perWeight({ address }: Candidate): number {
    return address.weight > 0 ? this.#options.meanWeight / address.weight : 1;
  }

  removeAt(at: number): void {
    this.answers.splice(at, 1);
  }
}
