/** A pair of HTTP endpoints under test, and what both ends of an exchange heard. */
import assert from "node:assert/strict";
import {
  type AcceptOwner, type ByteStream, type Listener, RpcError, type Runtime, type ServedConnection,
} from "../../src/core/index.ts";
import type { Accepted } from "../../src/core/connection.ts";
import {
  type Exchange, Head, type HttpConnect, type HttpConnection, type HttpHandler, type HttpSink, requestHead,
} from "../../src/http/index.ts";

/** What makes the two sides that are tested. */
export interface PairFactory {
  readonly version: 1 | 2;
  readonly connect: HttpConnect;
  accept(runtime: Runtime, options: AcceptOwner & { handle: HttpHandler }): (stream: ByteStream) => Accepted;
}

/** A client connected to a server whose handler each case sets. */
export interface ExchangePair {
  readonly version: 1 | 2;
  readonly connection: HttpConnection;
  handle: HttpHandler;
  /** What the client's connection told, in order. */
  readonly told: string[];
  /** The server's half of the connection. */
  served(): ServedConnection;
  /** What the server's half ended with, once it has: `orderly`, or the message. */
  ended(): string | undefined;
  sleep(ms: number): Promise<void>;
  close(): Promise<void>;
}

export async function connectPair(
  factory: PairFactory, runtimes: readonly [Runtime, Runtime], address: string,
): Promise<ExchangePair> {
  const [server, client] = runtimes;
  let served: ServedConnection | undefined;
  let ended: string | undefined;
  const told: string[] = [];
  const accept = factory.accept(server, {
    handle: (request, exchange, last) => pair.handle(request, exchange, last),
    ended: (_connection, error) => {
      assert.equal(ended, undefined, "ended is told once");
      ended = error?.message ?? "orderly";
    },
  });
  const listener: Listener = await server.network.listen(address, (stream) => {
    const accepted = accept(stream);
    served = accepted.connection;
    return accepted.sink;
  });
  const opened = Promise.withResolvers<void>();
  const connection = factory.connect(client, listener.address, {
    opened: () => opened.resolve(),
    available: () => void told.push("available"),
    draining: () => void told.push("draining"),
    pinged: (ms) => void told.push(ms >= 0 ? "pinged" : "pinged before it was asked"),
    closed: (error) => {
      told.push(`closed ${error === undefined ? "orderly" : "with an error"}`);
      opened.reject(error ?? new Error("closed"));
    },
  });
  const sleep = (ms: number) => new Promise<void>((resolve) => void client.clock.after(ms, resolve));
  const pair: ExchangePair = {
    version: factory.version, connection, told, sleep,
    handle: () => assert.fail("no handler"),
    served: () => served ?? assert.fail("nothing was accepted"),
    ended: () => ended,
    async close() {
      connection.abort(new RpcError("cancelled", "the test is over"));
      await listener.close();
    },
  };
  await opened.promise;
  return pair;
}

export function fields(entries: Record<string, string> = {}): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, entries);
}

export function post(path = "/test.Service/Method", entries: Record<string, string> = {}): Head {
  return requestHead("POST", path, "http", "test.example:80", fields(entries));
}

export function response(entries: Record<string, string> = {}, status = 200): Head {
  return new Head(fields(entries), status);
}

export interface HeardOptions {
  /** Gives nothing back until `release` is called. */
  readonly holds?: boolean;
  onData?(heard: Heard): void;
  onEnd?(heard: Heard): void;
}

/** A sink that keeps what it hears, and checks that nothing comes behind the end. */
export class Heard implements HttpSink {
  exchange: Exchange | undefined = undefined;
  request: Head | undefined = undefined;
  headHeard: Head | undefined = undefined;
  readonly pieces: Uint8Array[] = [];
  bytes = 0;
  trailersHeard: Head | undefined = undefined;
  error: RpcError | undefined = undefined;
  isDone = false;
  readonly #options: HeardOptions;
  readonly #done = Promise.withResolvers<void>();
  #wake: (() => void) | undefined = undefined;
  #held = 0;
  #isHolding: boolean;

