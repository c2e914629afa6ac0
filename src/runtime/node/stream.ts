/**
 * A SocketStream is a ByteStream over a Node socket: one object a connection, no closure.
 *
 * The listeners are shared functions that find their stream on the socket. Whatever goes wrong with a socket
 * arrives as its `error` event and is told once, with its `close` event; nothing escapes as an uncaught error.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, SecureSession } from "../../core/runtime.ts";
import { connectionError } from "./error.ts";
import { NodeSession } from "./session.ts";

const owner = Symbol("meridian.stream");

type OwnedSocket = Socket & { [owner]: SocketStream };

export class SocketStream implements ByteStream {
  readonly peer: string;
  /** Set right after construction; an accepted stream exists before its sink. */
  sink: ByteSink | undefined = undefined;
  error: Error | undefined = undefined;
  secure: SecureSession | undefined = undefined;
  isOpen: boolean;
  isBlocked = false;
  /** Nothing more will be written: one side ended or destroyed it. */
  isEnded = false;
  readonly #socket: Socket;
  readonly #highWaterBytes: number;

  constructor(socket: Socket, peer: string, isOpen: boolean, highWaterBytes: number) {
    this.peer = peer;
    this.isOpen = isOpen;
    this.#socket = socket;
    this.#highWaterBytes = highWaterBytes;
    (socket as OwnedSocket)[owner] = this;
    if (!isOpen) socket.on(socket instanceof TLSSocket ? "secureConnect" : "connect", connected);
    else if (socket instanceof TLSSocket) this.secure = new NodeSession(socket);
    socket.on("data", received);
    socket.on("end", endedByPeer);
    socket.on("drain", drained);
    socket.on("error", failed);
    socket.on("close", closed);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.isEnded) return false;
    const socket = this.#socket;
    if (written === undefined) socket.write(bytes);
    else {
      // After a failure `closed` says that the bytes are free again; `written` would claim more.
      socket.write(bytes, (error) => {
        if (!error) written();
      });
    }
    if (socket.writableLength < this.#highWaterBytes) return true;
    this.isBlocked = true;
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#socket.end();
    // Only a stream that reads learns that its peer closed too.
    this.#socket.resume();
  }

  destroy(): void {
    this.isEnded = true;
    this.#socket.destroy();
  }
}

function connected(this: Socket): void {
  const stream = (this as OwnedSocket)[owner];
  stream.isOpen = true;
  if (this instanceof TLSSocket) stream.secure = new NodeSession(this);
  stream.sink?.opened?.();
}

function received(this: Socket, bytes: Uint8Array): void {
  (this as OwnedSocket)[owner].sink?.received(bytes);
}

/** Node now ends our half too; a write from here on would turn an orderly close into an error. */
function endedByPeer(this: Socket): void {
  (this as OwnedSocket)[owner].isEnded = true;
}

function drained(this: Socket): void {
  const stream = (this as OwnedSocket)[owner];
  if (!stream.isBlocked || stream.isEnded) return;
  stream.isBlocked = false;
  stream.sink?.drained?.();
}

function failed(this: Socket, error: Error): void {
  const stream = (this as OwnedSocket)[owner];
  stream.error ??= RpcError.is(error) ? error : connectionError(stream.peer, error, stream.isOpen);
}

function closed(this: Socket): void {
  const stream = (this as OwnedSocket)[owner];
  stream.isEnded = true;
  const sink = stream.sink;
  stream.sink = undefined;
  sink?.closed(stream.error);
}
