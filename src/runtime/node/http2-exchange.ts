/** A NodeExchange is one stream of `node:http2` as an Exchange. */
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { expected, RpcError } from "../../core/error.ts";
import { checkHead, resetByPeer, resetCode } from "../../http/h2/index.ts";
import { type Carrier, type Exchange, Head, type HttpSink, type ResetReason } from "../../http/index.ts";
import { Writer } from "../../wire/writer.ts";

/** What an exchange needs of its connection. */
export interface NodeCarrier extends Carrier {
  readonly windowBytes: number;
  lastReceivedMs: number;
  /** Received anything of an exchange. */
  heard(): void;
  /** Why the connection is gone, once it is. */
  readonly lost: RpcError | undefined;
  finished(exchange: NodeExchange): void;
}

export class NodeExchange implements Exchange {
  readonly version = 2;
  readonly carrier: NodeCarrier;
  readonly #stream: ClientHttp2Stream | ServerHttp2Stream;
  readonly #side: "client" | "server";
  /** Undefined while a server's handler has not returned it. */
  sink: HttpSink | undefined = undefined;
  #writer: Writer | undefined = undefined;
  #headSent: boolean;
  #localDone: boolean;
  #trailers: Head | undefined = undefined;
  #received: Head | undefined = undefined;
  #unconsumed = 0;
  isOver = false;
  untold: RpcError | undefined = undefined;

  constructor(
    carrier: NodeCarrier, stream: ClientHttp2Stream | ServerHttp2Stream, side: "client" | "server", localDone: boolean,
  ) {
    this.carrier = carrier;
    this.#stream = stream;
    this.#side = side;
    this.#headSent = side === "client";
    this.#localDone = localDone;
    stream.on("error", () => undefined);
    stream.on("data", (bytes: Uint8Array) => this.#data(bytes));
    stream.on("trailers", (fields: IncomingHttpHeaders) => {
      this.#received = receivedHead(fields);
    });
    stream.on("end", () => this.#ended());
    stream.on("drain", () => this.#guard((sink) => sink.writable()));
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ ...this.#trailers?.fields });
    });
    stream.on("close", () => this.#closed());
  }

  get peer(): string {
    return this.carrier.peer;
  }

  head(head: Head, last: boolean): void {
    if (this.#headSent || this.isOver) return;
    checkHead(head);
    const stream = this.#stream as ServerHttp2Stream;
    if (head.status < 200) {
      stream.additionalHeaders({ ...head.fields, ":status": head.status });
      return;
    }
    this.#headSent = true;
    if (stream.destroyed) return;
    const bodiless = last || head.status === 204 || head.status === 304;
    stream.respond({ ...head.fields, ":status": head.status }, { endStream: bodiless, waitForTrailers: !bodiless });
    if (last) this.#localEnded();
  }

  begin(): Writer {
    this.#writer = new Writer(1_024);
    return this.#writer;
  }

  end(last: boolean): void {
    const piece = this.#writer?.finish();
    this.#writer = undefined;
    if (piece === undefined || this.isOver || this.#localDone || !this.#headSent || this.#stream.destroyed) return;
    if (piece.length > 0) this.#stream.write(piece);
    if (!last) return;
    this.#stream.end();
    this.#localEnded();
  }

  abort(): void {
    this.#writer = undefined;
  }

  trailers(trailers: Head): void {
    if (this.isOver || this.#localDone || !this.#headSent) return;
    checkHead(trailers);
    this.#trailers = trailers;
    this.#stream.end();
    this.#localEnded();
  }

  /** Our half is complete. A response that is complete ends the exchange. */
  #localEnded(): void {
    this.#localDone = true;
    if (this.#side === "client") return;
    const stream = this.#stream;
    if (!stream.readableEnded) {
      // What of the request is still to come is nobody's; the stream ends when the response has left.
      stream.resume();
      stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
    }
    this.#finish();
  }

  get writable(): boolean {
    return this.isOver || this.#localDone || !this.#stream.writableNeedDrain;
  }

  consumed(bytes: number): void {
    if (this.isOver) return;
    this.#unconsumed -= bytes;
    if (this.#unconsumed * 2 < this.carrier.windowBytes) this.#stream.resume();
  }

  reset(reason: ResetReason): void {
    if (this.isOver) return;
    this.#finish();
    this.#stream.close(resetCode(reason));
  }

  /** Client: the response's head. */
  responded(fields: IncomingHttpHeaders, last: boolean): void {
    this.carrier.heard();
    const head = receivedHead(fields);
    if (last) this.#remoteEnded();
    this.#tell((sink) => sink.head?.(head, last));
  }

  #data(bytes: Uint8Array): void {
    this.carrier.heard();
    if (this.isOver) return;
    this.#unconsumed += bytes.length;
    if (this.#unconsumed >= this.carrier.windowBytes) this.#stream.pause();
    this.#guard((sink) => sink.data(bytes, 0, bytes.length, false));
  }

  #ended(): void {
    this.carrier.heard();
    if (this.isOver) return;
    const trailers = this.#received;
    // A stream that was reset ends too; its close says why.
    if (this.#stream.rstCode !== undefined && this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    if (this.#stream.aborted || this.carrier.lost !== undefined) return;
    this.#remoteEnded();
    if (trailers !== undefined) this.#tell((sink) => sink.trailers(trailers));
    else this.#tell((sink) => sink.data(nothing, 0, 0, true));
  }

  /** The peer's half is complete. On a client that is the response, which ends the exchange. */
  #remoteEnded(): void {
    if (this.#side === "server") return;
    this.#finish();
    if (!this.#localDone) this.#stream.end();
  }

  #closed(): void {
    if (this.isOver) return;
    const { lost } = this.carrier;
    const code = this.#stream.rstCode ?? constants.NGHTTP2_NO_ERROR;
    this.fail(lost !== undefined && code !== constants.NGHTTP2_REFUSED_STREAM
      ? lost : resetByPeer(code, this.#side === "server" ? "client" : "server"));
  }

  /** Ends it with an error that the sink hears. */
  fail(error: RpcError): void {
    if (this.isOver) return;
    this.#finish();
    if (this.sink === undefined) this.untold = error;
    else this.tellFailed(this.sink, error);
  }

  tellFailed(sink: HttpSink, error: RpcError): void {
    try {
      sink.failed(error);
    } catch {
      // It was told; there is nobody else to tell.
    }
  }

  #guard(tell: (sink: HttpSink) => void): void {
    if (!this.isOver) this.#tell(tell);
  }

  #tell(tell: (sink: HttpSink) => void): void {
    const { sink } = this;
    if (sink === undefined) return;
    try {
      tell(sink);
    } catch (error) {
      this.reset("internal");
      this.tellFailed(sink, RpcError.from(error, "internal"));
    }
  }

  #finish(): void {
    this.isOver = true;
    if (this.#side === "client") this.#stream.resume();
    this.carrier.finished(this);
  }
}

const nothing = new Uint8Array(0);

/** A head as Node gives it, without its pseudo-fields. */
export function receivedHead(given: IncomingHttpHeaders): Head {
  const fields = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !name.startsWith(":")) fields[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const text = (name: string) => typeof given[name] === "string" ? given[name] : "";
  return new Head(fields, Number(given[":status"] ?? 0), text(":method"), text(":path"), text(":scheme"),
    text(":authority") || (given[":method"] === undefined ? "" : fields["host"]));
}

/** What streams fail with when their connection is gone. */
export function connectionGone(error: RpcError | undefined): RpcError {
  return error ?? expected("unavailable", "the connection was closed", { phase: "network" });
}
