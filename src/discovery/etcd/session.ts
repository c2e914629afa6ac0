/**
 * A Session is the connection to one member of etcd, from its first answer to its end: calls, watches, signs of life.
 *
 * It ends as a whole. Whoever used it hears why by its signal, and goes on with another (link.ts).
 */
import { expected, RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { CallOptions, Client } from "../../contract/types.ts";
import { callMethods } from "../../client/client.ts";
import { type Calling, createCaller } from "../../client/create-client.ts";
import type { Protocol } from "../../protocol/protocol.ts";
import { Auth, type KeyValue, Kv, Lease, type RangeResponse, Watch } from "./contract.ts";
import { explain, isStaleToken, speaksAgainstMember } from "./failure.ts";
import { bytesOf, type KeyRange } from "./keys.ts";
import { Pulse } from "./pulse.ts";
import type { EtcdSettings } from "./settings.ts";
import type { Tokens } from "./tokens.ts";
import { type WatchListener, WatchStream } from "./watch-stream.ts";

/** What sessions of one driver share. */
export interface SessionParts {
  readonly runtime: Runtime;
  readonly settings: EtcdSettings;
  readonly protocol: Protocol;
  readonly tokens: Tokens;
}

/** A call that is not answered for so long while other signs of life come, in milliseconds. etcd itself allows 7 s. */
const callTimeoutMs = 10_000;
const nothing = new Uint8Array(0);
/** A member without a leader ends the streams of those who say so, rather than tell them nothing for ever. */
const withLeader = { hasleader: "true" };

type Call<Answer> = (options: CallOptions) => Promise<Answer>;

export class Session {
  readonly address: string;
  readonly #settings: EtcdSettings;
  readonly #tokens: Tokens;
  readonly #calling: Calling;
  readonly #kv: Client<typeof Kv>;
  readonly #lease: Client<typeof Lease>;
  readonly #watch: Client<typeof Watch>;
  readonly #auth: Client<typeof Auth>;
  readonly #end = new AbortController();
  readonly #pulse: Pulse;
  #stream: WatchStream | undefined = undefined;

  constructor({ runtime, settings, protocol, tokens }: SessionParts, address: string) {
    this.address = address;
    this.#settings = settings;
    this.#tokens = tokens;
    const { clock } = runtime;
    const { openTimeoutMs } = settings;
    const calling = this.#calling = createCaller(runtime, {
      name: "etcd", address, protocol, tls: settings.tls,
      // There is but this one, and who uses it decides what is tried again, and where.
      outliers: false, retry: false, connectTimeoutMs: openTimeoutMs,
      // Signs of life are the pulse's: etcd takes offence at pings.
      heartbeatMs: 5_000, idleCheckMs: 60_000, deadAfterMs: 10_000,
    });
    const caller = { clock, service: calling.service, timeoutMs: callTimeoutMs };
    this.#kv = callMethods(Kv, caller);
    this.#lease = callMethods(Lease, caller);
    this.#watch = callMethods(Watch, caller);
    this.#auth = callMethods(Auth, caller);
    this.#pulse = new Pulse(clock, settings.silenceMs, {
      ask: () => void this.#ask(),
      silent: () => this.fail(expected("unavailable", `it has said nothing for ${settings.silenceMs} ms`,
        { phase: "network" })),
    });
  }

  /** Aborts when the session is over, with the reason. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Resolves if the member answers, and knows its leader. */
  async open(): Promise<void> {
    try {
      await this.#range({ ...this.#probe, serializable: false }, this.#settings.openTimeoutMs);
    } catch (caught) {
      const error = RpcError.from(caught);
      // Who may not read this key may read others: a refusal is an answer.
      if (error.code !== "permission_denied") {
        this.fail(error);
        throw this.signal.reason;
      }
    }
    this.#pulse.start();
  }

  get #probe() {
    const key = bytesOf(this.#settings.prefix === "" ? "meridian/" : this.#settings.prefix);
    return { key, rangeEnd: nothing, limit: 1n, revision: 0n, keysOnly: true, serializable: true };
  }

  async #ask(): Promise<void> {
    // Whatever is wrong shows elsewhere; here it is enough that there was an answer.
    await this.#range(this.#probe).catch(() => undefined);
  }

  /** Entries of a range: the newest, or those at a revision that a page before was of. */
  async page({ start, end }: KeyRange, limit: number, revision: bigint): Promise<RangeResponse> {
    return this.#range({
      key: start, rangeEnd: end, limit: BigInt(limit), revision, keysOnly: false, serializable: revision > 0n,
    });
  }

  /** What this member knows of a key, without its value; undefined for nothing. */
  async peek(key: Uint8Array): Promise<KeyValue | undefined> {
    return (await this.#range({ ...this.#probe, key })).kvs[0];
  }

  #range(request: Parameters<Client<typeof Kv>["range"]>[0], timeoutMs?: number): Promise<RangeResponse> {
    return this.#call((options) => this.#kv.range(request, options), timeoutMs);
  }

  async put(key: Uint8Array, value: Uint8Array, lease: bigint): Promise<void> {
    await this.#call((options) => this.#kv.put({ key, value, lease }, options));
  }

  /** Puts it unless the key is there. */
  async putNew(key: Uint8Array, value: Uint8Array, lease: bigint): Promise<void> {
    await this.#call((options) => this.#kv.txn({
      compare: [{ target: 1, key }], success: [{ request: { case: "put", value: { key, value, lease } } }],
    }, options));
  }

  /** Puts a key that is not there; the revision in which that was done, or undefined if it is there already. */
  async claim(key: Uint8Array, value: Uint8Array, lease: bigint): Promise<bigint | undefined> {
    const { succeeded, header } = await this.#call((options) => this.#kv.txn({
      compare: [{ target: 1, key }], success: [{ request: { case: "put", value: { key, value, lease } } }],
    }, options));
    return succeeded ? header.revision : undefined;
  }

  /** Puts `key` without a lease if `guard` came into being in that revision, and is still there. */
  async putGuarded(guard: Uint8Array, revision: bigint, key: Uint8Array, value: Uint8Array): Promise<boolean> {
    const { succeeded } = await this.#call((options) => this.#kv.txn({
      compare: [{ target: 1, key: guard, createRevision: revision }],
      success: [{ request: { case: "put", value: { key, value, lease: 0n } } }],
    }, options));
    return succeeded;
  }

  /** A new lease, and the milliseconds that it lives unless it is renewed. */
  async grant(ttlMs: number): Promise<{ id: bigint; ttlMs: number }> {
    const { id, ttl } = await this.#call((options) =>
      this.#lease.leaseGrant({ ttl: BigInt(Math.ceil(ttlMs / 1_000)) }, options));
    if (id === 0n || ttl <= 0n) throw new RpcError("unavailable", "etcd granted a lease of no time", { remote: true });
    return { id, ttlMs: Number(ttl) * 1_000 };
  }

  /** Renews a lease; false if there is no such lease (any more). */
  async keepAlive(id: bigint): Promise<boolean> {
    const answer = await this.#call(async (options) => {
      for await (const one of this.#lease.leaseKeepAlive([{ id }], options)) return one;
      throw new RpcError("unavailable", "etcd did not say whether the lease was renewed", { remote: true });
    });
    return answer.ttl > 0n;
  }

  async revoke(id: bigint): Promise<void> {
    await this.#call((options) => this.#lease.leaseRevoke({ id }, options));
  }

  /** Watches a range from a revision on; changes are told to `listener` until the returned function is called. */
  async watch(range: KeyRange, startRevision: bigint, listener: WatchListener): Promise<() => void> {
    const token = await this.#token();
    if (this.#stream === undefined || this.#stream.token !== token) this.#openStream(token);
    const stream = this.#stream as unknown as WatchStream;
    const stop = stream.watch(range, startRevision, listener);
    return () => {
      stop();
      // Streams under a former token serve whom they have, and end with the last of them.
      if (stream !== this.#stream && stream.size === 0) stream.close();
    };
  }

  #openStream(token: string): void {
    const stream = new WatchStream(token);
    if (this.#stream?.size === 0) this.#stream.close();
    this.#stream = stream;
    void this.#read(stream);
  }

  async #read(stream: WatchStream): Promise<void> {
    const metadata = stream.token === "" ? withLeader : { ...withLeader, token: stream.token };
    let error: RpcError;
    try {
      for await (const response of this.#watch.watch(stream.requests, { signal: this.signal, metadata })) {
        this.#pulse.heard();
        stream.received(response);
      }
      error = new RpcError("unavailable", "etcd ended the stream of changes", { remote: true });
    } catch (caught) {
      error = RpcError.from(caught);
    }
    const inUse = stream === this.#stream || stream.size > 0;
    stream.close();
    if (inUse) this.fail(error);
  }

  #token(refused?: string): Promise<string> {
    return this.#tokens.token(this.#auth, this.signal, refused);
  }

  /** Makes a call, again if its token was refused. A failure of the member's own ends the session. */
  async #call<Answer>(call: Call<Answer>, timeoutMs = callTimeoutMs): Promise<Answer> {
    let token = "";
    const attempt = async (): Promise<Answer> => {
      const metadata: Record<string, string> = token === "" ? {} : { token };
      const answer = await call({ signal: this.signal, timeoutMs, metadata });
      this.#pulse.heard();
      return answer;
    };
    try {
      token = await this.#token();
      return await attempt().catch(async (caught: unknown) => {
        const error = RpcError.from(caught);
        if (token === "" || !isStaleToken(error)) throw error;
        token = await this.#token(token);
        return attempt();
      });
    } catch (caught) {
      throw this.#failed(RpcError.from(caught));
    }
  }

  #failed(error: RpcError): RpcError {
    if (this.signal.aborted) return this.signal.reason as RpcError;
    const explained = explain(error, this.#settings);
    if (speaksAgainstMember(explained)) this.fail(explained);
    else this.#pulse.heard();
    return explained;
  }

  /** Ends it. */
  fail(error: RpcError): void {
    if (this.signal.aborted) return;
    this.#pulse.stop();
    this.#end.abort(new RpcError(error.code, `etcd at ${this.address}: ${error.message}`,
      { cause: error, phase: "resolve" }));
    this.#stream?.close();
    this.#calling.close(0);
  }
}
