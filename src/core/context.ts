/**
 * A Context is what travels with a call: its method, deadline, metadata, keys and cancellation.
 *
 * Immutable but for cancellation; a layer that wants another value derives a child with {@link Context.with},
 * and the child is cancelled with its parent. `signal` is made only when somebody reads it.
 */
import { CallTrace } from "./call-trace.ts";
import { expected, type RpcError } from "./error.ts";
import type { Identity } from "./identity.ts";
import { createMetadata, emptyMetadata, type Metadata } from "./metadata.ts";
import type { MethodInfo } from "./method.ts";
import type { Peer } from "./peer.ts";
import type { TraceMark } from "./trace-context.ts";

/** Something that wants to hear, once and synchronously, that a call was cancelled. */
export interface Cancellable {
  cancelled(reason: RpcError): void;
}

/** What a layer may set on a derived context. */
export interface ContextFields {
  /** When the call, or this attempt of it, began, in clock milliseconds. */
  readonly startedMs?: number;
  /** Absolute, in clock milliseconds; Infinity for none. */
  readonly deadline?: number;
  readonly metadata?: Metadata;
  readonly idempotencyKey?: string | undefined;
  readonly routeKey?: string | undefined;
  /** 0 for the first attempt, 1 for the first retry, and so on. */
  readonly attempt?: number;
  /** Endpoints that earlier attempts of this call used, which a balancer avoids while it has others. */
  readonly avoid?: readonly unknown[];
  /** Whether this attempt is made while an earlier one of the same call is still out (a hedge). */
  readonly hedged?: boolean;
  /** The method whose handler makes this call, where it handed its context on. Local. */
  readonly caller?: MethodInfo | undefined;
  /** How many gateways the call has passed. */
  readonly hops?: number;
  /** Attempts that had been made before, further up, of the call on whose behalf this one is made. */
  readonly priorAttempts?: number;
  /** Keeps response metadata for the caller; called at most once for each kind. */
  readonly onMetadata?: MetadataListener | undefined;
  /** Hears how each attempt of a stream ends, which its items do not tell cheaply. */
  readonly onAttemptEnded?: AttemptListener | undefined;
  /** What a tracer records the call, or this attempt of it, by. */
  readonly span?: TraceMark | undefined;
}

/** Metadata that travels with a reply. */
export interface ReplyMetadata {
  header?: Metadata;
  trailer?: Metadata;
}

export type AttemptListener = (error: RpcError | undefined) => void;

/**
 * Who decides between several attempts of one call that are out at once. A call that has one asks it what becomes of a
 * failed attempt, instead of failing or repeating it.
 */
export interface Contenders {
  /** The first attempt failed: what the call ends with, once that is known. Rejects when no attempt is out any more. */
  failed(error: unknown): Promise<unknown>;
  /** Attempts made, the first included, and the endpoints they went to. */
  readonly attempts: number;
  tried(): readonly unknown[];
}

/** Hears of the end of a call's first attempt in the place of a promise handler, which each call would pay for. */
export interface Recovery {
  /** It was answered, at `endedMs`. */
  answered(context: Context, endedMs: number): void;
  /** It failed: what the call ends with. */
  failed(context: Context, error: RpcError): Promise<unknown>;
}

export type MetadataListener = (kind: "header" | "trailer", metadata: Metadata) => void;

