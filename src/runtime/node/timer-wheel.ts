/**
 * A TimerWheel keeps alarms in lists by the millisecond at which they ring, so that setting and clearing one
 * is a few pointer writes however many are set.
 *
 * Hierarchical timing wheels (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme
 * 7): three levels of 256 lists hold what rings within the present block of 256 ms, 65 s and 4.7 h; one more
 * list holds the rest. When time enters a block, its list is dealt out to the level below, so an alarm is
 * moved at most three times and a tick never looks at alarms that are far away. Alarms of one tick ring in
 * the order in which they were set.
 */
import { Alarm } from "../../core/alarm.ts";
import { RpcError } from "../../core/error.ts";

const slots = 256;
const slotMask = slots - 1;
const middleSpan = slots * slots;
const coarseSpan = middleSpan * slots;

/** The head of a circular list: an empty one points at itself. */
class ListHead extends Alarm {
  constructor() {
    super();
    this.nextAlarm = this;
    this.previousAlarm = this;
  }

  override ring(): void {}
}

/** One level: lists, and a bit for each list that may hold something (cleared when found empty). */
interface Level {
  readonly heads: readonly ListHead[];
  readonly bits: Int32Array;
}

function createLevel(): Level {
  return { heads: Array.from({ length: slots }, () => new ListHead()), bits: new Int32Array(slots / 32) };
}

export class TimerWheel {
  /** How many set alarms keep the process alive: one that never rings is nothing to wait for. */
  keepers = 0;
  readonly #failed: (error: unknown) => void;
  readonly #fine = createLevel();
  readonly #middle = createLevel();
  readonly #coarse = createLevel();
  readonly #far = new ListHead();
  /** The last tick whose alarms have rung. */
  #tick = 0;
  /** First ticks after the present block of each level. */
  #fineEnd = 0;
  #middleEnd = 0;
  #coarseEnd = 0;

  /** Time starts at `tick`. `failed` hears what a ringing alarm threw; the others still ring. */
  constructor(tick: number, failed: (error: unknown) => void) {
    this.#failed = failed;
    this.skipTo(tick);
  }

  /** Moves time of an empty wheel without walking there. */
  skipTo(tick: number): void {
    this.#tick = tick;
    this.#fineEnd = (Math.floor(tick / slots) + 1) * slots;
    this.#middleEnd = (Math.floor(tick / middleSpan) + 1) * middleSpan;
    this.#coarseEnd = (Math.floor(tick / coarseSpan) + 1) * coarseSpan;
  }

  /** Files an alarm that is not set; returns the tick at which it rings, which is always yet to come. */
  set(alarm: Alarm, atMs: number): number {
    let tick = Math.ceil(atMs);
    if (tick <= this.#tick) tick = this.#tick + 1;
    let head: ListHead;
    if (tick < this.#fineEnd) {
      head = claim(this.#fine, tick & slotMask);
    } else if (tick < this.#middleEnd) {
      head = claim(this.#middle, (tick / slots) & slotMask);
    } else if (tick < this.#coarseEnd) {
      head = claim(this.#coarse, (tick / middleSpan) & slotMask);
    } else {
      if (Number.isNaN(tick)) {
        throw new RpcError("invalid_argument", "an alarm was set at NaN; give clock milliseconds");
      }
      head = this.#far;
    }
    const last = head.previousAlarm as Alarm;
    last.nextAlarm = alarm;
    alarm.previousAlarm = last;
    alarm.nextAlarm = head;
    head.previousAlarm = alarm;
    alarm.ringsAtMs = atMs;
    alarm.isSet = true;
    if (alarm.keepsAlive && atMs !== Infinity) this.keepers++;
    return tick;
  }

  /** Takes out an alarm that is set. */
  clear(alarm: Alarm): void {
    const next = alarm.nextAlarm as Alarm;
    const previous = alarm.previousAlarm as Alarm;
    previous.nextAlarm = next;
    next.previousAlarm = previous;
    alarm.nextAlarm = undefined;
    alarm.previousAlarm = undefined;
    alarm.isSet = false;
    if (alarm.keepsAlive && alarm.ringsAtMs !== Infinity) this.keepers--;
  }

  /** Rings everything due at `nowMs`, tick by tick. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs);
    while (this.#tick < target) {
      const limit = Math.min(target, this.#fineEnd - 1);
      const slot = nextUsed(this.#fine, this.#tick + 1, limit);
      if (slot !== undefined) {
        this.#tick = slot;
        this.#ringAll(this.#fine.heads[slot & slotMask] as ListHead);
      } else if (limit === target) {
        this.#tick = target;
      } else {
        this.#enterBlock();
      }
    }
  }

  /** A tick no later than the first one with an alarm; undefined when nothing is set. */
  nextDue(): number | undefined {
    const fine = nextUsed(this.#fine, this.#tick + 1, this.#fineEnd - 1);
    if (fine !== undefined) return fine;
    const middle = nextUsed(this.#middle, this.#fineEnd / slots, this.#middleEnd / slots - 1);
    if (middle !== undefined) return middle * slots;
    const coarse = nextUsed(this.#coarse, this.#middleEnd / middleSpan, this.#coarseEnd / middleSpan - 1);
    if (coarse !== undefined) return coarse * middleSpan;
    return this.#far.nextAlarm === this.#far ? undefined : this.#coarseEnd;
  }

  #ringAll(head: ListHead): void {
    // An alarm set while these ring is for a later tick, so this list only shrinks.
    for (let alarm = head.nextAlarm as Alarm; alarm !== head; alarm = head.nextAlarm as Alarm) {
      this.clear(alarm);
      try {
        alarm.ring();
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** Steps to the end of the present fine block and deals out what the next one holds, coarsest first. */
  #enterBlock(): void {
    const start = this.#fineEnd;
    this.skipTo(start);
    // Time stands just before the block, so that what rings at its first tick is still to come.
    this.#tick = start - 1;
    if (start % coarseSpan === 0) this.#deal(this.#far);
    if (start % middleSpan === 0) this.#deal(this.#coarse.heads[(start / middleSpan) & slotMask] as ListHead);
    this.#deal(this.#middle.heads[(start / slots) & slotMask] as ListHead);
  }

  #deal(head: ListHead): void {
    const last = head.previousAlarm as Alarm;
    // Far alarms may return to the list they came from: stop after the one that was last.
    for (let done = last === head; !done;) {
      const alarm = head.nextAlarm as Alarm;
      done = alarm === last;
      this.clear(alarm);
      this.set(alarm, alarm.ringsAtMs);
    }
  }
}

function claim(level: Level, slot: number): ListHead {
  const word = slot >> 5;
  level.bits[word] = (level.bits[word] as number) | (1 << (slot & 31));
  return level.heads[slot] as ListHead;
}

/** The first of `from` to `to` (positions that never wrap within a level) whose list holds something. */
function nextUsed(level: Level, from: number, to: number): number | undefined {
  const base = from - (from & slotMask);
  const lastSlot = to - base;
  for (let slot = from - base; slot <= lastSlot;) {
    const word = slot >> 5;
    const rest = (level.bits[word] as number) >>> (slot & 31);
    if (rest === 0) {
      slot = (word + 1) << 5;
      continue;
    }
    slot += 31 - Math.clz32(rest & -rest);
    if (slot > lastSlot) break;
    const head = level.heads[slot] as ListHead;
    if (head.nextAlarm !== head) return base + slot;
    level.bits[word] = (level.bits[word] as number) & ~(1 << (slot & 31));
  }
  return undefined;
}
