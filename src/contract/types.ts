/**
 * The types that a contract gives to callers and handlers.
 *
 * Every type is a mapped type over the methods whose members are looked up by the method's kind: each method
 * is inferred alone and only when somebody touches it, so that 500 methods check in seconds.
 */
import type { Context, MetadataListener } from "../core/context.ts";
import type { Awaitable } from "../core/service.ts";
import type { AnyMethod, HandlerInputOf, HandlerOutputOf, InputOf, OutputOf } from "./method.ts";
import type { AnyContract } from "./service.ts";

/** What a caller may say of one call. */
export interface CallOptions {
  /** Milliseconds from now; the earliest of this, `deadline`, the method's and the context's holds. */
  readonly timeoutMs?: number | undefined;
  /** Absolute, in clock milliseconds. */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** By which the server recognises a repeat; made for each call of a `"keyed"` method that names none. */
  readonly idempotencyKey?: string | undefined;
  /** Instead of what the method's `routeKey` reads from the input. */
  readonly routeKey?: string | undefined;
  readonly onMetadata?: MetadataListener | undefined;
  /** The call on whose behalf this one is made: its deadline and cancellation are inherited. */
  readonly context?: Context | undefined;
}

/** A request stream as a caller passes it. */
export type Inputs<T> = AsyncIterable<T> | Iterable<T>;

interface CallShapes<Input, Output> {
  unary: (input: Input, options?: CallOptions) => Promise<Output>;
  server_stream: (input: Input, options?: CallOptions) => AsyncIterable<Output>;
  client_stream: (inputs: Inputs<Input>, options?: CallOptions) => Promise<Output>;
  bidi_stream: (inputs: Inputs<Input>, options?: CallOptions) => AsyncIterable<Output>;
}

interface HandlerShapes<Input, Output> {
  unary: (input: Input, context: Context) => Awaitable<Output>;
  server_stream: (input: Input, context: Context) => AsyncIterable<Output>;
  client_stream: (inputs: AsyncIterable<Input>, context: Context) => Awaitable<Output>;
  bidi_stream: (inputs: AsyncIterable<Input>, context: Context) => AsyncIterable<Output>;
}

/** How a method is called. */
export type CallOf<M extends AnyMethod> = CallShapes<InputOf<M>, OutputOf<M>>[M["kind"]];
/** How a method is handled. */
export type HandlerOf<M extends AnyMethod> = HandlerShapes<HandlerInputOf<M>, HandlerOutputOf<M>>[M["kind"]];

/** The methods of a contract as a caller sees them. */
export type Client<S extends AnyContract> = {
  readonly [Name in keyof S["methods"]]: CallOf<S["methods"][Name]>;
};

/** The methods of a contract as a server implements them. */
export type Handlers<S extends AnyContract> = {
  readonly [Name in keyof S["methods"]]: HandlerOf<S["methods"][Name]>;
};
