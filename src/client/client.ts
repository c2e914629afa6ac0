/** `createClient` turns a contract into an object whose methods call whoever serves it. */
import { whyMetadata } from "../core/call-trace.ts";
import { Context, type MetadataListener } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { createMetadata, type Metadata } from "../core/metadata.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Clock } from "../core/runtime.ts";
import { isPromise, type Service } from "../core/service.ts";
import { inheritedTrace } from "../core/trace-context.ts";
import type { AnyContract } from "../contract/service.ts";
import type { CallOptions, Client } from "../contract/types.ts";
import { inherited } from "../overload/priority.ts";
import { follow, forget } from "./cancellation.ts";
import type { MethodPolicies } from "./method-policy.ts";

/** How calls leave: a stack over a balancer, ready to be given requests. */
export interface Caller {
  readonly clock: Clock;
  readonly service: Service;
  /** For methods whose calls have no idempotency keys of ours. Default: `service`. */
  readonly keyless?: Service | undefined;
  /** Timeout of unary calls that say nothing, in milliseconds. */
  readonly timeoutMs: number;
  /** What methods have of their own: asked once a method, and read at each of its calls. */
  readonly methods?: MethodPolicies | undefined;
  /** What a call made for another (`{ context }`) leaves of that one's time, in milliseconds. Default by itself. */
  readonly deadlineReserveMs?: number | undefined;
}

/** Makes the methods of `contract`, each bound to its own method: no proxy, no look-up on a call's way. */
export function callMethods<S extends AnyContract>(contract: S, caller: Caller): Client<S> {
  const methods = Object.create(null) as Record<string, unknown>;
  for (const [name, method] of Object.entries(contract.methods)) {
    const { keyless } = caller;
    const own = keyless === undefined || method.idempotent === "keyed" ? caller : { ...caller, service: keyless };
    methods[name] = method.kind === "unary" || method.kind === "client_stream"
      ? promised(method, own)
      : streamed(method, own);
  }
  return methods as Client<S>;
}

type Call<Answer> = (request: unknown, options?: CallOptions) => Answer;

function promised(method: MethodInfo, caller: Caller): Call<Promise<unknown>> {
  const { clock, service } = caller;
  const usualMs = method.timeoutMs ?? (method.kind === "unary" ? caller.timeoutMs : Infinity);
  const plain = method.routeKey === undefined;
  const own = caller.methods?.(method);
  return (request, options) => {
    try {
      const timeoutMs = own === undefined ? usualMs : own.timeoutMs ?? usualMs;
      if (options === undefined && plain) {
        const nowMs = clock.now();
        const answer = service(request, new Context(method, nowMs, nowMs + timeoutMs));
        return isPromise(answer) ? answer : Promise.resolve(answer);
      }
      const context = contextOf(method, caller, timeoutMs, request, options);
      const unlink = link(context, options);
      const answer = Promise.resolve(service(request, context));
      return unlink === undefined ? answer : answer.finally(unlink);
    } catch (error) {
      return Promise.reject(RpcError.from(error));
    }
  };
}

function streamed(method: MethodInfo, caller: Caller): Call<AsyncIterable<unknown>> {
  const { service } = caller;
  const own = caller.methods?.(method);
  return (request, options) => {
    try {
      const timeoutMs = own?.timeoutMs ?? method.timeoutMs ?? Infinity;
      const context = contextOf(method, caller, timeoutMs, request, options);
      const unlink = link(context, options);
      const answer = service(request, context);
      // A layer that could not begin at once (a retry after a connection was lost) answers with a promise.
      const items = isPromise(answer) ? later(answer) : answer as AsyncIterable<unknown>;
      return unlink === undefined ? items : unlinking(items, unlink, context);
    } catch (error) {
      return failing(RpcError.from(error));
    }
  };
}

/** Yields the items, and calls `unlink` after the last. Who has cancelled sees no more, whatever has come already. */
async function* unlinking(items: AsyncIterable<unknown>, unlink: () => void, context: Context): AsyncGenerator {
  try {
    for await (const item of items) {
      yield item;
      if (context.cancelReason !== undefined) throw context.cancelReason;
    }
  } finally {
    unlink();
  }
}

/** A stream that begins when its promise is kept, and fails, when it is read, if it is broken. */
function later(answer: Promise<unknown>): AsyncIterable<unknown> {
  answer.catch(() => undefined);
  return (async function* () {
    yield* await answer as AsyncIterable<unknown>;
  })();
}

/** A stream that fails when it is read: a stream's errors have one place. */
// eslint-disable-next-line require-yield
async function* failing(error: RpcError): AsyncGenerator<never> {
  await Promise.reject(error);
}

