/** What an admission may be told, and what it takes where it is told nothing. */
import { numberOption, type Runtime } from "../core/index.ts";
import type { BackPressure } from "./back-pressure.ts";
import type { ConcurrencyLimit } from "./limit.ts";
import type { LevelOptions } from "./priority.ts";
import { lineOptions, type LineOptions } from "./waiting-line.ts";

export interface AdmissionOptions extends LevelOptions {
  /** How many calls work at once; a maker, since each server has its own. Default `kneeLimit()`. */
  readonly limit?: ((runtime: Runtime) => ConcurrencyLimit) | undefined;
  /**
   * So many calls may always be at work while no more comes than is done, whatever the limit says: so that no small
   * service is ever shed by a mistaken limit. Default 32.
   */
  readonly room?: number | undefined;
  /** The line in front of the limit; `false` for none. */
  readonly line?: (LineOptions & {
    /** Room in it while more comes than is done, in multiples of the limit; else also who is soon served. Default 2. */
    readonly capacity?: number;
  }) | false | undefined;
  /** Turning away at the door by criticality and user. Default true. */
  readonly levels?: boolean | undefined;
  /** Prices of what handlers call, so that who cannot pay for it is turned away here. Default none. */
  readonly backPressure?: BackPressure | undefined;
  /**
   * How late the event loop may run while calls are turned away for it, in milliseconds; or a twentieth of the time
   * that they have, if that is more. That begins when it was five times as late three times in a row, with more than
   * half of `room` at once, and by more than a third of the time that calls have (at most 3 s). Default 20.
   */
  readonly maxLoopLagMs?: number | undefined;
}

export interface ResolvedAdmission extends AdmissionOptions {
  readonly capacity: number;
  readonly maxWaitMs: number;
  readonly lagMs: number;
  readonly room: number;
}

/** Checks here what can be wrong, and not first when a server is made. */
export function admissionOptions(options: AdmissionOptions): ResolvedAdmission {
  const { line } = options;
  const { maxWaitMs } = lineOptions(line === undefined || line === false ? {} : line);
  const capacity = line === false ? 0 : numberOption("line.capacity", line?.capacity ?? 2, { least: 0, most: 100 });
  const lagMs = numberOption("maxLoopLagMs", options.maxLoopLagMs ?? 20, { least: 1, unit: "milliseconds" });
  const room = numberOption("room", options.room ?? 32, { least: 1, most: 1_000_000, whole: true, unit: "calls" });
  return { ...options, capacity, maxWaitMs, lagMs, room };
}
