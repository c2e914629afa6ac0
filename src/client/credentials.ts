/**
 * Credentials that a client sends with every attempt, as the server of an `auth` knows them. Never in the clear, but
 * where that is said, and then to this machine alone.
 */
import type { Connect, Connection } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { createMetadata } from "../core/metadata.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Clock } from "../core/runtime.ts";
import { Secret } from "../core/secret.ts";
import { type Awaitable, isPromise, type Layer, type Service } from "../core/service.ts";

/** A token, and when it is one no more, in milliseconds since 1970. */
export interface BearerToken {
  readonly token: string;
  readonly expiresAtMs?: number | undefined;
}

export interface ClientCredentials {
  /**
   * Sent as `authorization: Bearer …`: a secret, read anew where its file changes, or what gives a token. That is asked
   * again before the token expires, and when a server answers `unauthenticated`.
   */
  readonly bearer?: Secret | (() => Awaitable<string | BearerToken>) | undefined;
  /** Sent as the metadata `apiKeyMetadata`, by default `x-api-key`. */
  readonly apiKey?: Secret | undefined;
  readonly apiKeyMetadata?: string | undefined;
  /** How long before its end a token is replaced, in milliseconds. Default 30,000. */
  readonly refreshBeforeMs?: number | undefined;
  /**
   * Sends them without TLS, to loopback addresses and Unix sockets alone: what leaves this machine in the clear is
   * everybody's. Default false: then `tls` is required.
   */
  readonly insecure?: boolean | undefined;
}

/** The layer that adds them, beneath retries: a repeat may need another token. Metadata of the call itself stands. */
export function credentialsLayer(clock: Clock, credentials: ClientCredentials, isSecured: boolean): Layer {
  const { bearer, apiKey, apiKeyMetadata = "x-api-key", refreshBeforeMs = 30_000 } = credentials;
  if (bearer === undefined && apiKey === undefined) {
    throw badOption("credentials", "{}", "give bearer or apiKey, or leave it out");
  }
  if (!isSecured && credentials.insecure !== true) {
    throw badOption("credentials", "[secret]",
      "they would be sent in the clear: give `tls`, or `insecure: true` for servers of this machine alone");
  }
  if (bearer !== undefined && !(bearer instanceof Secret) && typeof bearer !== "function") {
    throw badOption("credentials.bearer", "[secret]", "expected secret({ file }), secret({ env }) or a function");
  }
  if (apiKey !== undefined && !(apiKey instanceof Secret)) {
    throw badOption("credentials.apiKey", "[secret]", "expected secret({ file }) or secret({ env })");
  }
  const tokens = bearer === undefined ? undefined : new Tokens(clock, bearer,
    numberOption("credentials.refreshBeforeMs", refreshBeforeMs, { least: 0, most: 86_400_000, unit: "milliseconds" }));
  const shown = (context: Context, token: string | undefined): Context => {
    const own = context.metadata;
    const added: Record<string, string> = {};
    if (token !== undefined && own["authorization"] === undefined) added["authorization"] = `Bearer ${token}`;
    if (apiKey !== undefined && own[apiKeyMetadata] === undefined) added[apiKeyMetadata] = apiKey.reveal();
    return context.with({ metadata: createMetadata({ ...own, ...added }) });
  };
  return (next) => (request, context) => {
    if (tokens === undefined || context.metadata["authorization"] !== undefined) {
      return next(request, shown(context, undefined));
    }
    const once = (token: string): ReturnType<Service> => next(request, shown(context, token));
    const token = tokens.current();
    if (isPromise(token)) return token.then(once);
    const answer = once(token);
    if (!isPromise(answer) || !tokens.canRenew) return answer;
    return answer.catch((error: unknown) => again(error, tokens, token, once));
  };
}

/** Once more with a new token, if the server would not have this one and did nothing. */
function again(
  error: unknown, tokens: Tokens, token: string, call: (token: string) => ReturnType<Service>,
): Awaitable<unknown> {
  if (!RpcError.is(error) || error.code !== "unauthenticated" || !error.neverStarted) throw error;
  tokens.refused(token);
  return Promise.resolve(tokens.current()).then((other) => {
    if (other === token) throw error;
    return call(other);
  });
}

class Tokens {
  readonly #clock: Clock;
  readonly #source: Secret | (() => Awaitable<string | BearerToken>);
  readonly #beforeMs: number;
  #token: string | undefined = undefined;
  #untilMs = Infinity;
  #getting: Promise<string> | undefined = undefined;

  constructor(clock: Clock, source: NonNullable<ClientCredentials["bearer"]>, beforeMs: number) {
    this.#clock = clock;
    this.#source = source;
    this.#beforeMs = beforeMs;
  }

  /** Whether another token can be had than the one at hand. */
  get canRenew(): boolean {
    return typeof this.#source === "function";
  }

  current(): Awaitable<string> {
    const source = this.#source;
    if (source instanceof Secret) return source.reveal();
    if (this.#token === undefined) return this.#getting ?? this.#get(source);
    const wallMs = this.#untilMs === Infinity ? 0 : this.#clock.wallMs();
    if (wallMs < this.#untilMs - this.#beforeMs) return this.#token;
    const getting = this.#getting ?? this.#get(source);
    if (wallMs >= this.#untilMs) return getting;
    // While it is still one, nobody waits for the next, and nobody fails because it cannot be had.
    if (isPromise(getting)) getting.catch(() => undefined);
    return this.#token;
  }

  /** A server would not have it. */
  refused(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }

  #get(source: () => Awaitable<string | BearerToken>): Promise<string> {
    return this.#getting = this.#ask(source).finally(() => {
      this.#getting = undefined;
    });
  }

  async #ask(source: () => Awaitable<string | BearerToken>): Promise<string> {
    let given: string | BearerToken;
    try {
      given = await source();
    } catch (cause) {
      throw RpcError.is(cause) ? cause : new RpcError("unauthenticated", "no token could be had for the call",
        { cause, neverStarted: true, phase: "pick" });
    }
    const { token, expiresAtMs } = typeof given === "string" ? { token: given, expiresAtMs: undefined } : given;
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw new RpcError("unauthenticated", "what credentials.bearer gave is no token",
        { neverStarted: true, phase: "pick" });
    }
    this.#untilMs = expiresAtMs ?? Infinity;
    return this.#token = token;
  }
}

/** Connects to this machine alone: what is sent in the clear must not leave it. */
export function onlyHere(connect: Connect): Connect {
  return (runtime, address, events, attributes) => {
    if (isHere(address)) return connect(runtime, address, events, attributes);
    const error = expected("failed_precondition",
      `credentials would be sent in the clear to ${address}: give \`tls\`; without it they stay on this machine`,
      { phase: "connect", neverStarted: true, retryable: false });
    runtime.clock.defer(() => events.closed(error));
    return nowhere;
  };
}

function isHere(address: string): boolean {
  return /^(?:unix:|127\.\d+\.\d+\.\d+:|localhost:|\[::1\]:)/.test(address);
}

/** A connection that was never opened. */
const nowhere: Connection = {
  call(): never {
    throw expected("unavailable", "the connection was never opened", { neverStarted: true });
  },
  inFlight: 0, lastReceivedMs: 0, pingsSparingly: false,
  ping: () => false,
  failRepeatable: () => undefined,
  abort: () => undefined,
  close: () => undefined,
};
