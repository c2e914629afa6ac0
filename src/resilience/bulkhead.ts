/**
 * A bulkhead lets so many calls through at once and so many wait, so that one thing that is slow does not take
 * everything a process has.
 *
 * Who waits, waits in the order of coming, each at most so long and never past its own deadline. Who finds the line
 * full, or waits in vain, is refused: `resource_exhausted`, never started.
 */
import {
  Alarm, type Cancellable, type Clock, type Context, expected, isPromise, type Layer, numberOption, type Observer,
  type RpcError, type Runtime, type Service,
} from "../core/index.ts";

export interface BulkheadOptions {
  /** Calls let through at once. Default 100. */
  readonly maxConcurrent?: number | undefined;
  /** Calls that may wait. Default as many as may go through; 0 for none. */
  readonly maxQueued?: number | undefined;
  /** How long a call may wait, in milliseconds. Default 1,000. */
  readonly maxWaitMs?: number | undefined;
  /** What it guards, for messages and events. Default "". */
  readonly name?: string | undefined;
  /** Hears `bulkhead.full`, at most once a second. */
  readonly observer?: Observer | undefined;
}

/** The layer, with what is going on in it. Streams are counted until their last item, or until their reader leaves. */
export interface Bulkhead extends Layer {
  readonly running: number;
  readonly waiting: number;
  /** Calls refused so far. */
  readonly refused: number;
}

/** Makes the layer; around a client's stack or a server's. The same one used twice shares its room. */
export function bulkhead(runtime: Pick<Runtime, "clock">, options: BulkheadOptions = {}): Bulkhead {
  const room = new Room(runtime.clock, options);
  const layer: Layer = (inner) => (request, context) => {
    if (room.running < room.maxConcurrent && room.waiting === 0) {
      room.running++;
      return room.run(inner, request, context);
    }
    const { kind } = context.method;
    const entered = room.enter(context);
    if (kind === "server_stream" || kind === "bidi_stream") return streamLater(entered, room, inner, request, context);
    return entered.then(() => room.run(inner, request, context));
  };
  return Object.defineProperties(layer as Bulkhead, {
    running: { get: () => room.running },
    waiting: { get: () => room.waiting },
    refused: { get: () => room.refused },
  });
}

async function* streamLater(
  entered: Promise<void>, room: Room, inner: Service, request: unknown, context: Context,
): AsyncGenerator {
  await entered;
  yield* room.run(inner, request, context) as AsyncIterable<unknown>;
}

class Room {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #observer: Observer | undefined;
  readonly maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #maxWaitMs: number;
  running = 0;
  refused = 0;
  /** In order of coming; who left before its turn is taken out at once. */
  readonly #line = new Set<Waiting>();
  #toldAtMs = -Infinity;
  readonly #left = <T>(value: T): T => {
    this.#leave();
    return value;
  };
  readonly #failed = (error: unknown): never => {
    this.#leave();
    throw error;
  };

  constructor(clock: Clock, options: BulkheadOptions) {
    this.#clock = clock;
    const calls = { least: 1, most: 1e6, whole: true, unit: "calls" };
    this.maxConcurrent = numberOption("maxConcurrent", options.maxConcurrent ?? 100, calls);
    this.#maxQueued = numberOption("maxQueued", options.maxQueued ?? this.maxConcurrent, { ...calls, least: 0 });
    this.#maxWaitMs = numberOption("maxWaitMs", options.maxWaitMs ?? 1_000,
      { least: 0, most: 3_600_000, unit: "milliseconds" });
    this.#name = options.name ?? "";
    this.#observer = options.observer;
  }

  get waiting(): number {
    return this.#line.size;
  }

  enter(context: Context): Promise<void> {
    const nowMs = this.#clock.now();
    if (this.#line.size >= this.#maxQueued || this.#maxWaitMs === 0) {
      return Promise.reject(this.#refuse(nowMs, `${this.running} calls are under way and ${this.#line.size} wait`));
    }
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(context, () => resolve(), reject, (one, why) => {
        this.#line.delete(one);
        this.#clock.clear(one);
        if (why !== undefined) return why;
        return this.#clock.now() >= context.deadline
          ? expected("deadline_exceeded", "the deadline passed while the call waited for its turn",
            { neverStarted: true, phase: "queue" })
          : this.#refuse(this.#clock.now(), `its turn did not come within ${this.#maxWaitMs} ms`);
      });
      this.#line.add(waiting);
      this.#clock.set(waiting, Math.min(nowMs + this.#maxWaitMs, context.deadline));
      context.onCancel(waiting);
    });
  }

  /** Runs a call that has its place, which it gives back at its end. */
  run(inner: Service, request: unknown, context: Context): unknown {
    let answer: unknown;
    try {
      answer = inner(request, context);
    } catch (error) {
      return this.#failed(error);
    }
    if (isPromise(answer)) return answer.then((value) => this.#ended(value), this.#failed);
    return this.#ended(answer);
  }

  #ended(answer: unknown): unknown {
    if (typeof answer !== "object" || answer === null || !(Symbol.asyncIterator in answer)) return this.#left(answer);
    return this.#counted(answer as AsyncIterable<unknown>);
  }

  async *#counted(items: AsyncIterable<unknown>): AsyncGenerator {
    try {
      yield* items;
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.running--;
    for (const first of this.#line) {
      this.#line.delete(first);
      this.#clock.clear(first);
      this.running++;
      first.admit();
      return;
    }
  }

  #refuse(nowMs: number, why: string): RpcError {
    this.refused++;
    if (nowMs - this.#toldAtMs >= 1_000) {
      this.#toldAtMs = nowMs;
      this.#observer?.event?.("bulkhead.full", { name: this.#name, refused: this.refused, why });
    }
    const which = this.#name === "" ? "the bulkhead" : `the bulkhead ${this.#name}`;
    return expected("resource_exhausted", `${which} is full: ${why}`,
      { neverStarted: true, phase: "queue", reason: "BULKHEAD_FULL" });
  }
}

class Waiting extends Alarm implements Cancellable {
  readonly #context: Context;
  readonly #admitted: () => void;
  readonly #refused: (error: RpcError) => void;
  readonly #leave: (one: Waiting, why: RpcError | undefined) => RpcError;

  constructor(
    context: Context, admitted: () => void, refused: (error: RpcError) => void,
    leave: (one: Waiting, why: RpcError | undefined) => RpcError,
  ) {
    super();
    this.#context = context;
    this.#admitted = admitted;
    this.#refused = refused;
    this.#leave = leave;
  }

  admit(): void {
    this.#context.offCancel(this);
    this.#admitted();
  }

  override ring(): void {
    this.#context.offCancel(this);
    this.#refused(this.#leave(this, undefined));
  }

  cancelled(reason: RpcError): void {
    this.#refused(this.#leave(this, reason));
  }
}
