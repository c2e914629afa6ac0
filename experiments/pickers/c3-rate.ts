// C3's rate control and backpressure: a client sends each server no more than comes back from there, by CUBIC's curve,
// and keeps calls back while every server of their key is over its rate.
//
// Suresh et al. (NSDI 2015), section 3.2, with the constants and the reckoning of the authors' simulator (absim):
// windows of 20 ms, C = 4e-6, beta = 0.2, steps of 10 at most, a hysteresis of two windows, 5 calls a window in the
// beginning, at most 50 saved up. What comes back is averaged over windows in which anything does.
import type { Picker } from "../../src/core/index.ts";
import type { Agenda } from "./agenda.ts";
import { type Seen, send, type Traffic } from "./clients.ts";

const windowMs = 20;
const initialRate = 5;
const mostTokens = 50;
/** Taken for what comes back before anything has. */
const initialReceived = 10;
/** After so many windows in which nothing came what came before is forgotten. */
const forgottenWindows = 20;
const leastRate = 0.0001;
const beta = 0.2;
const growth = 4e-6;
const mostStep = 10;
const hysteresisMs = 2 * windowMs;
/** Weight of the newest window in the rate of what comes back. */
const newest = 0.9;

/** What is allowed to go to one server, and what comes back from it; rates are calls a window. */
class Limiter {
  rate = initialRate;
  #tokens = 0;
  #filledMs = 0;
  #decreasedMs = 0;
  #increasedMs = 0;
  /** The rate before the last decrease: where the curve is flat. */
  #saddle = initialRate;
  #received = initialReceived;
  #window = 0;
  #count = 0;

  /** Milliseconds until one more may go; 0 for now. */
  waitMs(nowMs: number): number {
    this.#tokens = Math.min(mostTokens, this.#tokens + (nowMs - this.#filledMs) * this.rate / windowMs);
    this.#filledMs = nowMs;
    return this.#tokens >= 1 - 1e-9 ? 0 : (1 - this.#tokens) * windowMs / this.rate;
  }

  taken(): void {
    this.#tokens--;
  }

  answered(nowMs: number): void {
    const window = Math.floor(nowMs / windowMs);
    if (window - this.#window >= forgottenWindows) {
      this.#received = this.#count;
      [this.#window, this.#count] = [window, 0];
    } else {
      this.#count++;
      if (window > this.#window) {
        this.#received += newest * (this.#count - this.#received);
        [this.#window, this.#count] = [window, 0];
      }
    }
    if (this.rate < this.#received) {
      const sinceMs = nowMs - this.#decreasedMs;
      const next = growth * (sinceMs - Math.cbrt(beta * this.#saddle / growth)) ** 3 + this.#saddle;
      this.#increasedMs = nowMs;
      this.rate = Math.max(leastRate, Math.min(next, this.rate + mostStep));
    } else if (this.rate > this.#received && nowMs - this.#increasedMs > hysteresisMs) {
      this.#saddle = this.rate;
      this.#decreasedMs = nowMs;
      this.rate = Math.max(leastRate, this.rate * beta);
    }
  }
}

/** One client's calls: to whom the picker says among those within their rate, or kept back. */
export class RateControl {
  readonly #agenda: Agenda;
  readonly #traffic: Traffic;
  readonly #picker: Picker;
  readonly #limiters = new Map<Seen, Limiter>();
  readonly #kept = new Map<readonly Seen[], { readonly dueMs: number; readonly counts: boolean }[]>();
  /** How many calls had to wait. */
  held = 0;

  constructor(traffic: Traffic, picker: Picker) {
    this.#agenda = traffic.agenda;
    this.#traffic = traffic;
    this.#picker = picker;
  }

  send(among: readonly Seen[], counts: boolean): void {
    const kept = this.#kept.get(among);
    if (kept === undefined && this.#sent(among, this.#agenda.nowMs, counts)) return;
    this.held++;
    const one = { dueMs: this.#agenda.nowMs, counts };
    if (kept !== undefined) {
      kept.push(one);
      return;
    }
    this.#kept.set(among, [one]);
    this.#later(among);
  }

  #sent(among: readonly Seen[], dueMs: number, counts: boolean): boolean {
    const { nowMs } = this.#agenda;
    const within = among.filter((seen) => this.#limiter(seen).waitMs(nowMs) === 0);
    if (within.length === 0) return false;
    const picked = send(this.#traffic, this.#picker, within.length === among.length ? among : within, 0, counts, {
      dueMs, answered: (seen) => this.#limiter(seen).answered(this.#agenda.nowMs),
    });
    this.#limiter(picked).taken();
    return true;
  }

  #limiter(seen: Seen): Limiter {
    let limiter = this.#limiters.get(seen);
    if (limiter === undefined) this.#limiters.set(seen, limiter = new Limiter());
    return limiter;
  }

  /** Tries again when one of them may be sent to, in the order in which calls came. */
  #later(among: readonly Seen[]): void {
    const { nowMs } = this.#agenda;
    const waitMs = Math.min(...among.map((seen) => this.#limiter(seen).waitMs(nowMs)));
    // Rates rise meanwhile.
    this.#agenda.add(nowMs + Math.min(windowMs, Math.max(0.01, waitMs)), { happen: () => {
      const kept = this.#kept.get(among) ?? [];
      while (kept[0] !== undefined && this.#sent(among, kept[0].dueMs, kept[0].counts)) kept.shift();
      if (kept.length > 0) this.#later(among);
      else this.#kept.delete(among);
    } });
  }
}
