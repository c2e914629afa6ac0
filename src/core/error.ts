/**
 * RpcError is the only error a call ends with: a code (what), flags (what may be done about it), a place
 * (where) and a local cause (why).
 *
 * The decomposition follows Finagle's FailureFlags: retryability is a property of a failure as seen by the
 * process that observed it, so it never crosses a wire on trust.
 */
import type { Code } from "./code.ts";

/** The part of a call's way in which it ended. */
export type Phase =
  | "resolve" | "pick" | "connect" | "queue" | "encode" | "network" | "server" | "decode" | "validate" | "handler";

export interface RpcErrorOptions {
  /** The request certainly did not reach a handler, so repeating it is safe whatever the method does. */
  readonly neverStarted?: boolean | undefined;
  /** Another attempt may succeed. Combined with `neverStarted` or an idempotent method it permits a retry. */
  readonly retryable?: boolean | undefined;
  /** The other process said so, rather than this one noticing it. */
  readonly remote?: boolean | undefined;
  readonly phase?: Phase | undefined;
  /** The endpoint concerned, e.g. `eu-west/a 127.0.0.1:7001`. */
  readonly endpoint?: string | undefined;
  /** The region of that endpoint. */
  readonly region?: string | undefined;
  /** The name of an error declared in the contract, and its typed data. */
  readonly reason?: string | undefined;
  readonly data?: unknown;
  /** Further details in Protobuf, as in google.rpc.Status: what a foreign peer attached, or a handler for one. */
  readonly details?: readonly ErrorDetail[] | undefined;
  /** How long to wait before a retry, in milliseconds; negative forbids it (gRFC A6 push-back). */
  readonly retryAfterMs?: number | undefined;
  /** Trailing metadata that came with the failure. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** What caused it here. Never serialised. */
  readonly cause?: unknown;
}

/** One detail of an error: a Protobuf message with its type (google.protobuf.Any). */
export interface ErrorDetail {
  /** The message's full name, e.g. `google.rpc.ErrorInfo`. */
  readonly type: string;
  readonly value: Uint8Array;
}

/**
 * Where the time of a call went whose deadline passed, in milliseconds: resolve, pick, connect, queue, network, server.
 */
export interface Spent {
  readonly totalMs: number;
  /** By what it went into, in the order of a call's way. */
  readonly ms: Readonly<Record<string, number>>;
  /** How late this process's event loop ran. */
  readonly loopLagMs: number;
}

const brand = Symbol.for("meridian.RpcError");

export class RpcError extends Error {
  readonly code: Code;
  readonly neverStarted: boolean;
  readonly retryable: boolean;
  readonly remote: boolean;
  phase: Phase | undefined;
  endpoint: string | undefined;
  region: string | undefined;
  readonly reason: string | undefined;
  readonly data: unknown;
  readonly details: readonly ErrorDetail[] | undefined;
  readonly retryAfterMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  #candidate: unknown = undefined;
  #spent: Spent | undefined = undefined;

  /** The endpoint object of the attempt, for layers that must avoid it next time. Local, and never printed. */
  get candidate(): unknown {
    return this.#candidate;
  }

  set candidate(endpoint: unknown) {
    this.#candidate = endpoint;
  }

  /** Of a deadline that passed: where the time went, as this process saw it. Local; the message says it to people. */
  get spent(): Spent | undefined {
    return this.#spent;
  }

  set spent(spent: Spent | undefined) {
    this.#spent = spent;
  }

  constructor(code: Code, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RpcError";
    this.code = code;
    this.neverStarted = options.neverStarted ?? false;
    this.retryable = options.retryable ?? (code === "unavailable" || this.neverStarted);
    this.remote = options.remote ?? false;
    this.phase = options.phase;
    this.endpoint = options.endpoint;
    this.region = options.region;
    this.reason = options.reason;
    this.data = options.data;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
    this.metadata = options.metadata;
  }

  get [brand](): true {
    return true;
  }

  /** True for errors of any loaded copy of this package, which `instanceof` is not. */
  static is(value: unknown): value is RpcError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }

  /** The one door through which foreign errors become ours. An RpcError passes through unchanged. */
  static from(value: unknown, code: Code = "unknown"): RpcError {
    if (RpcError.is(value)) return value;
    if (value instanceof Error) {
      if (value.name === "AbortError") return new RpcError("cancelled", value.message, { cause: value });
      return new RpcError(code, value.message, { cause: value });
    }
    return new RpcError(code, String(value), { cause: value });
  }
}

/**
 * Makes an error for a foreseen end of a call (deadline, unavailable, shed) without a stack, which costs a
 * seventh of one with a stack and would name only our own frames. Set `expectedErrors.stacks` to debug.
 */
export function expected(code: Code, message: string, options?: RpcErrorOptions): RpcError {
  if (expectedErrors.stacks) return new RpcError(code, message, options);
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new RpcError(code, message, options);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/**
 * The error of a call of which an earlier attempt may have run: whatever became of the last attempt, it is not certain
 * that nothing happened.
 */
export function mayHaveRun(error: RpcError): RpcError {
  return altered(error, `${error.message} (an earlier attempt may have run)`, { neverStarted: false });
}

/** The same error, which now forbids whoever gets it to repeat the call (gRFC A6's push-back). */
export function notAgain(error: RpcError): RpcError {
  return altered(error, error.message, { retryAfterMs: -1 });
}

function altered(
  error: RpcError, message: string, fields: Pick<RpcErrorOptions, "neverStarted" | "retryAfterMs">,
): RpcError {
  const { code, neverStarted, retryable, remote, phase, endpoint, region, reason, data, details, metadata } = error;
  const { retryAfterMs, candidate } = error;
  const copy = expected(code, message, {
    neverStarted, retryable, remote, phase, endpoint, region, reason, data, details, retryAfterMs, metadata,
    cause: error, ...fields,
  });
  copy.candidate = candidate;
  copy.spent = error.spent;
  return copy;
}

/**
 * Reason of a `cancelled` attempt of which a later one was answered sooner: that speaks against where it went, unlike a
 * call that its caller gave up.
 */
export const overtakenReason = "overtaken";

/** Whether expected errors carry stacks; for debugging. */
export const expectedErrors = { stacks: false };
