/** The server's half of a modelled connection: refuses, runs and answers calls as the native wire's server does. */
import { Alarm } from "../core/alarm.ts";
import { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { type CallGate, endIsTold } from "../core/gate.ts";
import type { LoadReport } from "../core/load.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Observer } from "../core/observer.ts";
import { isPromise, type Service } from "../core/service.ts";
import type { Admission } from "../protocol/router.ts";
import type { Program } from "../runtime/sim/world.ts";
import { Answer, Broken, GoAway, tell } from "./messages.ts";
import type { ModelledConnection } from "./wire.ts";

/** What a server lends to its connections. */
export interface ModelledServing {
  readonly program: Program;
  readonly admission: Admission;
  readonly gate: CallGate | undefined;
  readonly observer: Observer;
  /** What serves a method, if anything does. */
  route(method: MethodInfo): Service | undefined;
  /** `leaving` calls of those in flight are over when the report has left. */
  load(leaving?: number): LoadReport | undefined;
  readonly connections: Set<ServedModelled>;
}

/** At most so often does a connection carry a load report, in milliseconds: the native wire's interval. */
const reportIntervalMs = 5;

export class ServedModelled {
  readonly serving: ModelledServing;
  readonly program: Program;
  readonly connection: ModelledConnection;
  isOver = false;
  readonly #calls = new Map<number, ServedCall>();
  #draining: RpcError | undefined = undefined;
  #lastId = 0;
  #reportedMs = -Infinity;

  constructor(serving: ModelledServing, connection: ModelledConnection) {
    this.serving = serving;
    this.program = serving.program;
    this.connection = connection;
    serving.connections.add(this);
    this.program.streams.add(this);
  }

  request(id: number, request: unknown, from: Context): void {
    const { serving, program } = this;
    const { admission } = serving;
    this.#lastId = id;
    const nowMs = program.clock.now();
    const service = serving.route(from.method);
    const refusal = this.#refusal(from.method, service);
    if (refusal !== undefined) {
      this.send(new Answer(this.connection, id, remote(refusal), undefined), from);
      serving.observer.event?.("server.call.refused",
        { peer: this.connection.program.host.name, method: from.method.path, code: refusal.code,
          error: refusal.message });
      return;
    }
    // As on the native wire: what was left when the attempt began, in whole milliseconds.
    const leftMs = from.deadline - from.startedMs;
    const deadline = leftMs === Infinity ? Infinity : nowMs + Math.max(1, Math.ceil(leftMs));
    const { metadata, idempotencyKey, routeKey, hops, attempt, priorAttempts } = from;
    const context = new Context(from.method, nowMs, deadline,
      { metadata, idempotencyKey, routeKey, hops, attempt, priorAttempts });
    admission.inFlight++;
    if (serving.gate !== undefined) context.atWork = endIsTold;
    let answer: unknown;
    try {
      answer = (service as Service)(request, context);
    } catch (error) {
      this.failed(id, context, error, nowMs);
      return;
    }
    if (isPromise(answer)) {
      const call = new ServedCall(this, id, context, nowMs);
      this.#calls.set(id, call);
      call.start(answer);
    } else {
      this.answered(id, context, answer, nowMs);
    }
  }

  #refusal(method: MethodInfo, service: Service | undefined): RpcError | undefined {
    const { admission } = this.serving;
    if (this.#draining !== undefined) {
      return expected("unavailable", this.#draining.message, { neverStarted: true });
    }
    if (admission.inFlight >= admission.maxInFlight) {
      return expected("resource_exhausted", `the server is handling ${admission.inFlight} calls (maxInFlight)`,
        { neverStarted: true });
    }
    if (service !== undefined) return undefined;
    return expected("unimplemented", `"${method.path}" is not served here`, { neverStarted: true, retryable: false });
  }

  send(answer: Answer, from: Context): void {
    if (!this.program.isAlive || this.isOver) return;
    tell(answer, this.connection.sizes.response(answer.value, from));
  }

  answered(id: number, context: Context, value: unknown, startedMs: number): void {
    const nowMs = this.program.clock.now();
    const answer = new Answer(this.connection, id, undefined, value);
    if (this.#reportedMs <= nowMs - reportIntervalMs) {
      answer.load = this.serving.load(1);
      if (answer.load !== undefined) this.#reportedMs = nowMs;
    }
    const { reply } = context;
    if (reply !== undefined) {
      answer.header = reply.header;
      answer.trailer = reply.trailer;
    }
    this.send(answer, context);
    this.count(context, startedMs, undefined);
  }

  failed(id: number, context: Context, error: unknown, startedMs: number): void {
    const failure = RpcError.is(error) ? error : new RpcError("internal", "the handler failed unexpectedly",
      { cause: error, phase: "handler", retryable: false });
    this.send(new Answer(this.connection, id, remote(failure, context), undefined), context);
    this.count(context, startedMs, failure);
  }

  /** The handler of a call has finished, whether or not anybody still waits for it. */
  count(context: Context, startedMs: number, error: RpcError | undefined): void {
    const { serving } = this;
    const nowMs = this.program.clock.now();
    serving.admission.inFlight--;
    if (context.atWork > 0) serving.gate?.ended(context, nowMs, error);
    serving.observer.handled?.(context, nowMs - startedMs, error);
  }

  stop(id: number, code: "cancelled" | "deadline_exceeded"): void {
    this.#calls.get(id)?.stop(expected(code, "the caller cancelled the call", { remote: true }), false);
  }

  release(id: number): void {
    this.#calls.delete(id);
    if (this.#draining !== undefined && this.#calls.size === 0) this.#end();
  }

  drain(reason: RpcError): void {
    if (this.#draining !== undefined || this.isOver) return;
    this.#draining = reason;
    tell(new GoAway(this.connection, this.#lastId, reason.message));
    if (this.#calls.size === 0) this.#end();
  }

  close(reason: RpcError): void {
    for (const call of [...this.#calls.values()]) call.stop(reason, true);
    this.#end();
  }

  #end(): void {
    if (this.isOver) return;
    tell(new Broken(this.connection, "the server closed it"));
    this.#leave();
  }

  #leave(): void {
    this.isOver = true;
    this.program.streams.delete(this);
    this.serving.connections.delete(this);
  }

  /** The client is gone: what it asked for is wanted no longer. */
  ended(): void {
    if (this.isOver) return;
    this.#leave();
    const reason = expected("cancelled", "the caller's connection is gone");
    for (const call of [...this.#calls.values()]) call.stop(reason, false);
  }

  /** The server's program died; with `isReset` its machine tells the client. */
  abandon(isReset: boolean): void {
    this.isOver = true;
    this.#calls.clear();
    if (isReset) tell(new Broken(this.connection, "the peer reset it"));
  }
}

/** An error as it crosses the wire: what was local to the server stays there. */
function remote(error: RpcError, context?: Context): RpcError {
  return expected(error.code, error.message, {
    remote: true, retryable: error.retryable, neverStarted: error.neverStarted, reason: error.reason,
    data: error.reason === undefined ? undefined : error.data, retryAfterMs: error.retryAfterMs,
    metadata: context?.reply?.trailer ?? error.metadata, phase: "server",
  });
}

/** A call whose handler did not answer at once. */
class ServedCall extends Alarm {
  readonly #served: ServedModelled;
  readonly #id: number;
  readonly #context: Context;
  readonly #startedMs: number;
  #isOver = false;

  constructor(served: ServedModelled, id: number, context: Context, startedMs: number) {
    super();
    this.#served = served;
    this.#id = id;
    this.#context = context;
    this.#startedMs = startedMs;
  }

  start(answer: Promise<unknown>): void {
    const { deadline } = this.#context;
    if (deadline !== Infinity) this.#served.program.clock.set(this, deadline);
    answer.then((value) => this.#answered(value), (error: unknown) => this.#failed(error));
  }

  #answered(value: unknown): void {
    if (this.#isOver) {
      this.#served.count(this.#context, this.#startedMs, this.#context.cancelReason);
      return;
    }
    this.#isOver = true;
    this.#served.answered(this.#id, this.#context, value, this.#startedMs);
    this.#leave();
  }

  #failed(error: unknown): void {
    if (this.#isOver) {
      this.#served.count(this.#context, this.#startedMs, RpcError.from(error, "internal"));
      return;
    }
    this.#isOver = true;
    this.#served.failed(this.#id, this.#context, error, this.#startedMs);
    this.#leave();
  }

  ring(): void {
    this.stop(expected("deadline_exceeded", "the deadline passed while the server was at work",
      { phase: "handler", retryable: false }), true);
  }

  /** Stops the handler as far as it listens. It is counted when it ends, since until then it uses the server. */
  stop(reason: RpcError, isTold: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const served = this.#served;
    if (isTold) served.send(new Answer(served.connection, this.#id, remote(reason), undefined), this.#context);
    this.#leave();
    this.#context.cancel(reason);
  }

  #leave(): void {
    if (this.isSet) this.#served.program.clock.clear(this);
    this.#served.release(this.#id);
  }
}
