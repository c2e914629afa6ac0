/**
 * A Link is one connection with signs of life: the client itself notices none of a Redis that stands still.
 *
 * Pings are counted in ticks, so that a process that stood still itself convicts nobody by the jump of its clock.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Pauses } from "../pauses.ts";
import type { ConnectRedis, RedisConnection } from "./connection.ts";
import { redisError } from "./failure.ts";

export interface LinkSettings {
  /** What messages call it: `Redis at 127.0.0.1:6379`. */
  readonly name: string;
  readonly connect: ConnectRedis;
  readonly connectTimeoutMs: number;
  /** A Redis that left a ping unanswered for so long is taken for dead. */
  readonly silentMs: number;
}

export interface Link {
  /** Aborted, with the error, when it is lost. */
  readonly lost: AbortSignal;
  /** Whether Redis tells of keys that expire or are deleted. */
  readonly tellsOfKeys: boolean;
  /** Runs a script; rejects with what Redis says, or with why the link was lost. */
  run(script: string, keys: readonly [string, ...string[]], args: readonly string[]): Promise<unknown>;
  subscribe(channel: string, heard: () => void): Promise<() => void>;
  subscribePattern(pattern: string, heard: (message: string) => void): Promise<() => void>;
  close(): void;
}

/** So many ticks without an answer are borne. */
const ticks = 3;
/** Pauses between tries to connect, in milliseconds: short, since those of followers come on top. */
const pauseMs = { min: 50, max: 500 };
/** A link that lived shorter counts as one that never came about. */
const shortLifeMs = 1_000;

/** The link of a driver, made when it is needed, and again after it was lost. */
export class Links {
  readonly #runtime: Runtime;
  readonly #settings: LinkSettings;
  readonly #pauses: Pauses;
  #link: Link | undefined = undefined;
  #next: Promise<Link> | undefined = undefined;
  #hasFailed = false;
  #isClosed = false;

  constructor(runtime: Runtime, settings: LinkSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#pauses = new Pauses(runtime, pauseMs);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The link there is, or the next one; rejects when one try failed. */
  attached(): Promise<Link> {
    if (this.#isClosed) return Promise.reject(this.#closedError());
    if (this.#link !== undefined && !this.#link.lost.aborted) return Promise.resolve(this.#link);
    return this.#next ??= this.#attach().finally(() => {
      this.#next = undefined;
    });
  }

  async #attach(): Promise<Link> {
    if (this.#hasFailed) await this.#pauses.next();
    this.#hasFailed = true;
    const link = await openLink(this.#runtime, this.#settings);
    if (this.#isClosed) {
      link.close();
      throw this.#closedError();
    }
    this.#link = link;
    this.#hasFailed = false;
    const sinceMs = this.#runtime.clock.now();
    const lost = (): void => {
      this.#hasFailed = this.#runtime.clock.now() - sinceMs < shortLifeMs;
      if (!this.#hasFailed) this.#pauses.reset();
    };
    if (link.lost.aborted) lost();
    else link.lost.addEventListener("abort", lost, { once: true });
    return link;
  }

  #closedError(): RpcError {
    return new RpcError("cancelled", `the connection to ${this.#settings.name} is closed`);
  }

  close(): void {
    this.#isClosed = true;
    this.#pauses.skip();
    this.#link?.close();
  }
}

async function openLink(runtime: Runtime, settings: LinkSettings): Promise<Link> {
  const { name, connect, connectTimeoutMs } = settings;
  const end = new AbortController();
  const late = new RpcError("unavailable", `${name} took no connection within ${connectTimeoutMs} ms`);
  const timer = runtime.clock.after(connectTimeoutMs, () => end.abort(late));
  let state = `cannot connect to ${name}`;
  const connecting = connect((error) => end.abort(redisError(state, error)));
  try {
    const connection = await orLost(connecting, end.signal);
    const tellsOfKeys = connection.subscribePattern !== undefined &&
      await orLost(keyspaceEvents(connection), end.signal);
    state = `${name} is lost`;
    return watched(runtime, settings, { connection, end, tellsOfKeys });
  } catch (error) {
    end.abort(error);
    // It may still come about, and must not stay.
    void connecting.then((connection) => connection.close(), () => undefined);
    throw redisError(state, error);
  } finally {
    timer.cancel();
  }
}

/** Whether keyspace notifications are on for what concerns us. Who may not ask does without. */
async function keyspaceEvents(connection: RedisConnection): Promise<boolean> {
  try {
    const reply = await connection.send(["CONFIG", "GET", "notify-keyspace-events"], "");
    // A pair, or of the protocol's third version a mapping.
    const [, flags] = (Array.isArray(reply) ? reply : Object.entries(reply as object)[0]) as string[];
    if (flags === undefined) return false;
    return flags.includes("K") && (flags.includes("A") || flags.includes("x") || flags.includes("g"));
  } catch (error) {
    // Without credentials nothing else will do either; that is told by what comes next.
    if (RpcError.from(error).message.startsWith("NOAUTH")) throw error;
    return false;
  }
}

interface Opened {
  readonly connection: RedisConnection;
  readonly end: AbortController;
  readonly tellsOfKeys: boolean;
}

function watched({ clock }: Runtime, settings: LinkSettings, { connection, end, tellsOfKeys }: Opened): Link {
  const { name, silentMs } = settings;
  let unanswered = 0;

  function ping(): void {
    if (unanswered >= ticks) {
      end.abort(new RpcError("unavailable", `${name} answered no ping for ${silentMs} ms`));
      return;
    }
    if (unanswered++ === 0) {
      connection.send(["PING"], "").then(() => {
        unanswered = 0;
      }, (error: unknown) => end.abort(redisError(`${name} is lost`, error)));
    }
    timer = clock.after(silentMs / ticks, ping).unref();
  }

  let timer = clock.after(silentMs / ticks, ping).unref();
  end.signal.addEventListener("abort", () => {
    timer.cancel();
    connection.close();
  }, { once: true });

  const stopping = (stop: () => Promise<unknown>) => (): void => {
    if (!end.signal.aborted) stop().catch(() => undefined);
  };
  return {
    lost: end.signal,
    tellsOfKeys,
    async run(script, keys, args) {
      const command = ["EVAL", script, String(keys.length), ...keys, ...args];
      try {
        return await orLost(connection.send(command, keys[0]), end.signal);
      } catch (error) {
        throw redisError(`${name} refused what concerns ${keys[0]}`, error);
      }
    },
    subscribe: async (channel, heard) =>
      stopping(await orLost(connection.subscribe(channel, heard), end.signal)),
    async subscribePattern(pattern, heard) {
      if (connection.subscribePattern === undefined) return () => undefined;
      return stopping(await orLost(connection.subscribePattern(pattern, heard), end.signal));
    },
    close: () => end.abort(new RpcError("cancelled", `the connection to ${name} is closed`)),
  };
}

/** What `promise` gives; rejects with the reason if `lost` aborts first. */
function orLost<T>(promise: Promise<T>, lost: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(lost.reason as RpcError);
    if (lost.aborted) end();
    lost.addEventListener("abort", end);
    promise.then(resolve, reject).finally(() => lost.removeEventListener("abort", end));
  });
}
