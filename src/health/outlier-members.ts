/** Outlier members are a set of endpoints judged beside each other: who fails or lags more than the rest? */
import type { FailureRateOptions, LatencyOptions } from "./outlier-detection.ts";
import type { OutlierGroup, OutlierRecord } from "./outlier-record.ts";
import {
  failureShareOutliers, type FailureShareOptions, successRateOutliers, type SuccessRateOptions,
} from "./outlier-statistics.ts";
import { ratesBeside, rowBeyondChance, weigh } from "./sequential-test.ts";

export interface JudgeSettings {
  readonly failureRate: FailureRateOptions | false;
  readonly latency: LatencyOptions | false;
  readonly certainty: number;
  readonly successRate: SuccessRateOptions | false;
  readonly failureShare: FailureShareOptions | false;
  /** For so long after its return half the certainty is enough against a member. */
  readonly probationMs: number;
}

export interface Outlier {
  readonly member: OutlierRecord;
  readonly why: string;
}

/** How long what was counted is remembered: the time constant of its fading, in milliseconds. */
const memoryMs = 20_000;
/** Doubts that nothing confirms fade more slowly, so that rare calls add up. */
const doubtMs = 300_000;
/** Slowness is in order for at least so many of the attempts, since it is the median that is tested. */
const slowInOrder = 0.4;
/** Medians looked at for what is usual; more make it no truer. */
const maxMedians = 128;

export class OutlierMembers {
  readonly #settings: JudgeSettings;
  readonly #byId = new Map<string, OutlierRecord>();
  readonly #groups = new Map<string, OutlierGroup>();
  /** Over all members that are not out, since the last look. */
  #recentEnded = 0;
  #recentFailed = 0;
  /** Over all members, ever. */
  everEnded = 0;
  everFailed = 0;
  #pastEnded = 0;
  #pastFailed = 0;
  /** No attempt has ended since the last look. */
  isQuiet = true;
  #lookedMs = -Infinity;

  constructor(settings: JudgeSettings) {
    this.#settings = settings;
  }

