/** An Allowance is how often a peer may do something: so often at once, and so often a second (a token bucket). */
import { ErrorCode } from "./constants.ts";
import { fault } from "./failure.ts";
import type { Http2Settings } from "./settings.ts";

export class Allowance {
  readonly #what: string;
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #sinceMs = 0;

  /** `what` names what there was too much of, and the setting. */
  constructor(what: string, burst: number, perSecond: number) {
    this.#what = what;
    this.#burst = this.#left = burst;
    this.#perSecond = perSecond;
  }

  /** Takes one. Throws a ConnectionFault (ENHANCE_YOUR_CALM) when none is left. */
  take(nowMs: number): void {
    if (this.#left < 1) {
      this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#sinceMs) * this.#perSecond / 1_000);
      if (this.#left < 1) throw fault(ErrorCode.calm, `too many ${this.#what}`);
      this.#sinceMs = nowMs;
    } else if (this.#left === this.#burst) {
      this.#sinceMs = nowMs;
    }
    this.#left--;
  }

  /** Gives back. */
  refund(count: number): void {
    this.#left = Math.min(this.#burst, this.#left + count);
  }
}

/** What is counted of the peer of one connection. */
export interface Allowances {
  readonly resets: Allowance;
  readonly mistakes: Allowance;
  readonly pings: Allowance;
  readonly settings: Allowance;
  readonly idleFrames: Allowance;
  readonly windowUpdates: Allowance;
  readonly smallPieces: Allowance;
}

export function createAllowances(settings: Http2Settings): Allowances {
  const even = (what: string, perSecond: number) => new Allowance(what, perSecond, perSecond);
  return {
    resets: new Allowance("streams were reset (resetBurst, resetsPerSecond)", settings.resetBurst,
      settings.resetsPerSecond),
    mistakes: new Allowance("streams had to be reset for mistakes (mistakeBurst, mistakesPerSecond)",
      settings.mistakeBurst, settings.mistakesPerSecond),
    pings: even("pings (pingsPerSecond)", settings.pingsPerSecond),
    settings: new Allowance("changes of settings (settingsBurst, settingsPerSecond)", settings.settingsBurst,
      settings.settingsPerSecond),
    idleFrames: even("frames that carry nothing (idleFramesPerSecond)", settings.idleFramesPerSecond),
    windowUpdates: even("window updates (windowUpdatesPerSecond)", settings.windowUpdatesPerSecond),
    smallPieces: even("pieces kept small by the peer's window (smallPiecesPerSecond)",
      settings.smallPiecesPerSecond),
  };
}