export class Context {
  readonly method: MethodInfo;
  readonly deadline: number;
  /** When the call, or this attempt of it, began: read once and handed on, since reading a clock costs 45 ns. */
  readonly startedMs: number;
  readonly metadata: Metadata;
  readonly idempotencyKey: string | undefined;
  readonly routeKey: string | undefined;
  readonly attempt: number;
  readonly avoid: readonly unknown[];
  readonly hedged: boolean;
  readonly caller: MethodInfo | undefined;
  readonly hops: number;
  readonly priorAttempts: number;
  readonly onMetadata: MetadataListener | undefined;
  readonly onAttemptEnded: AttemptListener | undefined;
  /** What a tracer records it by; undefined for a call that is not recorded. Derived contexts have the same. */
  span: TraceMark | undefined;
  /**
   * Of the client's own stack, and of this very context, not of those derived from it: the request; the promise that
   * the connection made, until it fails; who goes on when it does; and who may send the call once more.
   */
  request: unknown = undefined;
  answer: Promise<unknown> | undefined = undefined;
  recovery: Recovery | undefined = undefined;
  hedger: unknown = undefined;
  /** Of a server's admission, and of this very context: calls at work when this one was let in; see CallGate.ended. */
  atWork = 0;
  /** Where cancellation and reply live: contexts derived by `with` share their origin's. */
  readonly #origin: Context;
  #reason: RpcError | undefined = undefined;
  /** One listener is by far the commonest case, so it is held without a collection. */
  #listener: Cancellable | undefined = undefined;
  #listeners: Set<Cancellable> | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #reply: ReplyMetadata | undefined = undefined;
  #picked: unknown = undefined;
  #attemptEnded = false;
  #contenders: Contenders | undefined = undefined;
  #trace: CallTrace | undefined = undefined;
  #peer: Peer | undefined = undefined;
  #identity: Identity | undefined = undefined;

  constructor(method: MethodInfo, startedMs: number, deadline = Infinity, fields?: ContextFields, parent?: Context) {
    this.method = method;
    this.startedMs = startedMs;
    this.deadline = deadline;
    if (fields === undefined) {
      this.metadata = emptyMetadata;
      this.idempotencyKey = undefined;
      this.routeKey = undefined;
      this.attempt = 0;
      this.avoid = nothingAvoided;
      this.hedged = false;
      this.caller = undefined;
      this.hops = 0;
      this.priorAttempts = 0;
      this.onMetadata = undefined;
      this.onAttemptEnded = undefined;
      this.span = undefined;
    } else {
      this.metadata = fields.metadata ?? emptyMetadata;
      this.idempotencyKey = fields.idempotencyKey;
      this.routeKey = fields.routeKey;
      this.attempt = fields.attempt ?? 0;
      this.avoid = fields.avoid ?? nothingAvoided;
      this.hedged = fields.hedged ?? false;
      this.caller = fields.caller;
      this.hops = fields.hops ?? 0;
      this.priorAttempts = fields.priorAttempts ?? 0;
      this.onMetadata = fields.onMetadata;
      this.onAttemptEnded = fields.onAttemptEnded;
      this.span = fields.span;
    }
    this.#origin = parent === undefined ? this : parent.#origin;
  }

  /** A child with some fields replaced that is cancelled when this context is. */
  with(fields: ContextFields): Context {
    return new Context(this.method, fields.startedMs ?? this.startedMs, fields.deadline ?? this.deadline, {
      metadata: fields.metadata ?? this.metadata,
      idempotencyKey: fields.idempotencyKey ?? this.idempotencyKey,
      routeKey: fields.routeKey ?? this.routeKey,
      attempt: fields.attempt ?? this.attempt,
      avoid: fields.avoid ?? this.avoid,
      hedged: fields.hedged ?? this.hedged,
      caller: fields.caller ?? this.caller,
      hops: fields.hops ?? this.hops,
      priorAttempts: fields.priorAttempts ?? this.priorAttempts,
      onMetadata: "onMetadata" in fields ? fields.onMetadata : this.onMetadata,
      onAttemptEnded: fields.onAttemptEnded ?? this.onAttemptEnded,
      span: fields.span ?? this.span,
    }, this);
  }

  /** A child that can be cancelled without cancelling this context (a hedged or abandoned attempt). */
  fork(fields: ContextFields = {}): Context {
    const child = new Context(this.method, fields.startedMs ?? this.startedMs, fields.deadline ?? this.deadline, {
      metadata: this.metadata, idempotencyKey: this.idempotencyKey, routeKey: this.routeKey,
      attempt: this.attempt, avoid: this.avoid, hedged: this.hedged, caller: this.caller,
      hops: this.hops, priorAttempts: this.priorAttempts, onMetadata: this.onMetadata,
      span: this.span,
      ...fields,
    });
    const origin = this.#origin;
    child.#peer = origin.#peer;
    child.#identity = origin.#identity;
    child.#trace = this.traced();
    this.onCancel({ cancelled: (reason) => child.cancel(reason) });
    return child;
  }

