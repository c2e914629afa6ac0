/** JSON-RPC 2.0 over WebSocket: a message a text message, both ways, answers in whatever order they are there. */
import type { Accepted, AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { peerOf } from "../../core/peer.ts";
import type { ByteSink, ByteStream } from "../../core/runtime.ts";
import { CloseCode, FrameError, WebSocketConnection, type WebSocketEvents } from "../../http/websocket/index.ts";
import { Gathering } from "../envelope.ts";
import type { Serving } from "../router.ts";
import { UnaryCalls } from "../unary-calls.ts";
import type { WebSocketSpeech } from "../websocket.ts";
import { JsonRpcSession } from "./session.ts";
import type { JsonRpcSettings } from "./settings.ts";

/** What clients that name a protocol call it. */
export const jsonRpcProtocol = "jsonrpc";

/** Of clients that name the protocol, and of those that name none. */
export function jsonRpcSpeeches(serving: Serving, settings: JsonRpcSettings): readonly WebSocketSpeech[] {
  const accept = (stream: ByteStream, owner: AcceptOwner): Accepted => {
    const connection = new JsonRpcSocket(serving, settings, stream, owner);
    return { connection, sink: connection.sink };
  };
  return [{ protocol: jsonRpcProtocol, accept }, { protocol: undefined, accept }];
}

/** A peer that has been silent so long is asked for a sign of life; after as long again it is gone. Milliseconds. */
const silenceMs = 30_000;
/** Replies that wait for the caller to read them, in bytes. */
const maxQueuedBytes = 16_777_216;

class JsonRpcSocket implements ServedConnection, WebSocketEvents {
  readonly peer: string;
  readonly #serving: Serving;
  readonly #owner: AcceptOwner;
  readonly #stream: ByteStream;
  readonly #socket: WebSocketConnection;
  readonly #calls: UnaryCalls;
  readonly #session: JsonRpcSession;
  readonly #message: Gathering;
  #draining = false;
  #heardMs: number;
  #asked = false;
  #over = false;

  constructor(serving: Serving, settings: JsonRpcSettings, stream: ByteStream, owner: AcceptOwner) {
    this.peer = stream.peer;
    this.#serving = serving;
    this.#owner = owner;
    this.#stream = stream;
    this.#socket = new WebSocketConnection(serving.runtime.clock, stream, this, undefined);
    this.#calls = new UnaryCalls(serving, {
      peer: stream.peer, from: peerOf(stream), maxConcurrentCalls: settings.maxConcurrentCalls,
      emptied: () => {
        if (this.#draining) this.#socket.close(CloseCode.goingAway, "the server is shutting down");
      },
    });
    this.#session = new JsonRpcSession(this.#calls, settings);
    this.#message = new Gathering(settings.maxMessageBytes, undefined);
    this.#heardMs = serving.runtime.clock.now();
  }

  /** Hears the stream: any byte is a sign of life. */
  get sink(): ByteSink {
    const socket = this.#socket;
    return {
      received: (bytes) => {
        this.#heardMs = this.#serving.runtime.clock.now();
        this.#asked = false;
        socket.received(bytes);
      },
      drained: () => socket.drained(),
      closed: (error) => socket.closed(error),
    };
  }

  get inFlight(): number {
    return this.#calls.open.size;
  }

  piece(isText: boolean, bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void {
    if (!isText) throw new FrameError(CloseCode.unsupported, "JSON-RPC is spoken in text messages here");
    if (first && last) return this.#handle(bytes, start, end);
    try {
      this.#message.add(bytes, start, end);
    } catch (error) {
      throw new FrameError(CloseCode.tooBig, RpcError.from(error).message);
    }
    if (!last) return;
    const { bytes: whole, length } = this.#message;
    this.#message.drop();
    this.#handle(whole, 0, length);
  }

  #handle(bytes: Uint8Array, start: number, end: number): void {
    this.#session.handle(bytes, start, end, this.#heardMs, undefined, (reply) => {
      if (reply === undefined || this.#over) return;
      if (this.#stream.bufferedBytes > maxQueuedBytes) {
        this.#socket.destroy();
        return;
      }
      this.#socket.queue(true, reply);
    });
  }

  drained(): void {
    // Nobody waits to send: what is answered leaves, up to the limit.
  }

  closed(error: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#message.drop();
    this.#calls.abandon(expected("cancelled", "the caller's connection is gone", { cause: error }));
    this.#owner.ended(this, error);
    this.#owner.gone?.(this);
  }

  drain(reason: RpcError): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#calls.drain(reason);
    if (this.inFlight === 0) this.#socket.close(CloseCode.goingAway, reason.message);
  }

  close(reason: RpcError): void {
    this.#draining = true;
    this.#calls.close(reason);
    this.#socket.close(CloseCode.goingAway, reason.message);
  }

  sweep(nowMs: number): void {
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= 2 * silenceMs) {
      this.#socket.destroy();
    } else if (silentMs >= silenceMs && !this.#asked) {
      this.#asked = true;
      this.#socket.ping();
    }
  }
}
