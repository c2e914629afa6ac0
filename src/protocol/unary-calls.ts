/**
 * The unary calls of one connection, for wires that have no others: each is let in or refused, has its deadline, runs
 * its handler, and tells its end once.
 */
import { Alarm } from "../core/alarm.ts";
import { Context, type ContextFields } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { endIsTold } from "../core/gate.ts";
import type { Peer } from "../core/peer.ts";
import { isPromise } from "../core/service.ts";
import { unexpected } from "./http-reply.ts";
import type { Route, Serving } from "./router.ts";

/** What a request says of its call. Times are the clock's, in milliseconds. */
export interface UnaryOpening {
  readonly receivedMs: number;
  /** Infinity for none. */
  readonly deadline: number;
  readonly fields?: ContextFields | undefined;
}

/** How a call ended. Without an error, `value` is the answer; without a context, it was refused before it had one. */
export type UnaryEnd = (error: RpcError | undefined, value: unknown, context: Context | undefined) => void;

export interface UnaryCallsOptions {
  readonly peer: string;
  /** Who is at the other end. */
  readonly from: Peer | undefined;
  /** Handlers at work at once for this connection. */
  readonly maxConcurrentCalls: number;
  /** Called whenever the last call that somebody waits for has ended. */
  readonly emptied?: (() => void) | undefined;
}

export class UnaryCalls {
  readonly serving: Serving;
  readonly #options: UnaryCallsOptions;
  /** Calls whose callers wait. */
  readonly open = new Set<UnaryCall>();
  /** Routes that the wire has found, by what it calls them. */
  readonly routes = new Map<string, Route>();
  /** Handlers at work, also for callers that have gone. */
  handling = 0;
  #draining: RpcError | undefined = undefined;

  constructor(serving: Serving, options: UnaryCallsOptions) {
    this.serving = serving;
    this.#options = options;
  }

  /**
   * Begins a call with the request in `bytes[start, end)`, which are not kept. `ended` is called exactly once, perhaps
   * at once; undefined is returned for a call that has ended already.
   */
  begin(
    route: Route | RpcError, opening: UnaryOpening, bytes: Uint8Array, start: number, end: number, ended: UnaryEnd,
  ): UnaryCall | undefined {
    const refusal = RpcError.is(route) ? route : this.#refusal(route, opening);
    if (RpcError.is(route) || refusal !== undefined) {
      this.serving.observer.event?.("server.call.refused", {
        peer: this.#options.peer, method: RpcError.is(route) ? undefined : route.method.path,
        code: refusal?.code, error: refusal?.message,
      });
      ended(refusal, undefined, undefined);
      return undefined;
    }
    const context = new Context(route.method, opening.receivedMs, opening.deadline, opening.fields);
    context.peer = this.#options.from;
    if (route.gate?.isShut === true) {
      const shed = route.gate.refuse(context);
      if (shed !== undefined) {
        ended(shed, undefined, context);
        return undefined;
      }
    }
    const call = new UnaryCall(this, route, context, ended);
    call.run(bytes, start, end);
    return call.isOver ? undefined : call;
  }

  #refusal(route: Route, { deadline }: UnaryOpening): RpcError | undefined {
    const { serving, handling } = this;
    const { admission } = serving;
    const { maxConcurrentCalls } = this.#options;
    const never = { neverStarted: true };
    if (this.#draining !== undefined) return expected("unavailable", this.#draining.message, never);
    if (route.method.kind !== "unary") {
      return expected("unimplemented",
        `${route.method.path} is a ${route.method.kind}, which this wire cannot carry: call it by another`,
        { ...never, retryable: false });
    }
    if (handling >= maxConcurrentCalls) {
      return expected("resource_exhausted",
        `more than ${maxConcurrentCalls} calls on one connection (maxConcurrentCalls)`, never);
    }
    if (admission.inFlight >= admission.maxInFlight) {
      return expected("resource_exhausted", `the server is handling ${admission.inFlight} calls (maxInFlight)`, never);
    }
    if (deadline < Infinity && serving.runtime.clock.now() >= deadline) {
      return expected("deadline_exceeded", "the deadline passed before the call was begun",
        { ...never, retryable: false });
    }
    return undefined;
  }

  /** Refuses new calls; those that are open go on. */
  drain(reason: RpcError): void {
    this.#draining ??= reason;
  }

  /** Ends all open calls: their callers are told, their handlers cancelled. */
  close(reason: RpcError): void {
    this.drain(reason);
    for (const call of [...this.open]) call.stop(reason, true);
  }

  /** The callers are gone: nobody is told. */
  abandon(reason: RpcError): void {
    this.drain(reason);
    for (const call of [...this.open]) call.stop(reason, false);
  }

  /** A call's caller waits no more. */
  left(call: UnaryCall): void {
    if (this.open.delete(call) && this.open.size === 0) this.#options.emptied?.();
  }
}

/** One call: an alarm at its deadline. */
export class UnaryCall extends Alarm {
  readonly #calls: UnaryCalls;
  readonly #route: Route;
  readonly #context: Context;
  readonly #ended: UnaryEnd;
  isOver = false;
  #running = false;

  constructor(calls: UnaryCalls, route: Route, context: Context, ended: UnaryEnd) {
    super();
    this.#calls = calls;
    this.#route = route;
    this.#context = context;
    this.#ended = ended;
  }

  run(bytes: Uint8Array, start: number, end: number): void {
    const { serving, open } = this.#calls;
    serving.admission.inFlight++;
    this.#calls.handling++;
    let answer: unknown;
    try {
      const request = this.#route.coders.request.decode(bytes, start, end);
      if (serving.gate !== undefined) this.#context.atWork = endIsTold;
      this.#running = true;
      answer = this.#route.service(request, this.#context);
    } catch (error) {
      this.#handled(failureOf(error), undefined);
      return;
    }
    if (!isPromise(answer)) {
      this.#handled(undefined, answer);
      return;
    }
    open.add(this);
    if (this.#context.deadline < Infinity) serving.runtime.clock.set(this, this.#context.deadline);
    answer.then((value) => this.#handled(undefined, value),
      (error: unknown) => this.#handled(failureOf(error), undefined));
  }

  /** The handler has ended, whether or not anybody still waits. */
  #handled(failure: RpcError | undefined, value: unknown): void {
    const { serving } = this.#calls;
    if (!this.isOver) this.#end(failure, value);
    serving.admission.inFlight--;
    this.#calls.handling--;
    const nowMs = serving.runtime.clock.now();
    const context = this.#context;
    if (context.atWork > 0) serving.gate?.ended(context, nowMs, failure);
    serving.observer.handled?.(context, nowMs - context.startedMs, failure);
  }

  #end(error: RpcError | undefined, value: unknown): void {
    this.#leave();
    this.#ended(error, value, this.#context);
  }

  #leave(): void {
    this.isOver = true;
    if (this.isSet) this.#calls.serving.runtime.clock.clear(this);
    this.#calls.left(this);
  }

  ring(): void {
    this.stop(expected("deadline_exceeded", "the deadline passed while the server was at work",
      { phase: "handler", retryable: false }), true);
  }

  /** Waits for the handler no more, and lets it know; it counts until it ends. With `tell` the caller is told. */
  stop(reason: RpcError, tell: boolean): void {
    if (this.isOver) return;
    if (tell) this.#end(reason, undefined);
    else this.#leave();
    if (this.#running) this.#context.cancel(reason);
  }
}

/** What is no RpcError is a bug of the handler's. */
function failureOf(error: unknown): RpcError {
  return RpcError.is(error) ? error : unexpected(error);
}
