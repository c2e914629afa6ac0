/** A Follower asks for one name, each time until it has changed (a "blocking query"), and tells what is there. */
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import type { Clock, Runtime } from "../../core/runtime.ts";
import { jsonOf, statusError } from "../../http/request-answer.ts";
import type { HttpAnswer } from "../../http/request.ts";
import type { EngineView } from "../engine.ts";
import type { Agent } from "./agent.ts";
import { readCatalog } from "./catalog.ts";
import type { Polls } from "./polls.ts";
import type { Probe } from "./probe.ts";
import type { ConsulSettings } from "./settings.ts";

/** What following has in common with others. */
export interface FollowParts {
  readonly runtime: Runtime;
  readonly settings: ConsulSettings;
  readonly agent: Agent;
  readonly probe: Probe;
  readonly polls: Polls;
}

export interface Followed {
  readonly name: string;
  readonly view: EngineView;
}

/** Consul holds a question back for up to a sixteenth longer than it was asked to; and then the answer travels. */
const waitExcess = 1 / 16;

export class Follower {
  readonly #parts: FollowParts;
  readonly #followed: Followed;
  readonly #path: string;
  /** What the next question waits for a change of; 0 asks for what is there now. */
  #index = 0;
  #isBeyond = false;

  constructor(parts: FollowParts, followed: Followed) {
    this.#parts = parts;
    this.#followed = followed;
    const service = encodeURIComponent(parts.settings.serviceName(followed.name));
    this.#path = `/v1/health/service/${service}?${parts.settings.query}`;
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { probe, polls, settings, runtime: { clock, random } } = this.#parts;
    const lost = new AbortController();
    let why: RpcError | undefined;
    const leave = probe.join((error) => {
      why = error;
      lost.abort();
    });
    const either = AbortSignal.any([signal, lost.signal]);
    try {
      await this.#askNow(either);
      while (!either.aborted) {
        await pause(clock, settings.minIntervalMs * (1 + random.next() / 4), either);
        if (!either.aborted) await this.#askAgain(either);
      }
    } catch (error) {
      if (!either.aborted) throw error;
    } finally {
      if (this.#isBeyond) polls.leaveBeyond();
      leave();
    }
    if (why !== undefined && !signal.aborted) throw why;
  }

  async #askNow(signal: AbortSignal): Promise<void> {
    this.#read(await this.#parts.agent.ask({ method: "GET", path: this.#path, signal }));
  }

  /** Waits for a change; or, where too many wait already, for a while. */
  async #askAgain(signal: AbortSignal): Promise<void> {
    const { agent, polls, settings, runtime: { clock } } = this.#parts;
    if (this.#index === 0 || !polls.take()) {
      this.#enterBeyond();
      await pause(clock, polls.pauseMs, signal);
      if (!signal.aborted) await this.#askNow(signal);
      return;
    }
    this.#leaveBeyond();
    try {
      const path = `${this.#path}&index=${this.#index}&wait=${settings.waitMs}ms`;
      const timeoutMs = settings.waitMs * (1 + waitExcess) + settings.timeoutMs;
      this.#read(await agent.ask({ method: "GET", path, timeoutMs, signal }));
    } finally {
      polls.release();
    }
  }

  #enterBeyond(): void {
    if (!this.#isBeyond) this.#parts.polls.enterBeyond();
    this.#isBeyond = true;
  }

  #leaveBeyond(): void {
    if (this.#isBeyond) this.#parts.polls.leaveBeyond();
    this.#isBeyond = false;
  }

  #read(answer: HttpAnswer): void {
    const { agent: { name: server }, settings: { serviceName } } = this.#parts;
    const { name, view } = this.#followed;
    if (answer.status !== 200) throw statusError(server, answer);
    const index = nextIndex(this.#index, answer.fields["x-consul-index"]);
    // The wait ran out: nothing has changed.
    if (index !== 0 && index === this.#index) return;
    const endpoints = readCatalog(jsonOf(server, answer), { name, service: serviceName(name), server, view });
    refuseHidden(server, answer, endpoints);
    // Of another state of Consul: whom that does not know needs time to come back, as after any loss.
    if (index === 0 && this.#index > 0 && Number(answer.fields["x-consul-index"]) > 0) {
      throw new RpcError("unavailable", `${server} counts its changes anew: it was restored, or has lost its data`,
        { phase: "resolve" });
    }
    this.#index = index;
    view.told(endpoints);
  }
}

/**
 * The index to wait for: one that went back belongs to another state of Consul (restored, or wiped), and 0 or none to a
 * mistake; then what is there is asked for anew.
 * https://developer.hashicorp.com/consul/api-docs/features/blocking ("implementation details")
 */
export function nextIndex(before: number, told: string | undefined): number {
  const index = Number(told ?? 0);
  return Number.isSafeInteger(index) && index > 0 && index >= before ? index : 0;
}

/** Consul shows whoever may not look an empty list: nothing that anybody should be taken out for. */
function refuseHidden(server: string, answer: HttpAnswer, endpoints: readonly EndpointAddress[]): void {
  if (endpoints.length > 0 || answer.fields["x-consul-results-filtered-by-acls"] !== "true") return;
  throw new RpcError("permission_denied", `${server} hides entries from us: the option \`token\` must be one whose ` +
    "policies allow service:read and node:read", { remote: true, retryable: false, phase: "resolve" });
}

/** Resolves after so long, or as soon as `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || delayMs <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(delayMs, end).unref();
    signal.addEventListener("abort", end, { once: true });
  });
}
