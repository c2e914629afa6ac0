/**
 * A Probe asks the agent for a sign of life while any name is followed, and tells all followers when there is none.
 *
 * A stalled agent closes no connection, and a question that it holds back is silent by nature. Shorter waits would show
 * the stall as soon, but cost a question per name and second, each with the whole set for its answer; this one is a
 * few bytes a second, however many names are followed, is answered out of memory, and needs no token. It goes through
 * to the servers, so that an agent which has lost them is noticed as well.
 */
import type { Timer } from "../../core/alarm.ts";
import { RpcError } from "../../core/error.ts";
import type { Clock } from "../../core/runtime.ts";
import { statusError } from "../../http/request-answer.ts";
import type { Agent } from "./agent.ts";

export class Probe {
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #everyMs: number;
  readonly #followers = new Set<(error: RpcError) => void>();
  #timer: Timer | undefined = undefined;
  #isAsking = false;

  constructor(clock: Clock, agent: Agent, everyMs: number) {
    this.#clock = clock;
    this.#agent = agent;
    this.#everyMs = everyMs;
  }

  /** Tells `lost` once, when the agent is; the returned function takes it out. */
  join(lost: (error: RpcError) => void): () => void {
    this.#followers.add(lost);
    this.#schedule();
    return () => {
      this.#followers.delete(lost);
      if (this.#followers.size === 0) this.close();
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#isAsking || this.#timer !== undefined || this.#followers.size === 0) return;
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.#timer = undefined;
      void this.#ask();
    }).unref();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    try {
      const answer = await this.#agent.ask({ method: "GET", path: "/v1/status/leader", timeoutMs: this.#everyMs });
      if (answer.status >= 500) throw statusError(this.#agent.name, answer);
    } catch (error) {
      const lost = [...this.#followers];
      this.#followers.clear();
      for (const tell of lost) tell(RpcError.from(error, "unavailable"));
    } finally {
      this.#isAsking = false;
      this.#schedule();
    }
  }
}