  constructor(options: HeardOptions = {}) {
    this.#options = options;
    this.#isHolding = options.holds ?? false;
  }

  head(head: Head, last: boolean): void {
    assert.ok(!this.isDone && this.headHeard === undefined, "one head, before the end");
    this.headHeard = head;
    if (last) this.#end();
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    assert.ok(!this.isDone, "no data behind the end");
    this.pieces.push(bytes.subarray(start, end));
    this.bytes += end - start;
    if (this.#isHolding) this.#held += end - start;
    else this.exchange?.consumed(end - start);
    this.#options.onData?.(this);
    if (last) this.#end();
  }

  trailers(trailers: Head): void {
    assert.ok(!this.isDone, "no trailers behind the end");
    this.trailersHeard = trailers;
    this.#end();
  }

  writable(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  failed(error: RpcError): void {
    // Behind the end of a request its exchange may still fail; behind that of a response it is over.
    assert.ok(this.error === undefined && (!this.isDone || this.headHeard === undefined), "no failure behind the end");
    assert.ok(RpcError.is(error));
    this.error = error;
    this.isDone = true;
    this.writable();
    this.#done.resolve();
  }

  #end(): void {
    this.isDone = true;
    this.#options.onEnd?.(this);
    this.#done.resolve();
  }

  /** Resolves at the end, however it came. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  get body(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.pieces));
  }

  /** Gives back what was held, and holds no longer. */
  release(): void {
    this.#isHolding = false;
    this.exchange?.consumed(this.#held);
    this.#held = 0;
  }

  /** Sends `body` in pieces, each when it may leave. */
  async send(body: Uint8Array, pieceBytes: number, last: boolean): Promise<void> {
    for (let offset = 0; offset < body.length; offset += pieceBytes) {
      await this.whenWritable();
      if (this.error !== undefined) return;
      const end = Math.min(offset + pieceBytes, body.length);
      sendPiece(this.exchange as Exchange, body.subarray(offset, end), last && end === body.length);
    }
  }

  async whenWritable(): Promise<void> {
    while (this.error === undefined && !(this.exchange as Exchange).writable) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function sendPiece(exchange: Exchange, piece: Uint8Array, last: boolean): void {
  exchange.begin().writeBytes(piece);
  exchange.end(last);
}

/** Sends a request, whole, and hears the answer. */
export function ask(pair: ExchangePair, head: Head, body: Uint8Array | undefined, options?: HeardOptions): Heard {
  const heard = new Heard(options);
  heard.exchange = pair.connection.request(head, body === undefined, heard);
  if (body !== undefined) sendPiece(heard.exchange, body, true);
  return heard;
}

/** A handler that calls `answer` once the request is whole. */
export function answering(answer: (request: Heard) => void, options: HeardOptions = {}): HttpHandler {
  return (head, exchange, last) => {
    const heard = new Heard({ ...options, onEnd: answer });
    heard.exchange = exchange;
    heard.request = head;
    if (last) {
      heard.isDone = true;
      answer(heard);
    }
    return heard;
  };
}

/** Sends the request's body back, with trailers if asked to. */
export const echo = answering((heard) => {
  const exchange = heard.exchange as Exchange;
  exchange.head(response({ "content-type": "application/octet-stream" }), false);
  sendPiece(exchange, heard.body, true);
});

/** Says where bytes differ, without a diff of millions. */
export function sameBytes(actual: Uint8Array, wanted: Uint8Array): void {
  assert.equal(actual.length, wanted.length, "so many bytes");
  const at = actual.findIndex((byte, i) => byte !== wanted[i]);
  assert.equal(at, -1, `byte ${at} differs`);
}

/** Bytes that show where they were cut or swapped. */
export function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 31 + (i >>> 8) * 7;
  return bytes;
}
