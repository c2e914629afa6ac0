/**
 * A load watch marks the servers that say of themselves that they are full, so that others are picked before them.
 *
 * A mark takes a while over a threshold to get and a lower one to lose, and does not outlive the reports it rests on:
 * a server that is not called says nothing, so after a time it is tried again. Full is meant beside others: where
 * more than half of a group is over its thresholds, or the rest could not carry the load of those who are, sparing them
 * would fill up one after another, and nobody is marked.
 */
import { Alarm, type Clock, type LoadReport, type Runtime } from "../core/index.ts";

/** From `over` on a figure counts as too high, and no more from `under` down. */
export interface Threshold {
  readonly over: number;
  /** Default: nine tenths of `over`. */
  readonly under?: number;
}

export interface LoadThresholds {
  /** Processor or event loop in use, 0 to 1: busy. Default 0.95, until 0.85; `false` for none, here and below. */
  readonly cpu?: Threshold | false;
  /** Memory in use of its limit, 0 to 1: busy. Default 0.9. */
  readonly memory?: Threshold | false;
  /** Memory in use from which on the server is about to end: draining. Default 0.97, until 0.9. */
  readonly memoryDrain?: Threshold | false;
  /** Lateness of the event loop in milliseconds: busy. Default 250, until 100. */
  readonly loopLagMs?: Threshold | false;
  /** Calls being handled: busy. Default: none, since what is many is the server's affair. */
  readonly inFlight?: Threshold | false;
  /** How long reports must agree before a mark is made, in milliseconds. Default 500. */
  readonly sustainMs?: number;
  /** A mark falls when no report came for so long, in milliseconds. Default 3,000. */
  readonly staleMs?: number;
  /** Part of a group that may be marked; when more is over, nobody is. Default, and at most, 0.5. */
  readonly maxMarkedShare?: number;
}

export type LoadMark = "busy" | "draining";

/** Hears of every mark that is made or falls (undefined). May be called within `reported` and from a timer. */
export type MarkChanged = (id: string, mark: LoadMark | undefined, why: string) => void;

export interface LoadMember {
  /** The server told its load. */
  reported(report: LoadReport): void;
  /** What was told is void: the server is another process now. */
  reset(): void;
  /** Whether calls go there. Who died, is silent or was kept out carries nothing, whatever it said a moment ago. */
  serves(isServing: boolean): void;
}

export interface LoadWatch {
  /** The record of an endpoint, made on first sight. Those of one group take over from each other: a region's. */
  member(id: string, group?: string): LoadMember;
  /**
   * Whether the others of its group can carry what a server carries, or carried before it was kept out, by their own
   * reports. True where nobody tells.
   */
  hasRoomWithout(id: string): boolean;
  /** Forgets one. */
  forget(id: string): void;
  /** Stops the timer. */
  close(): void;
}

interface Rule {
  readonly figure: (report: LoadReport) => number;
  readonly mark: LoadMark;
  readonly over: number;
  readonly under: number;
  readonly say: (value: number) => string;
}

/** Makes a watch over one set of endpoints. */
export function loadWatch(
  runtime: Pick<Runtime, "clock">, thresholds: LoadThresholds, changed: MarkChanged,
): LoadWatch {
  return new Watch(runtime.clock, rulesOf(thresholds), {
    sustainMs: thresholds.sustainMs ?? 500,
    staleMs: thresholds.staleMs ?? 3_000,
    maxMarkedShare: Math.min(0.5, thresholds.maxMarkedShare ?? 0.5),
  }, changed);
}

/** The gravest first. */
function rulesOf(thresholds: LoadThresholds): Rule[] {
  const rules: Rule[] = [];
  const add = (
    threshold: Threshold | false, mark: LoadMark, figure: Rule["figure"], say: Rule["say"],
  ): void => {
    if (threshold === false) return;
    rules.push({ figure, mark, over: threshold.over, under: threshold.under ?? threshold.over * 0.9, say });
  };
  const share = (name: string) => (value: number): string => `${name} ${Math.round(value * 100)} % in use`;
  add(thresholds.memoryDrain ?? { over: 0.97, under: 0.9 }, "draining", (report) => report.memory, share("memory"));
  add(thresholds.memory ?? { over: 0.9 }, "busy", (report) => report.memory, share("memory"));
  add(thresholds.cpu ?? { over: 0.95, under: 0.85 }, "busy", (report) => report.cpu, share("processor"));
  add(thresholds.loopLagMs ?? { over: 250, under: 100 }, "busy", (report) => report.loopLagMs,
    (value) => `event loop ${Math.round(value)} ms late`);
  add(thresholds.inFlight ?? false, "busy", (report) => report.inFlight, (value) => `${value} calls in flight`);
  return rules;
}

type Rules = readonly Rule[];

/** Who takes over from each other. */
interface Group {
  readonly name: string;
  readonly members: Set<Member>;
  isMarking: boolean;
}

/** Beyond this processor use the others count as full themselves. */
const fullShare = 0.85;
/** And beyond this, that nothing more may be asked of them. */
const noRoomShare = 0.95;

interface Limits {
  readonly sustainMs: number;
  readonly staleMs: number;
  readonly maxMarkedShare: number;
}

class Watch extends Alarm implements LoadWatch {
  readonly #clock: Clock;
  readonly #rules: Rules;
  readonly #limits: Limits;
  readonly #changed: MarkChanged;
  readonly #members = new Map<string, Member>();
  readonly #groups = new Map<string, Group>();
  /** Those over a threshold for long enough, whether or not they are so many that nobody is marked. */
  readonly #full = new Set<Member>();

