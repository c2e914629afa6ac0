// A Tally judges what a policy declared by what was true, and counts what it cost.
import { Digest } from "../../src/runtime/sim/digest.ts";
import type { Fault, Faults } from "./faults.ts";

/** Starved observers that woke are told apart for so long: the refutation of what they think takes its time. */
export class Tally {
  readonly #faults: Faults;
  readonly digest = new Digest();
  /** Crash by crash, until anybody healthy first suspected and first declared it. */
  readonly suspectedMs = new Map<Fault, number>();
  readonly declaredMs = new Map<Fault, number>();
  /** And at each healthy observer that declared it. */
  readonly declaredEachMs: number[] = [];
  /** Healthy nodes declared failed at healthy observers, and at others (stalled, starved, just awake). */
  wrongly = 0;
  wronglyByUnwell = 0;
  /** Pauses of 0.3 to 1 s that were taken for failures, by (pause, healthy observer), and how long that lasted. */
  briefly = 0;
  /** Nodes stalled for 20 s that were declared failed; told, not judged. */
  stalled = 0;
  messages = 0;
  bytes = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  sent(bytes: number, count = 1): void {
    this.messages += count;
    this.bytes += bytes * count;
  }

  suspected(observer: number, target: number, atMs: number): void {
    this.#fold(1, observer, target, atMs);
    const fault = this.#faults.faultAt(target, atMs);
    if (fault?.kind !== "crash" || !this.#faults.isHealthy(observer, atMs)) return;
    if (!this.suspectedMs.has(fault)) this.suspectedMs.set(fault, atMs - fault.fromMs);
  }

  declared(observer: number, target: number, atMs: number): void {
    this.#fold(2, observer, target, atMs);
    const faults = this.#faults;
    const isJudge = faults.isHealthy(observer, atMs);
    if (faults.isHealthy(target, atMs)) {
      if (isJudge) this.wrongly++;
      else this.wronglyByUnwell++;
      return;
    }
    const fault = faults.faultAt(target, atMs);
    if (fault?.kind === "brief" && isJudge) this.briefly++;
    if (fault?.kind === "stall" && isJudge) this.stalled++;
    if (fault?.kind !== "crash" || !isJudge) return;
    this.declaredEachMs.push(atMs - fault.fromMs);
    const first = this.declaredMs.get(fault);
    // Connections are played one after the other, so that a later one may have been earlier.
    if (first === undefined || first > atMs - fault.fromMs) this.declaredMs.set(fault, atMs - fault.fromMs);
  }

  #fold(what: number, observer: number, target: number, atMs: number): void {
    this.digest.foldWord(what * 65_536 + observer * 256 + target);
    this.digest.foldNumber(atMs);
  }
}
