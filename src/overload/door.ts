/** A Door is shut while calls wait too long or the event loop is late: it lets in no more than there is room for. */
import { type AdmissionLevel, admissionLevel } from "./admission-level.ts";
import { calmTicks } from "./flow.ts";
import type { PacedEvents } from "./paced.ts";
import { allLevels } from "./priority.ts";
import { levelText } from "./shed.ts";

/** Pressed ticks in a row that are no single burst. */
const pressedTicks = 2;

/** What happened since the last look. */
export interface DoorTick {
  readonly elapsedMs: number;
  readonly arrived: number;
  readonly completed: number;
  /** Whether calls wait, or were turned away from the line, because of the load. */
  readonly isPressed: boolean;
  readonly isLate: boolean;
  readonly lagMs: number;
  /** The concurrency limit, how many wait for it, and how many were turned away since the server began. */
  readonly limit: number;
  readonly waiting: number;
  readonly shed: number;
}

export class Door {
  isShut = false;
  readonly level: AdmissionLevel = admissionLevel();
  /** The level let in, for those who are turned away; undefined while all are let in. */
  text: string | undefined = undefined;
  readonly #tell: PacedEvents;
  #pressed = 0;
  #calm = 0;

  constructor(tell: PacedEvents) {
    this.#tell = tell;
  }

  get share(): number {
    return this.isShut ? this.level.share : 1;
  }

  /** Returns whether it was opened. */
  look(happened: DoorTick): boolean {
    const { isPressed, isLate, lagMs, limit, waiting, shed } = happened;
    this.#pressed = isPressed ? this.#pressed + 1 : 0;
    const lateness = `the event loop runs ${lagMs.toFixed(0)} ms late`;
    if (!this.isShut) {
      if (!isLate && this.#pressed < pressedTicks) return false;
      this.isShut = true;
      this.#calm = 0;
      this.#tell("overload.begins", { limit, waiting, why: isLate ? lateness : "calls wait too long for room" });
    }
    this.level.adjust(happened);
    const { cursor, share } = this.level;
    this.text = levelText(cursor);
    if (isPressed || isLate || cursor < allLevels) {
      this.#calm = 0;
      this.#tell("overload.level", {
        share, below: this.text, arrived: happened.arrived, completed: happened.completed,
        why: isLate ? lateness : isPressed ? "calls wait too long" : "there is room again",
      });
      return false;
    }
    if (++this.#calm < calmTicks) return false;
    this.isShut = false;
    this.text = undefined;
    this.level.open();
    this.#tell("overload.ends", { limit, shed, why: "nobody had to wait" });
    return true;
  }
}