/** What a call leaves of its parent's time where nobody says: a hundredth of what is left, within these bounds. */
const reserveShare = 0.01;
const [leastReserveMs, mostReserveMs] = [1, 20];

/**
 * The deadline of a call made on behalf of another: sooner than that one's, so that its answer, or its failure, comes
 * while there is time to say so. Deadlines so shrink from hop to hop, and what cannot be done in time is not begun.
 */
function childDeadline(parent: Context, nowMs: number, reserveMs: number | undefined): number {
  const { deadline } = parent;
  if (deadline === Infinity) return Infinity;
  const leftMs = deadline - nowMs;
  const keptMs = reserveMs ?? Math.min(mostReserveMs, Math.max(leastReserveMs, leftMs * reserveShare));
  if (leftMs > keptMs) return deadline - keptMs;
  throw expected("deadline_exceeded",
    `not sent: of the time of the call it is made for ${Math.max(0, leftMs).toFixed(1)} ms are left, and ` +
    `${keptMs.toFixed(1)} ms are reserved for the answer`, { neverStarted: true, retryable: false, phase: "pick" });
}

function contextOf(
  method: MethodInfo, caller: Caller, timeoutMs: number, request: unknown, options: CallOptions = {},
): Context {
  const { context: parent } = options;
  const nowMs = caller.clock.now();
  const inheritedMs = parent === undefined ? Infinity : childDeadline(parent, nowMs, caller.deadlineReserveMs);
  let deadline = Math.min(options.deadline ?? Infinity, inheritedMs);
  const ownMs = options.timeoutMs ?? timeoutMs;
  if (!(ownMs > 0)) {
    throw new RpcError("invalid_argument", `timeoutMs is ${ownMs}, expected milliseconds above 0`, { phase: "encode" });
  }
  deadline = Math.min(deadline, nowMs + ownMs);
  const context: Context = new Context(method, nowMs, deadline, {
    ...metadataOf(options, method),
    caller: parent?.method,
    // A call made for a repeat repeats that much less itself: attempts add up over tiers, and do not multiply.
    priorAttempts: parent === undefined ? 0 : parent.priorAttempts + parent.attempt,
    idempotencyKey: checkedKey("idempotencyKey", options.idempotencyKey),
    routeKey: checkedKey("routeKey", options.routeKey ??
      (method.routeKey as ((request: unknown) => string) | undefined)?.(request)),
    onMetadata: options.metadata?.[whyMetadata] === undefined
      ? options.onMetadata
      : noting(() => context, options.onMetadata),
  });
  return context;
}

/** Whose caller asks why: what the other side says of its part of the time goes into the record. */
function noting(of: () => Context, listener: MetadataListener | undefined): MetadataListener {
  return (kind, metadata) => {
    const trace = of().traced();
    if (kind === "trailer") trace.trailer = { ...trace.trailer, ...metadata };
    listener?.(kind, metadata);
  };
}

/** What the user says, and beneath it, how important the call is on whose behalf this one is made, and its trace. */
function metadataOf(
  { metadata, context: parent }: CallOptions, method: MethodInfo,
): { metadata: Metadata } | undefined {
  const said = parent === undefined ? undefined : inherited(parent, method);
  const trace = parent === undefined ? undefined : inheritedTrace(parent);
  if (said === undefined && trace === undefined) {
    return metadata === undefined ? undefined : { metadata: createMetadata(metadata) };
  }
  return { metadata: createMetadata({ ...trace, ...said, ...metadata }) };
}

/** Lets the caller's signal and parent call cancel this one. What it returns undoes that when the call is over. */
function link(context: Context, options: CallOptions | undefined): (() => void) | undefined {
  const signal = options?.signal;
  const parent = options?.context;
  if (signal === undefined && parent === undefined) return undefined;
  const child = { cancelled: (reason: RpcError) => context.cancel(reason) };
  parent?.onCancel(child);
  if (signal !== undefined) follow(signal, context);
  const unlink = (): void => {
    parent?.offCancel(child);
    if (signal !== undefined) forget(signal, context);
  };
  if (context.cancelReason !== undefined) {
    unlink();
    throw context.cancelReason;
  }
  return unlink;
}

/** Keys travel in every frame of their call's attempts, so they are short. */
const maxKeyChars = 256;

function checkedKey(name: string, key: unknown): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key !== "string" || key.length === 0 || key.length > maxKeyChars) {
    throw new RpcError("invalid_argument", `${name} must be a string of 1 to ${maxKeyChars} characters`,
      { phase: "encode" });
  }
  return key;
}

