/** One side of HTTP/1.1 with the other played by a test: bytes in, bytes out, and time by hand. */
import type { Alarm } from "../../src/core/alarm.ts";
import { CallbackAlarm } from "../../src/core/callback-alarm.ts";
import type { ServedConnection } from "../../src/core/connection.ts";
import type { RpcError } from "../../src/core/error.ts";
import type { ByteSink, ByteStream, Clock, Runtime } from "../../src/core/runtime.ts";
import { http1Accept, http1Connect } from "../../src/http/h1/index.ts";
import type { Http1ClientSettings, Http1ServerSettings } from "../../src/http/h1/index.ts";
import { type Exchange, Head, type HttpConnection, type HttpHandler, type HttpSink } from "../../src/http/message.ts";

/** A clock that stands still, but for `advance`; `turn` ends the turn. */
export class HandClock implements Clock {
  #nowMs = 1_000;
  readonly #alarms = new Set<Alarm>();
  #deferred: (() => void)[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(1994, 10, 6, 8, 49, 37) + this.#nowMs - 1_000;
  }

  set(alarm: Alarm, atMs: number): void {
    alarm.ringsAtMs = atMs;
    alarm.isSet = true;
    this.#alarms.add(alarm);
  }

  clear(alarm: Alarm): void {
    alarm.isSet = false;
    this.#alarms.delete(alarm);
  }

  after(delayMs: number, callback: () => void): CallbackAlarm {
    const alarm = new CallbackAlarm(this, callback);
    this.set(alarm, this.#nowMs + delayMs);
    return alarm;
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  turn(): void {
    for (let next = this.#deferred.shift(); next !== undefined; next = this.#deferred.shift()) next();
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const alarm of [...this.#alarms]) {
      if (alarm.ringsAtMs > this.#nowMs) continue;
      this.clear(alarm);
      alarm.ring();
    }
    this.turn();
  }
}

/** A stream that keeps what is written, one entry a write. */
export class KeptStream implements ByteStream {
  readonly peer = "test:1";
  sink: ByteSink | undefined = undefined;
  readonly writes: string[] = [];
  bufferedBytes = 0;
  /** While true nothing that is written leaves. */
  isStuck = false;
  isPaused = false;
  isEnded = false;
  isDestroyed = false;
  highWaterBytes = 65_536;

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.isEnded || this.isDestroyed) return false;
    this.writes.push(Buffer.from(bytes).toString("latin1"));
    if (this.isStuck) this.bufferedBytes += bytes.length;
    else written?.();
    return this.bufferedBytes < this.highWaterBytes;
  }

  /** The peer reads everything. */
  flow(): void {
    this.isStuck = false;
    this.bufferedBytes = 0;
    this.sink?.drained?.();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  get output(): string {
    return this.writes.join("");
  }

  get isOver(): boolean {
    return this.isEnded || this.isDestroyed;
  }
}

export function fieldsOf(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, fields);
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

export function runtimeOn(clock: Clock, connect?: (sink: ByteSink) => ByteStream): Runtime {
  return {
    clock, random: { next: () => 0.5, id: () => "0".repeat(32) },
    network: {
      connect: (_address, sink) => {
        if (connect === undefined) throw new Error("nobody connects here");
        return connect(sink);
      },
      listen: () => Promise.reject(new Error("nobody listens here")),
      datagrams: () => Promise.reject(new Error("nobody sends datagrams here")),
    },
  };
}

/** What a server connection did. */
export interface Served {
  readonly clock: HandClock;
  readonly stream: KeptStream;
  readonly connection: ServedConnection;
  readonly ended: (RpcError | undefined)[];
  readonly gone: { count: number };
  /** Bytes from the client, and the turn's end. */
  send(...texts: readonly string[]): void;
  /** Calls `sweep` once a second for so long. */
  sweep(ms: number): void;
}

export function serve(handle: HttpHandler, settings?: Partial<Http1ServerSettings>): Served {
  const clock = new HandClock();
  const stream = new KeptStream();
  const ended: (RpcError | undefined)[] = [];
  const gone = { count: 0 };
  const accept = http1Accept(runtimeOn(clock), {
    handle, settings, ended: (_connection, error) => ended.push(error), gone: () => gone.count++,
  });
  const { connection, sink } = accept(stream);
  stream.sink = sink;
  return {
    clock, stream, connection, ended, gone,
    send(...texts) {
      for (const text of texts) {
        sink.received(bytesOf(text));
        clock.turn();
      }
    },
    sweep(ms) {
      for (let waitedMs = 0; waitedMs < ms; waitedMs += 1_000) {
        clock.advance(1_000);
        connection.sweep(clock.now());
        clock.turn();
      }
    },
  };
}

/** Answers each request with its method, path and body, once that is whole. */
export const echo: HttpHandler = (request, exchange, last) => {
  let body = "";
  const answer = (): void => {
    exchange.head(new Head(fieldsOf({ "content-type": "text/plain" }), 200), false);
    exchange.begin().writeBytes(bytesOf(`${request.method} ${request.path} ${body}`));
    exchange.end(true);
  };
  if (last) answer();
  return {
    data(bytes, start, end, isLast) {
      body += Buffer.from(bytes.subarray(start, end)).toString("latin1");
      exchange.consumed(end - start);
      if (isLast) answer();
    },
    trailers(trailers) {
      body += JSON.stringify(trailers.fields);
      answer();
    },
    writable() {},
    failed() {},
  };
};

/** A sink that writes down what it hears. */
export class Heard implements HttpSink {
  readonly events: string[] = [];
  readonly heads: Head[] = [];
  readonly errors: RpcError[] = [];
  body = "";
  isLast = false;

  head(head: Head, last: boolean): void {
    this.heads.push(head);
    this.events.push(`head ${head.status}${last ? " last" : ""}`);
    this.isLast ||= last;
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const text = Buffer.from(bytes.subarray(start, end)).toString("latin1");
    this.body += text;
    this.events.push(`data ${text}${last ? " last" : ""}`);
    this.isLast ||= last;
  }

  trailers(trailers: Head): void {
    this.events.push(`trailers ${JSON.stringify(trailers.fields)}`);
    this.isLast = true;
  }

  writable(): void {
    this.events.push("writable");
  }

  failed(error: RpcError): void {
    this.errors.push(error);
    this.events.push("failed");
  }
}

/** A client connection over streams that the test holds. */
export class Dialled {
  readonly clock = new HandClock();
  readonly streams: KeptStream[] = [];
  readonly events: string[] = [];
  readonly connection: HttpConnection;
  closedWith: RpcError | undefined = undefined;

  constructor(settings?: Partial<Http1ClientSettings>) {
    const connect = (sink: ByteSink): ByteStream => {
      const stream = new KeptStream();
      stream.sink = sink;
      this.streams.push(stream);
      return stream;
    };
    this.connection = http1Connect({ settings })(runtimeOn(this.clock, connect), "test:1", {
      opened: () => this.events.push("opened"),
      available: () => this.events.push("available"),
      draining: (why) => this.events.push(`draining: ${why}`),
      closed: (error) => {
        this.closedWith = error;
        this.events.push("closed");
      },
      pinged: (ms) => this.events.push(`pinged ${ms}`),
    });
  }

  /** The stream made last, or the one of that number. */
  stream(number = this.streams.length - 1): KeptStream {
    return this.streams[number] as KeptStream;
  }

  open(number?: number): KeptStream {
    const stream = this.stream(number);
    stream.sink?.opened?.();
    this.clock.turn();
    return stream;
  }

  receive(text: string, number?: number): void {
    this.stream(number).sink?.received(bytesOf(text));
    this.clock.turn();
  }
}

export interface Caught {
  readonly handle: HttpHandler;
  readonly requests: Head[];
  readonly lasts: boolean[];
  readonly exchanges: Exchange[];
  readonly sinks: Heard[];
}

/** A handler that leaves everything to the test. */
export function caught(): Caught {
  const all: Caught = {
    requests: [], lasts: [], exchanges: [], sinks: [],
    handle(request, exchange, last) {
      const sink = new Heard();
      all.requests.push(request);
      all.exchanges.push(exchange);
      all.lasts.push(last);
      all.sinks.push(sink);
      return sink;
    },
  };
  return all;
}

export function say(exchange: Exchange | undefined, text: string, last: boolean): void {
  exchange?.begin().writeBytes(bytesOf(text));
  exchange?.end(last);
}
