/**
 * A network over ZeroMQ: byte streams in the messages of DEALER and ROUTER sockets, for places where brokers and
 * devices of ZeroMQ stand between. By the package `zeromq`, which is loaded on first use.
 *
 * ZeroMQ hides connections: a DEALER connects again by itself, and a ROUTER knows nobody who has left. So a stream is
 * opened, accepted, kept alive and closed by messages of its own, whose first byte says what they are.
 */
import type * as ZeroMqPackage from "zeromq";
import { RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Listener, Network } from "../../core/runtime.ts";

export interface ZeroMqOptions {
  /**
   * CURVE (https://rfc.zeromq.org/spec/26/) instead of TLS, which ZeroMQ does not know: keys of 40 characters in Z85,
   * as `curveKeyPair()` of the package makes them. A server has its own pair, a client its own and the server's
   * public key.
   */
  readonly curve?: {
    readonly publicKey: string; readonly secretKey: string; readonly serverKey?: string | undefined;
  } | undefined;
  /**
   * Silence after which a listener gives a stream up, in milliseconds; clients say a word thrice as often. Default
   * 30,000.
   */
  readonly silenceMs?: number | undefined;
}

/** What the first byte of a message says. */
const Word = { open: 0, accept: 1, data: 2, close: 3, alive: 4, unknown: 5 } as const;
/** Bytes that may wait for ZeroMQ to take them before writers are told to stop. */
const highWaterBytes = 1 << 20;

type ZeroMq = typeof ZeroMqPackage;
let loading: Promise<ZeroMq> | undefined;

function load(): Promise<ZeroMq> {
  return loading ??= import("zeromq").catch((error: unknown) => {
    loading = undefined;
    throw new RpcError("failed_precondition", "the package zeromq is not there: npm install zeromq",
      { cause: error, phase: "connect", neverStarted: true, retryable: false });
  });
}

/**
 * Streams over ZeroMQ's TCP transport, at `host:port`. What runs over it is said apart:
 *
 * ```ts
 * await server.listen({ network: zeromq(), port: 7001 });
 * createClient(Calculator, { address: "calc.internal:7001", protocol: over(zeromq(), native()) });
 * ```
 */
export function zeromq(options: ZeroMqOptions = {}): Network {
  const settings: Settings = { silenceMs: options.silenceMs ?? 30_000, curve: options.curve };
  return {
    connect(address, sink, security) {
      if (security !== undefined) throw noTls();
      return new DealerStream(address, sink, settings);
    },
    listen: (address, accept, security) => security === undefined ? listen(address, accept, settings)
      : Promise.reject(noTls()),
    datagrams: () => Promise.reject(new RpcError("unimplemented", "ZeroMQ has no datagrams here")),
  };
}

interface Settings {
  readonly silenceMs: number;
  readonly curve: ZeroMqOptions["curve"];
}

function noTls(): RpcError {
  return new RpcError("invalid_argument", "ZeroMQ knows no TLS: leave `tls` out, and give `zeromq` its `curve`",
    { phase: "connect", neverStarted: true, retryable: false });
}

function message(word: number, bytes?: Uint8Array): Uint8Array {
  const made = new Uint8Array(1 + (bytes?.length ?? 0));
  made[0] = word;
  if (bytes !== undefined) made.set(bytes, 1);
  return made;
}

/** Messages that leave one after the other: ZeroMQ takes one at a time. */
class Outgoing {
  readonly #send: (bytes: Uint8Array) => Promise<void>;
  readonly #drained: () => void;
  readonly #failed: (error: unknown) => void;
  readonly #queue: { bytes: Uint8Array; written: (() => void) | undefined }[] = [];
  #busy = false;
  bufferedBytes = 0;
  #full = false;

  constructor(send: (bytes: Uint8Array) => Promise<void>, drained: () => void, failed: (error: unknown) => void) {
    this.#send = send;
    this.#drained = drained;
    this.#failed = failed;
  }

  push(bytes: Uint8Array, written?: () => void): boolean {
    this.#queue.push({ bytes, written });
    this.bufferedBytes += bytes.length;
    if (!this.#busy) void this.#run();
    this.#full ||= this.bufferedBytes > highWaterBytes;
    return !this.#full;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        await this.#send(next.bytes);
        this.bufferedBytes -= next.bytes.length;
        next.written?.();
        if (this.#full && this.bufferedBytes <= highWaterBytes / 2) {
          this.#full = false;
          this.#drained();
        }
      }
    } catch (error) {
      this.#failed(error);
    }
    this.#busy = false;
  }
}

