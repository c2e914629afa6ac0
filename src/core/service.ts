/**
 * A Service is a function from a request and a context to a response; a Layer wraps one service in another.
 *
 * All behaviour is these two. A stream is a request or a response that is an AsyncIterable. A service may
 * answer without a promise, so that a handler that need not wait costs no promise; {@link settle} acts after
 * either kind of answer. First listed is outermost, everywhere (as in go-kit's `endpoint.Chain`, tower and
 * connect; undici's opposite order is documented as a trap).
 */
import type { Context } from "./context.ts";
import type { Observer } from "./observer.ts";
import type { Runtime } from "./runtime.ts";

export type Awaitable<T> = T | Promise<T>;

export type Service<Request = unknown, Response = unknown> =
  (request: Request, context: Context) => Awaitable<Response>;

export type Layer<Request = unknown, Response = unknown, InnerRequest = Request, InnerResponse = Response> =
  (next: Service<InnerRequest, InnerResponse>) => Service<Request, Response>;

/** Makes a layer once it is known where it shall run and who listens: how layers are named in options. */
export type LayerMaker = (runtime: Runtime, observer: Observer) => Layer;

/**
 * A stack is layers under the names of their roles, outermost first. A user replaces a layer by spreading
 * another of the same role over it, which keeps its place, and removes one with `undefined`.
 */
export type Stack = Readonly<Record<string, Layer | undefined>>;

/** Wraps `service` in the layers of `stack`. Absent layers cost nothing. */
export function compose(stack: Stack, service: Service): Service {
  return Object.values(stack).reduceRight<Service>((inner, layer) => layer?.(inner) ?? inner, service);
}

const direct = new WeakSet<Service>();

/** Says of a service that it hands a call to one connection, and adds nothing to its answer: the balancer's. */
export function makesAttempts(service: Service): Service {
  direct.add(service);
  return service;
}

/** Whether a service said so of itself: then nobody between it and the caller looks at single attempts. */
export function isAttempts(service: Service): boolean {
  return direct.has(service);
}

/** Whether a service answered with a promise. */
export function isPromise<T>(answer: Awaitable<T>): answer is Promise<T> {
  return typeof answer === "object" && answer !== null && typeof (answer as { then?: unknown }).then === "function";
}

/** Acts after an answer, whether it came at once or as a promise. */
export function settle<T>(answer: Awaitable<T>, ended: (error: unknown, value: T | undefined) => void): void {
  if (isPromise(answer)) answer.then((value) => ended(undefined, value), (error: unknown) => ended(error, undefined));
  else ended(undefined, answer);
}
