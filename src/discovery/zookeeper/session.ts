/**
 * A Session is what ZooKeeper knows us by: it outlives connections, is taken up again at the next server, and when it
 * has expired another one begins.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Pauses } from "../pauses.ts";
import { type Link, type LinkSettings, openLink } from "./link.ts";
import type { Handshake } from "./records.ts";

export interface SessionSettings extends Omit<LinkSettings, "closing"> {
  readonly servers: readonly string[];
  /** What is asked for; the server decides within its own bounds. */
  readonly sessionTimeoutMs: number;
}

/** Pauses between rounds over all servers, in milliseconds: short, since those of followers come on top. */
const pauseMs = { min: 50, max: 500 };
/** A link that lived shorter counts as one that never came about. */
const shortLifeMs = 1_000;

export class Session {
  readonly #runtime: Runtime;
  readonly #settings: SessionSettings & LinkSettings;
  readonly #pauses: Pauses;
  #known: Handshake;
  #link: Link | undefined = undefined;
  #next: Promise<Link> | undefined = undefined;
  /** When a server was last known to hold the session, as far as we can say. */
  #attachedMs = 0;
  /** Where in the list of servers the next try begins: anywhere at first, so that clients spread. */
  #turn: number;
  readonly #end = new AbortController();
  /** Whether the last round failed, so that the next waits. */
  #hasFailed = false;

  constructor(runtime: Runtime, settings: SessionSettings) {
    this.#runtime = runtime;
    this.#settings = { ...settings, closing: this.#end.signal };
    this.#pauses = new Pauses(runtime, pauseMs);
    this.#known = noSession(settings.sessionTimeoutMs);
    this.#turn = Math.floor(runtime.random.next() * settings.servers.length);
  }

  /** The link there is, or the next one; rejects when one round over all servers has failed. */
  attached(): Promise<Link> {
    if (this.isClosed) return Promise.reject(closedError());
    if (this.#link !== undefined && !this.#link.lost.aborted) return Promise.resolve(this.#link);
    return this.#next ??= this.#attach().finally(() => {
      this.#next = undefined;
    });
  }

  async #attach(): Promise<Link> {
    this.#forgetExpired();
    if (this.#hasFailed) await this.#pauses.next();
    const { servers } = this.#settings;
    let failure = closedError();
    for (let failures = 0; failures < servers.length && !this.isClosed;) {
      const address = servers[this.#turn % servers.length] as string;
      try {
        const link = await openLink(this.#runtime, address, this.#known, this.#settings);
        if (link.session.timeoutMs > 0) return this.#take(link);
        await link.close(false);
        // It has expired, so another is asked for; unless this was about another already.
        if (this.#known.sessionId === 0n) failures++;
        failure = new RpcError("unavailable", `ZooKeeper at ${address} grants no session`);
        this.#known = noSession(this.#settings.sessionTimeoutMs);
      } catch (error) {
        failure = RpcError.from(error, "unavailable");
        failures++;
        this.#turn++;
      }
    }
    this.#hasFailed = true;
    throw failure;
  }

  #take(link: Link): Link {
    this.#known = link.session;
    this.#link = link;
    this.#attachedMs = this.#runtime.clock.now();
    const sinceMs = this.#attachedMs;
    const lost = (): void => {
      this.#attachedMs = this.#runtime.clock.now();
      // A server that takes the session and drops it at once is no better than one that does not take it.
      this.#hasFailed = this.#attachedMs - sinceMs < shortLifeMs;
      if (!this.#hasFailed) this.#pauses.reset();
      // The server that was lost is asked last.
      this.#turn++;
    };
    // It may be lost before anybody got to hear that it is there.
    if (link.lost.aborted) lost();
    else link.lost.addEventListener("abort", lost, { once: true });
    return link;
  }

  /**
   * A session that no server has seen for longer than its time is not taken up again: whoever held something by it was
   * told that it is lost, and an ensemble that comes back late would else keep what nobody looks after.
   */
  #forgetExpired(): void {
    if (this.#known.sessionId === 0n || !this.isOverdue) return;
    this.#known = noSession(this.#settings.sessionTimeoutMs);
  }

  /** Whether what is held by the session must be taken for lost. */
  get isOverdue(): boolean {
    if (this.#link !== undefined && !this.#link.lost.aborted) return false;
    return this.#runtime.clock.now() - this.#attachedMs > this.#known.timeoutMs;
  }

  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  /** Ends the session: the server takes out at once what is held by it. */
  async close(): Promise<void> {
    this.#end.abort(closedError());
    this.#pauses.skip();
    await this.#link?.close(true);
  }
}

function noSession(timeoutMs: number): Handshake {
  return { timeoutMs, sessionId: 0n, password: new Uint8Array(16) };
}

function closedError(): RpcError {
  return new RpcError("cancelled", "the session with ZooKeeper is closed");
}

/** What `promise` gives, or undefined if `signal` aborts first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}
