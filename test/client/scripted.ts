/** Connections that do what a test says, for tests of what stands above them. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import {
  type AttemptObserver, type Clock, type Connect, type Connection, type ConnectionEvents, Context, type ContextFields,
  endpointAddress, type EndpointFields, expected, type MethodInfo, type RpcError,
} from "../../src/core/index.ts";

const text = z.object({ text: z.string() });

/** One method of each shape that matters here. */
export const Echo = service("test.v1.Echo", {
  say: rpc({ input: text, output: text, idempotent: true }),
  once: rpc({ input: text, output: text }),
  repeat: rpc({ kind: "server_stream", input: text, output: text, idempotent: true }),
});

/** A call that a connection was given. */
export interface ScriptedCall {
  readonly request: unknown;
  readonly context: Context;
  answer(value: unknown): void;
  fail(error: RpcError): void;
}

export class ScriptedConnection implements Connection {
  readonly address: string;
  readonly events: ConnectionEvents;
  readonly calls: ScriptedCall[] = [];
  inFlight = 0;
  lastReceivedMs: number;
  pings = 0;
  /** Hears of each ping. */
  onPing: (() => void) | undefined = undefined;
  /** What it was closed or aborted with; undefined while it was not. */
  closedWithMs: number | undefined = undefined;
  abortedWith: RpcError | undefined = undefined;
  repeatableFailedWith: RpcError | undefined = undefined;
  /** Thrown by the next calls. */
  refusal: RpcError | undefined = undefined;
  readonly #clock: Clock;

  constructor(clock: Clock, address: string, events: ConnectionEvents) {
    this.#clock = clock;
    this.address = address;
    this.events = events;
    this.lastReceivedMs = clock.now();
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (this.refusal !== undefined) throw this.refusal;
    this.inFlight++;
    const startedMs = this.#clock.now();
    const ended = (error: RpcError | undefined): void => {
      this.inFlight--;
      observer.attemptEnded(context, startedMs, this.#clock.now(), error);
    };
    const answer = new Promise((resolve, reject) => {
      this.calls.push({
        request, context,
        answer: (value) => {
          ended(undefined);
          resolve(value);
        },
        fail: (error) => {
          ended(error);
          reject(error);
        },
      });
    });
    return context.method.kind === "unary" ? answer : items(answer);
  }

  readonly pingsSparingly: boolean = false;

  ping(): boolean {
    this.pings++;
    this.onPing?.();
    return true;
  }

  failRepeatable(error: RpcError): void {
    this.repeatableFailedWith = error;
  }

  abort(error: RpcError): void {
    this.abortedWith = error;
    this.events.closed(error);
  }

  close(graceMs: number): void {
    this.closedWithMs = graceMs;
  }

  /** The peer is there. */
  open(): void {
    this.lastReceivedMs = this.#clock.now();
    this.events.opened();
  }

  /** The peer answers a ping. */
  pong(roundTripMs: number): void {
    this.lastReceivedMs = this.#clock.now();
    this.events.pinged(roundTripMs);
  }

  lose(message = "reset by the peer"): void {
    this.events.closed(expected("unavailable", message));
  }
}

/** A stream of the one item that a call was answered with. */
async function* items(answer: Promise<unknown>): AsyncGenerator {
  yield await answer;
}

/** What connects by script: every connection that was asked for, in order. */
export interface Scripted {
  readonly connect: Connect;
  readonly connections: ScriptedConnection[];
  /** The newest connection. */
  readonly last: ScriptedConnection;
}

/** `begun` is called for each connection that is asked for, before it is returned. */
export function scripted(begun: (connection: ScriptedConnection) => void = () => {}): Scripted {
  const connections: ScriptedConnection[] = [];
  return {
    connections,
    connect(runtime, address, events) {
      const connection = new ScriptedConnection(runtime.clock, address, events);
      connections.push(connection);
      begun(connection);
      return connection;
    },
    get last() {
      const last = connections.at(-1);
      if (last === undefined) throw new Error("no connection was asked for");
      return last;
    },
  };
}

/** The context of a call that begins now. */
export function callContext(
  clock: Clock, timeoutMs = Infinity, method: MethodInfo = Echo.methods.say, fields: ContextFields = {},
): Context {
  return new Context(method, clock.now(), clock.now() + timeoutMs, fields);
}

export function addressOf(address: string, fields: Partial<EndpointFields> = {}) {
  return endpointAddress({ region: "eu", ...fields, address });
}

/** How a promise ends, to be asked without waiting for it. */
export interface Outcome {
  value?: unknown;
  error?: RpcError;
}

export function outcomeOf(answer: unknown): Outcome {
  const outcome: Outcome = {};
  Promise.resolve(answer).then((value) => { outcome.value = value; }, (error: RpcError) => { outcome.error = error; });
  return outcome;
}

/** The error that `action` throws. */
export function thrownBy(action: () => unknown): RpcError {
  try {
    action();
  } catch (error) {
    return error as RpcError;
  }
  throw new Error("nothing was thrown");
}