/** What both ends have in common: words out, words in, and one end. */
abstract class ZeroMqStream implements ByteStream {
  readonly peer: string;
  sink!: ByteSink;
  readonly outgoing: Outgoing;
  isOver = false;
  #ending = false;
  #paused: Uint8Array[] | undefined = undefined;

  constructor(peer: string) {
    this.peer = peer;
    this.outgoing = new Outgoing((bytes) => this.send(bytes), () => this.sink.drained?.(),
      (error) => this.finish(error instanceof Error ? error : new Error(String(error))));
  }

  protected abstract send(bytes: Uint8Array): Promise<void>;
  /** Frees what the stream holds. */
  protected abstract release(): void;

  get bufferedBytes(): number {
    return this.outgoing.bufferedBytes;
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    return this.#ending || this.isOver || this.outgoing.push(message(Word.data, bytes), written);
  }

  /** Takes the payload of a data message; ZeroMQ's memory is handed on. */
  heard(bytes: Uint8Array): void {
    if (this.isOver) return;
    if (this.#paused === undefined) this.sink.received(bytes);
    else this.#paused.push(bytes);
  }

  pause(): void {
    this.#paused ??= [];
  }

  resume(): void {
    const held = this.#paused ?? [];
    this.#paused = undefined;
    for (const bytes of held) this.heard(bytes);
  }

  end(): void {
    if (this.#ending || this.isOver) return;
    this.#ending = true;
    this.outgoing.push(message(Word.close), () => this.finish(undefined));
  }

  destroy(): void {
    if (this.isOver) return;
    if (!this.#ending) this.outgoing.push(message(Word.close));
    queueMicrotask(() => this.finish(undefined));
  }

  finish(error: Error | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.release();
    this.sink.closed(error);
  }
}

class DealerStream extends ZeroMqStream {
  #socket: InstanceType<ZeroMq["Dealer"]> | undefined = undefined;
  #timer: ReturnType<typeof setInterval> | undefined = undefined;
  readonly #opening: Promise<void>;

  constructor(address: string, sink: ByteSink, settings: Settings) {
    super(address);
    this.sink = sink;
    this.#opening = this.#open(address, settings);
    this.#opening.catch((error: unknown) => this.finish(error instanceof Error ? error : new Error(String(error))));
  }

  async #open(address: string, { silenceMs, curve }: Settings): Promise<void> {
    const { Dealer } = await load();
    if (this.isOver) return;
    const socket = this.#socket = new Dealer({ linger: 100, sendHighWaterMark: 0, ...(curve === undefined ? {} : {
      curvePublicKey: curve.publicKey, curveSecretKey: curve.secretKey, curveServerKey: curve.serverKey ?? null,
    }) });
    // It would try again for ever, and lose what was said in between; whoever owns the stream knows better.
    const lost = (why: string): void => this.finish(new Error(`${address}: ${why}`));
    socket.events.on("connect:retry", () => lost("nobody listens there, or it refuses"));
    socket.events.on("disconnect", () => lost("the connection is gone"));
    socket.events.on("handshake:error:auth", () => lost("the server does not take our keys (curve)"));
    socket.connect(`tcp://${address}`);
    this.#timer = setInterval(() => this.outgoing.push(message(Word.alive)), silenceMs / 3);
    this.#timer.unref();
    await socket.send(message(Word.open));
    for await (const [bytes] of socket) {
      if (this.isOver) break;
      if (bytes !== undefined) this.#word(bytes);
    }
  }

  #word(bytes: Uint8Array): void {
    switch (bytes[0]) {
      case Word.accept: return this.sink.opened?.();
      case Word.data: return this.heard(bytes.subarray(1));
      case Word.close: return this.finish(undefined);
      case Word.unknown: return this.finish(new Error(`${this.peer} does not know this stream: it was restarted`));
      default:
    }
  }

  protected async send(bytes: Uint8Array): Promise<void> {
    // The first word must be out before others.
    while (this.#socket === undefined && !this.isOver) await load();
    await this.#socket?.send(bytes);
  }

  protected release(): void {
    clearInterval(this.#timer);
    // What was just queued is given its time by `linger`.
    if (this.#socket?.closed === false) this.#socket.close();
  }
}

class RouterStream extends ZeroMqStream {
  readonly #listener: RouterListener;
  readonly id: Uint8Array;
  heardMs = performance.now();

  constructor(listener: RouterListener, id: Uint8Array, peer: string) {
    super(peer);
    this.#listener = listener;
    this.id = id;
  }

  protected send(bytes: Uint8Array): Promise<void> {
    return this.#listener.send(this.id, bytes);
  }

  protected release(): void {
    this.#listener.left(this);
  }
}

/** Most streams of one listener; who comes beyond is told that its stream is unknown. */
const maxStreams = 20_000;

class RouterListener implements Listener {
  readonly address: string;
  readonly #socket: InstanceType<ZeroMq["Router"]>;
  readonly #accept: (stream: ByteStream) => ByteSink;
  readonly #silenceMs: number;
  readonly #streams = new Map<string, RouterStream>();
  readonly #timer: ReturnType<typeof setInterval>;
  /** ZeroMQ takes one message at a time, whoever it is for. */
  #sending: Promise<void> = Promise.resolve();
  #accepting = true;

  constructor(
    socket: InstanceType<ZeroMq["Router"]>, address: string, accept: (stream: ByteStream) => ByteSink,
    silenceMs: number,
  ) {
    this.#socket = socket;
    this.address = address;
    this.#accept = accept;
    this.#silenceMs = silenceMs;
    this.#timer = setInterval(() => this.#sweep(), silenceMs / 3).unref();
    void this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      for await (const [id, bytes] of this.#socket) if (id !== undefined && bytes !== undefined) this.#word(id, bytes);
    } catch {
      // The socket is closed: its streams have been told.
    }
  }

  #word(id: Buffer, bytes: Buffer): void {
    const name = id.toString("hex");
    const stream = this.#streams.get(name);
    if (stream === undefined) {
      if (bytes[0] === Word.open && this.#accepting && this.#streams.size < maxStreams) this.#open(name, id);
      else if (bytes[0] !== Word.close) this.send(id, message(Word.unknown)).catch(() => undefined);
      return;
    }
    stream.heardMs = performance.now();
    if (bytes[0] === Word.data) stream.heard(bytes.subarray(1));
    else if (bytes[0] === Word.close) stream.finish(undefined);
  }

  #open(name: string, id: Uint8Array): void {
    const stream = new RouterStream(this, id, `zeromq:${name}`);
    this.#streams.set(name, stream);
    stream.outgoing.push(message(Word.accept));
    stream.sink = this.#accept(stream);
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const stream of this.#streams.values()) {
      if (nowMs - stream.heardMs > this.#silenceMs) stream.finish(new Error("the peer has been silent"));
    }
  }

  send(id: Uint8Array, bytes: Uint8Array): Promise<void> {
    const sent = this.#sending.then(() => this.#socket.send([id, bytes]));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  left({ id }: RouterStream): void {
    this.#streams.delete(Buffer.from(id).toString("hex"));
    if (!this.#accepting && this.#streams.size === 0) this.#end();
  }

  close(): Promise<void> {
    this.#accepting = false;
    if (this.#streams.size === 0) this.#end();
    return Promise.resolve();
  }

  #end(): void {
    clearInterval(this.#timer);
    void this.#sending.then(() => {
      if (!this.#socket.closed) this.#socket.close();
    });
  }
}

async function listen(
  address: string, accept: (stream: ByteStream) => ByteSink, { silenceMs, curve }: Settings,
): Promise<Listener> {
  const { Router } = await load();
  // Without limit, a send that would wait is one to a peer that is about to be gone, and would hold up all others.
  const socket = new Router({
    linger: 100, mandatory: true, sendHighWaterMark: 0, sendTimeout: 0,
    ...(curve === undefined ? {} : {
      curveServer: true, curvePublicKey: curve.publicKey, curveSecretKey: curve.secretKey,
    }),
  });
  try {
    await socket.bind(`tcp://${address.replace(/:0$/, ":*")}`);
  } catch (error) {
    socket.close();
    throw new RpcError("unavailable", `cannot listen on ${address} by ZeroMQ: ${String(error)}`, { cause: error });
  }
  return new RouterListener(socket, (socket.lastEndpoint ?? "").replace(/^tcp:\/\//, ""), accept, silenceMs);
}
