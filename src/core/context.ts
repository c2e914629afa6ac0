/**
 * A Context is what travels with a call: its method, deadline, metadata, keys and cancellation.
 *
 * Immutable but for cancellation; a layer that wants another value derives a child with {@link Context.with},
 * and the child is cancelled with its parent. `signal` is made only when somebody reads it.
 */
import { expected, type RpcError } from "./error.ts";
import { createMetadata, emptyMetadata, type Metadata } from "./metadata.ts";
import type { MethodInfo } from "./method.ts";

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
  /** How many gateways the call has passed. */
  readonly hops?: number;
  /** Keeps response metadata for the caller; called at most once for each kind. */
  readonly onMetadata?: MetadataListener | undefined;
}

/** Metadata that travels with a reply. */
export interface ReplyMetadata {
  header?: Metadata;
  trailer?: Metadata;
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
  readonly hops: number;
  readonly onMetadata: MetadataListener | undefined;
  /** Where cancellation lives: contexts derived by `with` share their origin's. */
  readonly #scope: Scope;

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
      this.hops = 0;
      this.onMetadata = undefined;
    } else {
      this.metadata = fields.metadata ?? emptyMetadata;
      this.idempotencyKey = fields.idempotencyKey;
      this.routeKey = fields.routeKey;
      this.attempt = fields.attempt ?? 0;
      this.avoid = fields.avoid ?? nothingAvoided;
      this.hops = fields.hops ?? 0;
      this.onMetadata = fields.onMetadata;
    }
    this.#scope = parent === undefined ? new Scope() : parent.#scope;
  }

  /** A child with some fields replaced that is cancelled when this context is. */
  with(fields: ContextFields): Context {
    return new Context(this.method, fields.startedMs ?? this.startedMs, fields.deadline ?? this.deadline, {
      metadata: fields.metadata ?? this.metadata,
      idempotencyKey: fields.idempotencyKey ?? this.idempotencyKey,
      routeKey: fields.routeKey ?? this.routeKey,
      attempt: fields.attempt ?? this.attempt,
      avoid: fields.avoid ?? this.avoid,
      hops: fields.hops ?? this.hops,
      onMetadata: "onMetadata" in fields ? fields.onMetadata : this.onMetadata,
    }, this);
  }

  /** A child that can be cancelled without cancelling this context (a hedged or abandoned attempt). */
  fork(fields: ContextFields = {}): Context {
    const child = new Context(this.method, fields.startedMs ?? this.startedMs, fields.deadline ?? this.deadline, {
      metadata: this.metadata, idempotencyKey: this.idempotencyKey, routeKey: this.routeKey,
      attempt: this.attempt, avoid: this.avoid, hops: this.hops, onMetadata: this.onMetadata, ...fields,
    });
    this.onCancel({ cancelled: (reason) => child.cancel(reason) });
    return child;
  }

  /** Why the call was cancelled, if it was. */
  get cancelReason(): RpcError | undefined {
    return this.#scope.reason;
  }

  /** Cancels the call; only the first reason counts. */
  cancel(reason: RpcError = expected("cancelled", "the call was cancelled")): void {
    this.#scope.cancel(reason);
  }

  /** Tells `listener` when the call is cancelled; at once if it was already. */
  onCancel(listener: Cancellable): void {
    this.#scope.add(listener);
  }

  /** Takes a listener back. Everything added for one attempt is removed at its end. */
  offCancel(listener: Cancellable): void {
    this.#scope.remove(listener);
  }

  /** What the handler adds to its reply, if anything. */
  get reply(): ReplyMetadata | undefined {
    return this.#scope.reply;
  }

  /** In a handler: adds leading metadata to the reply. Too late once the first message of a stream has left. */
  setHeader(name: string, value: string): void {
    const reply = this.#scope.reply ??= {};
    reply.header = createMetadata({ ...reply.header, [name]: value });
  }

  /** In a handler: adds trailing metadata to the reply, or to the error it ends with. */
  setTrailer(name: string, value: string): void {
    const reply = this.#scope.reply ??= {};
    reply.trailer = createMetadata({ ...reply.trailer, [name]: value });
  }

  /** The call's cancellation as an AbortSignal; made on first read, since most calls never need one. */
  get signal(): AbortSignal {
    return this.#scope.signal();
  }
}

const nothingAvoided: readonly unknown[] = Object.freeze([]);

/** One listener is by far the commonest case, so it is held without a collection. */
class Scope {
  reason: RpcError | undefined = undefined;
  reply: ReplyMetadata | undefined = undefined;
  #one: Cancellable | undefined = undefined;
  #more: Set<Cancellable> | undefined = undefined;
  #controller: AbortController | undefined = undefined;

  add(listener: Cancellable): void {
    if (this.reason !== undefined) listener.cancelled(this.reason);
    else if (this.#one === undefined) this.#one = listener;
    else (this.#more ??= new Set()).add(listener);
  }

  remove(listener: Cancellable): void {
    if (this.#one === listener) this.#one = undefined;
    else this.#more?.delete(listener);
  }

  cancel(reason: RpcError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    const one = this.#one;
    const more = this.#more;
    this.#one = this.#more = undefined;
    one?.cancelled(reason);
    if (more !== undefined) for (const listener of more) listener.cancelled(reason);
    this.#controller?.abort(reason);
  }

  signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.reason !== undefined) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }
}
