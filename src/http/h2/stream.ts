/**
 * An Http2Stream is one exchange on an HTTP/2 connection: what is left of its windows, what of its body waits, and
 * who hears the peer.
 */
import { expected, RpcError } from "../../core/error.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Exchange, Head, HttpSink, ResetReason } from "../message.ts";
import { ErrorCode, Flag, FrameType } from "./constants.ts";
import { resetByPeer, resetCode } from "./failure.ts";
import { checkHead } from "./hpack-encoder.ts";
import type { Http2Session } from "./session.ts";

/** What waits to be sent: pieces of the body, from `offset` of the first on, and how it ends. */
interface Waiting {
  readonly pieces: Uint8Array[];
  offset: number;
  bytes: number;
  isLast: boolean;
  trailers: Head | undefined;
}

/** So much of one stream leaves before others have their turn. */
const turnBytes = 65_536;
/** A piece that the peer's window keeps below this costs more in frames than it carries. */
const smallPieceBytes = 256;

export class Http2Stream implements Exchange {
  readonly version = 2;
  readonly id: number;
  readonly carrier: Http2Session;
  /** Undefined while a server's handler has not returned it. */
  sink: HttpSink | undefined;
  /** What we may still send, and what the peer may. */
  sendWindow: number;
  #receiveWindow: number;
  /** Bytes of body that were handed over and not given back. */
  #unconsumed = 0;
  /** Bytes given back that the peer has not been credited for. */
  #uncredited = 0;
  /** Bytes of body received, and how many the head promised; -1 if it did not say. */
  #received = 0;
  expected = -1;
  /** Client: whether the response's head has come, and how many informational ones came before. */
  headReceived = false;
  informational = 0;
  /** Client: whether the response has no body, whatever its content-length (HEAD). */
  isBodiless = false;
  #headSent = false;
  /** Whether our half, or the peer's, is complete. */
  localDone = false;
  remoteDone = false;
  /** Whether it is over for us. */
  isOver = false;
  /** Why it failed before there was a sink to tell. */
  untold: RpcError | undefined = undefined;
  #waiting: Waiting | undefined = undefined;
  /** Body bytes sent, by which progress shows: then, and when that was. */
  sentBytes = 0;
  markedBytes = -1;
  markedMs = 0;

  constructor(session: Http2Session, id: number, sink: HttpSink | undefined) {
    this.carrier = session;
    this.id = id;
    this.sink = sink;
    this.sendWindow = session.peerWindowBytes;
    this.#receiveWindow = session.settings.streamWindowBytes;
  }

  get peer(): string {
    return this.carrier.peer;
  }

  /** Bytes of body that wait for the peer to take them. */
  get queuedBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** Client: the request's head is on its way. */
  requested(isLast: boolean): void {
    this.#headSent = true;
    this.localDone = isLast;
  }

  head(head: Head, last: boolean): void {
    if (this.isOver || this.#headSent) return;
    const block = this.carrier.encoder.encode(head);
    if (head.status >= 200) this.#headSent = true;
    const isLast = last && this.#headSent;
    this.carrier.outbox.headers(block, isLast, this.id, this.carrier.peerMaxFrameBytes);
    if (isLast) this.#localEnded();
  }

  begin(): Writer {
    const { outbox } = this.carrier;
    outbox.begin();
    return outbox;
  }

  abort(): void {
    this.carrier.outbox.abort();
  }

  end(last: boolean): void {
    const session = this.carrier;
    const { outbox } = session;
    if (this.isOver || this.localDone || !this.#headSent) {
      outbox.abort();
      return;
    }
    const length = outbox.payloadBytes;
    if (this.#waiting !== undefined || length > this.sendWindow || length > session.sendWindow ||
      length > session.peerMaxFrameBytes || outbox.full) {
      this.#endWaiting(last, length);
      return;
    }
    this.#spend(length);
    outbox.end(FrameType.data, last ? Flag.endStream : 0, this.id);
    if (last) this.#localEnded();
  }

  #spend(bytes: number): void {
    const session = this.carrier;
    this.sendWindow -= bytes;
    session.sendWindow -= bytes;
    session.dataFrames++;
    session.dataBytes += bytes;
    this.sentBytes += bytes;
  }