  /** On a server: who is at the other end of the connection that the call came by. Undefined for calls made here. */
  get peer(): Peer | undefined {
    return this.#origin.#peer;
  }

  set peer(peer: Peer | undefined) {
    this.#origin.#peer = peer;
  }

  /** On a server with `auth`: who calls, `anonymous` for nobody known. Undefined before that has been found out. */
  get identity(): Identity | undefined {
    return this.#origin.#identity;
  }

  set identity(identity: Identity | undefined) {
    this.#origin.#identity = identity;
  }

  /** What is noted of the call's way; undefined while there is nothing to note. Attempts of one call share it. */
  get trace(): CallTrace | undefined {
    return this.#origin.#trace;
  }

  /** The same, made if there is none. */
  traced(): CallTrace {
    const origin = this.#origin;
    return origin.#trace ??= new CallTrace(origin.startedMs);
  }

  /** When the call began, however many attempts it has made since. */
  get callStartedMs(): number {
    const origin = this.#origin;
    return origin.#trace?.startedMs ?? origin.startedMs;
  }

  /** The endpoint that the last attempt of this call went to; undefined while none has been picked. */
  get picked(): unknown {
    return this.#origin.#picked;
  }

  set picked(endpoint: unknown) {
    this.#origin.#picked = endpoint;
  }

  /** Whether an attempt of this call has ended, well or not: what is still out then is a repeat. */
  get attemptEnded(): boolean {
    return this.#origin.#attemptEnded;
  }

  set attemptEnded(ended: boolean) {
    this.#origin.#attemptEnded = ended;
  }

  /** Set once several attempts of this call are out. */
  get contenders(): Contenders | undefined {
    return this.#origin.#contenders;
  }

  set contenders(contenders: Contenders | undefined) {
    this.#origin.#contenders = contenders;
  }

  /** Why the call was cancelled, if it was. */
  get cancelReason(): RpcError | undefined {
    return this.#origin.#reason;
  }

  /** Cancels the call; only the first reason counts. */
  cancel(reason: RpcError = expected("cancelled", "the call was cancelled")): void {
    const origin = this.#origin;
    if (origin.#reason !== undefined) return;
    origin.#reason = reason;
    const listener = origin.#listener;
    const listeners = origin.#listeners;
    origin.#listener = origin.#listeners = undefined;
    listener?.cancelled(reason);
    if (listeners !== undefined) for (const one of listeners) one.cancelled(reason);
    origin.#controller?.abort(reason);
  }

  /** Tells `listener` when the call is cancelled; at once if it was already. */
  onCancel(listener: Cancellable): void {
    const origin = this.#origin;
    if (origin.#reason !== undefined) listener.cancelled(origin.#reason);
    else if (origin.#listener === undefined) origin.#listener = listener;
    else (origin.#listeners ??= new Set()).add(listener);
  }

  /** Takes a listener back. Everything added for one attempt is removed at its end. */
  offCancel(listener: Cancellable): void {
    const origin = this.#origin;
    if (origin.#listener === listener) origin.#listener = undefined;
    else origin.#listeners?.delete(listener);
  }

  /** What the handler adds to its reply, if anything. */
  get reply(): ReplyMetadata | undefined {
    return this.#origin.#reply;
  }

  /** In a handler: adds leading metadata to the reply. Too late once the first message of a stream has left. */
  setHeader(name: string, value: string): void {
    const reply = this.#origin.#reply ??= {};
    reply.header = createMetadata({ ...reply.header, [name]: value });
  }

  /** In a handler: adds trailing metadata to the reply, or to the error it ends with. */
  setTrailer(name: string, value: string): void {
    const reply = this.#origin.#reply ??= {};
    reply.trailer = createMetadata({ ...reply.trailer, [name]: value });
  }

  /** The call's cancellation as an AbortSignal; made on first read, since most calls never need one. */
  get signal(): AbortSignal {
    const origin = this.#origin;
    if (origin.#controller === undefined) {
      origin.#controller = new AbortController();
      if (origin.#reason !== undefined) origin.#controller.abort(origin.#reason);
    }
    return origin.#controller.signal;
  }
}

const nothingAvoided: readonly unknown[] = Object.freeze([]);