  constructor(clock: Clock, rules: Rules, limits: Limits, changed: MarkChanged) {
    super();
    this.keepsAlive = false;
    this.#clock = clock;
    this.#rules = rules;
    this.#limits = limits;
    this.#changed = changed;
  }

  member(id: string, groupName = ""): LoadMember {
    let member = this.#members.get(id);
    if (member !== undefined) return member;
    let group = this.#groups.get(groupName);
    if (group === undefined) {
      this.#groups.set(groupName, group = { name: groupName, members: new Set(), isMarking: true });
    }
    this.#members.set(id, member = new Member(id, group, this));
    group.members.add(member);
    return member;
  }

  forget(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const { group } = member;
    this.#members.delete(id);
    this.#full.delete(member);
    group.members.delete(member);
    if (group.members.size === 0) this.#groups.delete(group.name);
    this.#settle(group);
  }

  close(): void {
    this.#clock.clear(this);
  }

  reported(member: Member, report: LoadReport): void {
    if (this.#members.get(member.id) !== member) return;
    const nowMs = this.#clock.now();
    const rule = this.#rules.find((one) => {
      const value = one.figure(report);
      return value >= one.over || (one === member.rule && value > one.under);
    });
    if (nowMs - member.reportedMs > this.#limits.staleMs) member.overSinceMs = Infinity;
    member.reportedMs = nowMs;
    member.cpu = report.cpu;
    if (rule === undefined) {
      member.overSinceMs = Infinity;
      this.#clear(member, "has room again");
      return;
    }
    member.overSinceMs = Math.min(member.overSinceMs, nowMs);
    if (nowMs - member.overSinceMs < this.#limits.sustainMs && member.rule === undefined) return;
    if (member.rule !== rule) {
      member.rule = rule;
      member.why = rule.say(rule.figure(report));
      this.#full.add(member);
      this.#settle(member.group);
      if (!this.isSet) this.#clock.set(this, nowMs + this.#limits.staleMs);
    }
  }

  reset(member: Member): void {
    member.overSinceMs = Infinity;
    member.reportedMs = -Infinity;
    this.#clear(member, "connected anew");
  }

  override ring(): void {
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    for (const member of [...this.#full]) {
      const staleAtMs = member.reportedMs + this.#limits.staleMs;
      if (staleAtMs <= nowMs) {
        member.overSinceMs = Infinity;
        this.#clear(member, "said nothing of its load any more: to be tried again");
      } else {
        nextMs = Math.min(nextMs, staleAtMs);
      }
    }
    if (nextMs < Infinity) this.#clock.set(this, nextMs);
  }

  #clear(member: Member, why: string): void {
    if (member.rule === undefined) return;
    member.rule = undefined;
    this.#full.delete(member);
    this.#tell(member, undefined, why);
    this.#settle(member.group);
  }

  /** Brings the marks of a group in line with how many are full, and with what the others have room for. */
  #settle(group: Group): void {
    const full = [...group.members].filter((member) => this.#full.has(member));
    const isMarking = full.length <= this.#mostMarked(group);
    const turned = isMarking !== group.isMarking;
    group.isMarking = isMarking;
    if (!isMarking && !turned) return;
    for (const member of full) {
      if (isMarking) this.#tell(member, member.rule?.mark, member.why);
      else this.#tell(member, undefined, "the others have no room for its load: nobody is spared");
    }
  }

  /** Without `k` of `n` the others have `n / (n - k)` times the load: as many as keep them below `fullShare`. */
  #mostMarked({ members }: Group): number {
    const [used, told] = this.#usedOf(members);
    return Math.max(0, Math.min(this.#limits.maxMarkedShare * members.size, told - used / fullShare));
  }

  /**
   * The processor use of those who serve, and how many they are. Who has never been called is idle; who told something
   * once and is silent now is kept out by somebody, and no help.
   */
  #usedOf(members: Iterable<Member>): readonly [used: number, told: number] {
    const oldestMs = this.#clock.now() - this.#limits.staleMs;
    let [used, told] = [0, 0];
    for (const { cpu, reportedMs, isServing } of members) {
      if (!isServing || (reportedMs < oldestMs && reportedMs !== -Infinity)) continue;
      used += cpu;
      told++;
    }
    return [used, told];
  }

  hasRoomWithout(id: string): boolean {
    const member = this.#members.get(id);
    if (member === undefined) return true;
    const [used, told] = this.#usedOf([...member.group.members].filter((other) => other !== member));
    const isTold = member.reportedMs >= this.#clock.now() - this.#limits.staleMs;
    return told === 0 || (used <= told * noRoomShare && used + (isTold ? member.cpu : 0) <= told);
  }

  #tell(member: Member, mark: LoadMark | undefined, why: string): void {
    if (member.told === mark) return;
    member.told = mark;
    this.#changed(member.id, mark, why);
  }
}

class Member implements LoadMember {
  readonly id: string;
  readonly group: Group;
  readonly #watch: Watch;
  reportedMs = -Infinity;
  isServing = true;
  /** As last reported. */
  cpu = 0;
  /** Since when every report was over a threshold. */
  overSinceMs = Infinity;
  /** The threshold it has been over for long enough. */
  rule: Rule | undefined = undefined;
  why = "";
  told: LoadMark | undefined = undefined;

  constructor(id: string, group: Group, watch: Watch) {
    this.id = id;
    this.group = group;
    this.#watch = watch;
  }

  reported(report: LoadReport): void {
    this.#watch.reported(this, report);
  }

  reset(): void {
    this.#watch.reset(this);
  }

  serves(isServing: boolean): void {
    this.isServing = isServing;
  }
}