  /** Keeps the piece begun in the outbox, and sends of it what may leave. */
  #endWaiting(last: boolean, length: number): void {
    const session = this.carrier;
    const { outbox } = session;
    const start = outbox.position - length;
    // A copy, which a Buffer's own slice is not.
    const piece = new Uint8Array(outbox.bytes.subarray(start, outbox.position));
    outbox.abort();
    const waiting = this.#waiting ??= { pieces: [], offset: 0, bytes: 0, isLast: false, trailers: undefined };
    waiting.isLast = last;
    if (length > 0 || waiting.pieces.length === 0) waiting.pieces.push(piece);
    waiting.bytes += length;
    session.queuedBytes += length;
    if (last) this.localDone = true;
    session.waiting.add(this);
    this.#pump(Infinity);
    if (session.queuedBytes > session.settings.maxQueuedBytes && this.#waiting !== undefined) this.#overflow();
  }

  /** Too much waits on this connection. Told later: whoever sends is not in a state to hear it. */
  #overflow(): void {
    const session = this.carrier;
    const { maxQueuedBytes } = session.settings;
    const error = expected("resource_exhausted", `more than ${maxQueuedBytes} bytes wait for the peer to take them ` +
      "(maxQueuedBytes)", { phase: "network", retryable: false });
    const { sink } = this;
    session.sendReset(this.id, ErrorCode.cancel);
    this.finish();
    session.settleSoon();
    if (sink === undefined) this.untold = error;
    else session.clock.defer(() => this.tellFailed(sink, error));
  }

  trailers(trailers: Head): void {
    if (this.isOver || this.localDone || !this.#headSent) return;
    if (this.#waiting !== undefined) {
      // Whatever is wrong with them shows now, not when nobody could be told.
      checkHead(trailers);
      this.#waiting.trailers = trailers;
      this.localDone = true;
      return;
    }
    const block = this.carrier.encoder.encode(trailers);
    this.carrier.outbox.headers(block, true, this.id, this.carrier.peerMaxFrameBytes);
    this.#localEnded();
  }

  get writable(): boolean {
    const session = this.carrier;
    if (this.isOver || this.localDone) return true;
    if (this.#waiting === undefined && this.sendWindow > 0 && session.sendWindow > 0 && !session.outbox.full) {
      return true;
    }
    session.waiting.add(this);
    return false;
  }

  /** Something that it waited for has come: sends on, and tells the sink when it may. */
  wake(): void {
    this.#pump(turnBytes);
    if (this.isOver || this.#waiting !== undefined) return;
    if (this.localDone) this.carrier.waiting.delete(this);
    else if (this.writable) {
      this.carrier.waiting.delete(this);
      try {
        this.sink?.writable();
      } catch (error) {
        this.#sinkThrew(error);
      }
    }
  }

  /** Sends of what waits, `left` bytes at most. */
  #pump(left: number): void {
    const session = this.carrier;
    const { outbox } = session;
    for (let waiting = this.#waiting; waiting !== undefined && left > 0; waiting = this.#waiting) {
      const piece = waiting.pieces[0] as Uint8Array;
      const open = piece.length - waiting.offset;
      const room = Math.min(this.sendWindow, session.sendWindow, session.peerMaxFrameBytes);
      const count = Math.min(open, Math.max(room, 0));
      if (outbox.full || count === 0 && open > 0) return;
      if (count < smallPieceBytes && count < open) session.smallPiece();
      outbox.begin();
      outbox.writeBytes(piece.subarray(waiting.offset, waiting.offset + count));
      waiting.offset += count;
      waiting.bytes -= count;
      session.queuedBytes -= count;
      left -= count;
      if (count === open) {
        waiting.pieces.shift();
        waiting.offset = 0;
      }
      const isDone = waiting.pieces.length === 0;
      this.#spend(count);
      outbox.end(FrameType.data, isDone && waiting.isLast ? Flag.endStream : 0, this.id);
      if (isDone) this.#sentAll(waiting);
    }
  }

  #sentAll({ isLast, trailers }: Waiting): void {
    this.#waiting = undefined;
    if (trailers !== undefined) {
      const block = this.carrier.encoder.encode(trailers);
      this.carrier.outbox.headers(block, true, this.id, this.carrier.peerMaxFrameBytes);
    }
    if (isLast || trailers !== undefined) this.#localEnded();
  }

  /** Our half is complete, and sent. A response that is complete ends the exchange. */
  #localEnded(): void {
    this.localDone = true;
    if (this.carrier.side === "client") return;
    if (!this.remoteDone) this.carrier.sendReset(this.id, ErrorCode.none);
    this.carrier.completed();
    this.finish();
  }

  consumed(bytes: number): void {
    // Of an exchange that is over, all was given back when it ended.
    if (this.isOver) return;
    const count = Math.min(bytes, this.#unconsumed);
    this.#unconsumed -= count;
    this.carrier.consumed(count);
    this.#credit(count);
  }

  #credit(bytes: number): void {
    if (this.remoteDone) return;
    this.#uncredited += bytes;
    if (this.#uncredited * 4 < this.carrier.settings.streamWindowBytes) return;
    this.carrier.outbox.windowUpdate(this.id, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  reset(reason: ResetReason): void {
    if (this.isOver) return;
    this.carrier.sendReset(this.id, resetCode(reason));
    this.finish();
    this.carrier.settleSoon();
  }

  /** Takes a DATA frame off the stream's window; whether the peer had so much. */
  charge(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    return this.#receiveWindow >= 0;
  }

  /** Whether the length of the body is still what the head promised. */
  agrees(bytes: number, isLast: boolean): boolean {
    this.#received += bytes;
    return this.expected < 0 || (isLast ? this.#received === this.expected : this.#received <= this.expected);
  }

  /** Padding is nobody's to give back. */
  padded(bytes: number): void {
    this.carrier.consumed(bytes);
    this.#credit(bytes);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#unconsumed += end - start;
    if (last) this.remoteEnded();
    try {
      this.sink?.data(bytes, start, end, last);
    } catch (error) {
      this.#sinkThrew(error);
    }
  }

  responded(head: Head, last: boolean): void {
    this.headReceived = true;
    if (last) this.remoteEnded();
    try {
      this.sink?.head?.(head, last);
    } catch (error) {
      this.#sinkThrew(error);
    }
  }

  trailed(trailers: Head): void {
    this.remoteEnded();
    try {
      this.sink?.trailers(trailers);
    } catch (error) {
      this.#sinkThrew(error);
    }
  }

  /** The peer's half is complete. On a client that is the response, which ends the exchange. */
  remoteEnded(): void {
    this.remoteDone = true;
    const session = this.carrier;
    if (session.side === "server") return;
    if (!this.localDone && this.#waiting === undefined) {
      session.outbox.begin();
      session.outbox.end(FrameType.data, Flag.endStream, this.id);
    } else if (this.#waiting !== undefined) {
      session.sendReset(this.id, ErrorCode.cancel);
    }
    this.finish();
  }

  /** Who hears must not throw; if it does, that ends this exchange and nothing else. */
  #sinkThrew(error: unknown): void {
    const { sink } = this;
    if (!this.isOver) {
      this.carrier.sendReset(this.id, ErrorCode.internal);
      this.finish();
    }
    if (sink !== undefined) this.tellFailed(sink, RpcError.from(error, "internal"));
  }

  resetByPeer(errorCode: number): void {
    this.fail(resetByPeer(errorCode, this.carrier.side === "server" ? "client" : "server"));
  }

  /** Ends it with an error that the sink hears. */
  fail(error: RpcError): void {
    if (this.isOver) return;
    const { sink } = this;
    this.finish();
    if (sink === undefined) this.untold = error;
    else this.tellFailed(sink, error);
  }

  tellFailed(sink: HttpSink, error: RpcError): void {
    try {
      sink.failed(error);
    } catch {
      // It was told; there is nobody else to tell.
    }
  }

  /** It is over: what it held of the connection is given back. */
  finish(): void {
    const session = this.carrier;
    this.isOver = true;
    if (this.#waiting !== undefined) {
      session.queuedBytes -= this.#waiting.bytes;
      this.#waiting = undefined;
    }
    if (session.waiting.size > 0) session.waiting.delete(this);
    session.streams.remove(this.id);
    if (this.#unconsumed > 0) {
      session.consumed(this.#unconsumed);
      this.#unconsumed = 0;
    }
    session.finished(this);
  }
}
