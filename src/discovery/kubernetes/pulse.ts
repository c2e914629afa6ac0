/**
 * A Pulse asks whether the API server still answers, for all watches of a driver together.
 *
 * A silent watch may be one of which nothing changes, or one of a server that stands still or is cut off: neither
 * closes the connection, and Kubernetes sends bookmarks about once a minute only. So while watches are open, and
 * nothing came by any of them for a while, one small request a second goes out beside them, of the kind that API
 * servers answer ahead of their queues (`/livez` is exempt from priority and fairness); silence is noticed within two
 * to three seconds instead of minutes. Behind a load balancer the answer may come from another replica than the
 * watch's: for that case a watch without a bookmark for too long is given up as well (`silenceMs` of the API), which
 * takes minutes, but only where one replica of several stalls without its host going down.
 */
import { expected, RpcError } from "../../core/error.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Clock } from "../../core/runtime.ts";

export interface PulseSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** A timeout that is noticed this much too late says more of us than of the server. In milliseconds. */
const lateMs = 250;
/** How often our own lateness excuses the server, in a row. */
const maxExcuses = 3;

export class Pulse {
  readonly #clock: Clock;
  readonly #probe: (timeoutMs: number) => Promise<void>;
  readonly #settings: PulseSettings;
  readonly #members = new Set<(error: RpcError) => void>();
  #timer: Timer | undefined = undefined;
  #isProbing = false;
  #heardMs = -Infinity;
  #excuses = 0;

  constructor(clock: Clock, probe: (timeoutMs: number) => Promise<void>, settings: PulseSettings) {
    this.#clock = clock;
    this.#probe = probe;
    this.#settings = settings;
  }

  /** Calls `lost` at most once, when the server no longer answers. The returned function leaves. */
  join(lost: (error: RpcError) => void): () => void {
    const member = (error: RpcError): void => lost(error);
    this.#members.add(member);
    this.#wait();
    return () => {
      this.#members.delete(member);
      if (this.#members.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** The server said something: no need to ask. */
  heard(): void {
    this.#heardMs = this.#clock.now();
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#isProbing || this.#members.size === 0) return;
    this.#timer = this.#clock.after(this.#settings.intervalMs, () => {
      this.#timer = undefined;
      if (this.#clock.now() - this.#heardMs < this.#settings.intervalMs) this.#wait();
      else void this.#ask();
    }).unref();
  }

  async #ask(): Promise<void> {
    const startedMs = this.#clock.now();
    this.#isProbing = true;
    try {
      await this.#probe(this.#settings.timeoutMs);
      this.#excuses = 0;
    } catch (error) {
      if (this.#heardMs < startedMs && !this.#isExcused(startedMs)) this.#lose(RpcError.from(error, "unavailable"));
    } finally {
      this.#isProbing = false;
      this.#wait();
    }
  }

  #isExcused(startedMs: number): boolean {
    const isLate = this.#clock.now() - startedMs > this.#settings.timeoutMs + lateMs;
    this.#excuses = isLate ? this.#excuses + 1 : 0;
    return isLate && this.#excuses <= maxExcuses;
  }

  #lose(error: RpcError): void {
    const members = [...this.#members];
    this.#members.clear();
    const why = expected("unavailable", `the API server no longer answers: ${error.message}`, { cause: error });
    for (const lost of members) lost(why);
  }
}