  /** Whether a window's end is waited for. */
  get judgesWindows(): boolean {
    return this.#settings.successRate !== false || this.#settings.failureShare !== false;
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<OutlierRecord> {
    return this.#byId.values();
  }

  get(id: string): OutlierRecord | undefined {
    return this.#byId.get(id);
  }

  add(member: OutlierRecord, groupName: string): void {
    let group = this.#groups.get(groupName);
    if (group === undefined) {
      this.#groups.set(groupName, group = { name: groupName, slowAboveMs: Infinity, members: 0 });
    }
    group.members++;
    member.group = group;
    this.#byId.set(member.id, member);
  }

  delete(id: string): OutlierRecord | undefined {
    const member = this.#byId.get(id);
    if (member === undefined) return undefined;
    this.#byId.delete(id);
    if (--member.group.members === 0) this.#groups.delete(member.group.name);
    return member;
  }

  /** How many failures in a row are more than chance, given how the others fare. */
  rowBeyondChance(member: OutlierRecord): number {
    const past = shareOf(this.#pastFailed - member.pastFailed, this.#pastEnded - member.pastEnded);
    // What strikes everybody shows in what the others did meanwhile, sooner than in any window.
    const recent = shareOf(this.everFailed - member.rowFromFailed - member.consecutive,
      this.everEnded - member.rowFromEnded - member.consecutive);
    return rowBeyondChance(Math.max(past, recent));
  }

  /** What came since the last look is nobody's fault. */
  disregard(): void {
    for (const member of this.#byId.values()) member.disregard();
    this.isQuiet = true;
  }

  /** Takes in what came since the last look, and tells who stands out, the plainest first. */
  judge(nowMs: number): Outlier[] {
    const elapsedMs = Math.max(0, nowMs - this.#lookedMs);
    this.#lookedMs = nowMs;
    this.#gather(Math.exp(-elapsedMs / memoryMs));
    const fade = Math.exp(-elapsedMs / doubtMs);
    const outliers: (Outlier & { readonly nats: number })[] = [];
    const groups = this.#settings.latency === false ? undefined : this.#slowByGroup();
    for (const member of this.#byId.values()) {
      if (member.isEjected() || (member.ended === 0 && member.timed === 0)) continue;
      const enough = this.#settings.certainty * (nowMs - member.cleanSinceMs < this.#settings.probationMs ? 0.5 : 1);
      const failing = this.#weighFailures(member, fade);
      if (failing >= enough && member.failed > 0) {
        outliers.push({ member, nats: failing, why: this.#failingBeyond(member) });
      } else if (groups !== undefined && this.#weighSlowness(member, fade, groups) >= enough && member.slow > 0) {
        outliers.push({ member, nats: member.lagging, why: laggingBehind(member) });
      }
    }
    this.disregard();
    this.#compareMedians();
    return outliers.sort((a, b) => b.nats - a.nats);
  }

  /** Adds what is new to what is remembered. Of those that are out nothing is: they are nobody's peers. */
  #gather(keep: number): void {
    this.#pastEnded = this.#pastFailed = this.#recentEnded = this.#recentFailed = 0;
    for (const member of this.#byId.values()) {
      member.pastEnded = member.pastEnded * keep + member.ended;
      member.pastFailed = member.pastFailed * keep + member.failed;
      member.pastTimed = member.pastTimed * keep + member.timed;
      member.pastSlow = member.pastSlow * keep + member.slow;
      member.windowEnded += member.ended;
      member.windowFailed += member.failed;
      if (member.isEjected()) continue;
      this.#pastEnded += member.pastEnded;
      this.#pastFailed += member.pastFailed;
      this.#recentEnded += member.ended;
      this.#recentFailed += member.failed;
    }
  }

  #weighFailures(member: OutlierRecord, fade: number): number {
    const { failureRate } = this.#settings;
    const isDoubted = member.failing > 0 || member.failingPlainly > 0;
    if (failureRate === false || (member.failed === 0 && !isDoubted)) return 0;
    const peers = { yes: this.#pastFailed - member.pastFailed, all: this.#pastEnded - member.pastEnded };
    const recent = { yes: this.#recentFailed - member.failed, all: this.#recentEnded - member.ended };
    const rates = ratesBeside(peers, recent, failureRate.minGap ?? 0.003);
    if (!isDoubted) member.doubted = member.doubtedFailed = 0;
    member.doubted += member.ended;
    member.doubtedFailed += member.failed;
    member.failing *= fade;
    member.failingPlainly *= fade;
    if (rates !== undefined) {
      const { innocent, plain } = rates;
      const succeeded = member.ended - member.failed;
      member.failing = weigh(member.failing, member.failed, succeeded, rates);
      member.failingPlainly = weigh(member.failingPlainly, member.failed, succeeded, { innocent, guilty: plain });
    }
    return Math.max(member.failing, member.failingPlainly);
  }

  #failingBeyond(member: OutlierRecord): string {
    const others = percent(this.#pastFailed - member.pastFailed, this.#pastEnded - member.pastEnded);
    return `${member.doubtedFailed} of ${member.doubted} attempts failed, ${others} of its peers'`;
  }

  #slowByGroup(): Map<OutlierGroup, SlowCount> {
    const counts = new Map<OutlierGroup, SlowCount>();
    for (const member of this.#byId.values()) {
      if (member.isEjected() || member.pastTimed === 0 || member.group.slowAboveMs === Infinity) continue;
      let count = counts.get(member.group);
      if (count === undefined) counts.set(member.group, count = { yes: 0, all: 0, recentYes: 0, recentAll: 0 });
      count.yes += member.pastSlow;
      count.all += member.pastTimed;
      count.recentYes += member.slow;
      count.recentAll += member.timed;
    }
    return counts;
  }

  #weighSlowness(member: OutlierRecord, fade: number, groups: ReadonlyMap<OutlierGroup, SlowCount>): number {
    const count = groups.get(member.group);
    if (count === undefined || (member.slow === 0 && member.lagging === 0)) return 0;
    const peers = { yes: count.yes - member.pastSlow, all: count.all - member.pastTimed };
    const recent = { yes: count.recentYes - member.slow, all: count.recentAll - member.timed };
    const usual = ratesBeside(peers, recent, 0.1);
    member.lagging *= fade;
    if (usual === undefined) return member.lagging;
    const innocent = Math.max(slowInOrder, usual.innocent);
    const rates = { innocent, guilty: (1 + innocent) / 2 };
    return member.lagging = weigh(member.lagging, member.slow, member.timed - member.slow, rates);
  }

  /** Sets from when on an attempt counts as slow in each group: by factor, and by time, above the middle median. */
  #compareMedians(): void {
    const { latency } = this.#settings;
    if (latency === false) return;
    const { factor = 3, minGapMs = 5 } = latency;
    const medians = new Map<OutlierGroup, number[]>();
    for (const member of this.#byId.values()) {
      if (member.isEjected() || !member.isMeasured || member.pastTimed < 1) continue;
      const known = medians.get(member.group);
      if (known === undefined) medians.set(member.group, [member.medianMs]);
      else if (known.length < maxMedians) known.push(member.medianMs);
    }
    for (const group of this.#groups.values()) group.slowAboveMs = Infinity;
    for (const [group, list] of medians) {
      if (list.length < 2) continue;
      list.sort((a, b) => a - b);
      // Of two the lower: with one peer nobody knows which of both is usual, so much more is asked.
      const usualMs = list[(list.length - 1) >> 1] as number;
      group.slowAboveMs = Math.max(usualMs * factor * (list.length === 2 ? 2 : 1), usualMs + minGapMs);
    }
  }

  /** The tests of Envoy, over the whole window. */
  judgeWindow(): Outlier[] {
    const { successRate, failureShare } = this.#settings;
    if (!this.judgesWindows) return [];
    const judged = [...this.#byId.values()].filter((member) => !member.isEjected());
    const tallies = judged.map(({ windowEnded, windowFailed }) =>
      ({ succeeded: windowEnded - windowFailed, failed: windowFailed }));
    const outliers: Outlier[] = [];
    const tell = (indexes: readonly number[], why: string): void => {
      for (const index of indexes) outliers.push({ member: judged[index] as OutlierRecord, why });
    };
    if (successRate !== false) tell(successRateOutliers(tallies, successRate), "success rate below the others'");
    if (failureShare !== false) tell(failureShareOutliers(tallies, failureShare), "most attempts failed");
    return outliers;
  }

  endWindow(): void {
    for (const member of this.#byId.values()) member.windowEnded = member.windowFailed = 0;
  }
}

interface SlowCount {
  yes: number;
  all: number;
  recentYes: number;
  recentAll: number;
}

function laggingBehind(member: OutlierRecord): string {
  return `median latency ${figure(member.medianMs)} ms: from ${figure(member.group.slowAboveMs)} ms one stands out`;
}

/** A share that begins low: few good answers are no reason to expect failures. */
function shareOf(failed: number, ended: number): number {
  return (Math.max(0, failed) + 0.05) / (Math.max(0, ended) + 4);
}

function percent(part: number, whole: number): string {
  return `${whole <= 0 ? 0 : Number(((100 * Math.max(0, part)) / whole).toPrecision(2))} %`;
}

function figure(ms: number): string {
  return String(Number(ms.toPrecision(3)));
}
