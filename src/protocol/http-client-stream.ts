/** A streaming call as a client sees it over HTTP: messages out, messages in, or both, each way under flow control. */
import type { AttemptObserver } from "../core/connection.ts";
import type { Cancellable, Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { emptyMetadata } from "../core/metadata.ts";
import type { Exchange, Head, HttpSink } from "../http/message.ts";
import type { Compression } from "../wire/compression.ts";
import { BodyReader } from "./body-reader.ts";
import type { CallEnd, Framing } from "./dialect.ts";
import { compressedFlag, type EnvelopeSink, Gathering } from "./envelope.ts";
import type { BoundTarget, HttpClientConnection } from "./http-client.ts";
import { ListedCall } from "./http-call-list.ts";
import {
  behindEnd, bodyOf, brokenOff, cardinality, decompressor, errorText, leftMs, maxErrorBytes, tellMetadata, unreadable,
} from "./http-client-call.ts";
import { HttpInbox } from "./http-inbox.ts";
import {
  decodeMessage, type Encoded, encodeMessage, headerBytesOf, keepEncoded, plainPayload, sendPiece,
} from "./http-message.ts";
import { HttpSender } from "./http-sender.ts";

export class HttpStreamCall extends ListedCall implements HttpSink, EnvelopeSink, Cancellable {
  readonly #connection: HttpClientConnection;
  readonly #target: BoundTarget;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  readonly #inbox: HttpInbox;
  #exchange: Exchange | undefined = undefined;
  #sender: HttpSender | undefined = undefined;
  /** What is to be sent, while the call waits: a request's bytes, or the caller's items. */
  #request: Encoded | undefined = undefined;
  #items: AsyncIterable<unknown> | undefined = undefined;
  #over = false;
  #framing: Framing = "enveloped";
  #compression: Compression | undefined = undefined;
  #errorHead: Head | undefined = undefined;
  /** The response's head while nothing has followed it: then it stands for the trailers. */
  #soleHead: Head | undefined = undefined;
  #errorBody: Gathering | undefined = undefined;
  #reader: BodyReader | undefined = undefined;
  #ending: CallEnd | undefined = undefined;
  /** What of the piece being read the inbox has been told, and of earlier pieces, of its first message. */
  #told = 0;
  #toldBefore = 0;
  #surplus = 0;
  /** Whether all was sent. */
  #said = false;

  constructor(connection: HttpClientConnection, target: BoundTarget, context: Context, observer: AttemptObserver) {
    super();
    this.#connection = connection;
    this.#target = target;
    this.#context = context;
    this.#observer = observer;
    this.#inbox = new HttpInbox(() => this.#exchange,
      () => this.cancelled(expected("cancelled", "the reader left the stream")));
  }

  /** An AsyncIterable, or a promise for a client stream. Throws when a single request cannot be encoded. */
  start(request: unknown): unknown {
    const connection = this.#connection;
    const context = this.#context;
    const { kind } = context.method;
    let encoded: Encoded | undefined;
    if (kind === "server_stream") encoded = this.#encode(request);
    else this.#items = request as AsyncIterable<unknown>;
    if (connection.mayCall) {
      this.#open(encoded, context.startedMs);
    } else {
      if (encoded !== undefined) this.#request = keepEncoded(encoded);
      connection.wait(this);
    }
    if (context.deadline !== Infinity) connection.clock.set(this, context.deadline);
    context.onCancel(this);
    return kind === "client_stream" ? this.#single() : this.#inbox;
  }

  #encode(value: unknown): Encoded {
    const { dialect, settings } = this.#connection;
    return encodeMessage(this.#target.coders.request, value, dialect.framing(this.#context.method),
      this.#target.compressor, settings.compressAboveBytes);
  }

  #open(request: Encoded | undefined, nowMs: number): void {
    const connection = this.#connection;
    const { dialect } = connection;
    const framing = dialect.framing(this.#context.method);
    const message = request?.bytes.subarray(0, request.length);
    const head = dialect.request(this.#target, this.#context, leftMs(this.#context.deadline, nowMs), false,
      framing === "bare" ? message : undefined);
    const body = message === undefined || framing !== "bare" ? message : bodyOf(dialect, head, message);
    const exchange = this.#exchange = connection.http.request(head, request !== undefined && body === undefined, this);
    connection.active.add(this);
    if (request !== undefined) {
      this.#said = true;
      if (body !== undefined) sendPiece(exchange, framing, body, body.length, true);
    } else {
      void this.#sendItems(exchange, this.#items as AsyncIterable<unknown>);
    }
  }

  send(): void {
    const request = this.#request;
    this.#request = undefined;
    try {
      this.#open(request, this.#connection.clock.now());
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
  }

  async #sendItems(exchange: Exchange, items: AsyncIterable<unknown>): Promise<void> {
    const framing = this.#connection.dialect.framing(this.#context.method);
    const sender = this.#sender = new HttpSender(exchange, (value) => {
      const { bytes, length } = this.#encode(value);
      sendPiece(exchange, framing, bytes, length, false);
    });
    try {
      await sender.sendAll(items);
      if (this.#over) return;
      this.#said = true;
      // The end of the body is an empty last piece.
      exchange.begin();
      exchange.end(true);
    } catch (error) {
      if (this.#over) return;
      exchange.reset("cancel");
      this.fail(RpcError.from(error, "cancelled"));
    }
  }

  async #single(): Promise<unknown> {
    const first = await this.#inbox.next();
    if (first.done === true) throw cardinality("no message");
    // The status comes behind the message, and may yet say that the call failed.
    const second = await this.#inbox.next();
    if (second.done === true) return first.value;
    this.#inbox.return().catch(() => undefined);
    throw cardinality("more than one message");
  }

  head(head: Head, last: boolean): void {
    if (this.#over) return;
    try {
      this.#read(head, last);
    } catch (error) {
      this.#broken(error);
    }
  }

  #read(head: Head, last: boolean): void {
    const connection = this.#connection;
    const response = connection.dialect.response(head, last, this.#target);
    if (response.header !== emptyMetadata) tellMetadata(connection, this.#context, "header", response.header);
    if (response.kind === "failed") {
      if (!last) this.#exchange?.reset("cancel");
      this.fail(response.error);
      return;
    }
    if (response.compression !== undefined) {
      this.#compression = decompressor(connection.compressions, response.compression);
    }
    if (response.kind === "error") {
      this.#errorHead = head;
      this.#errorBody = new Gathering(maxErrorBytes, undefined);
    } else {
      this.#framing = response.framing;
      this.#soleHead = head;
      this.#reader = new BodyReader(this, response.framing, connection.settings.maxMessageBytes, undefined);
      if (response.framing === "bare") this.#ending = { error: undefined, trailer: response.trailer ?? emptyMetadata };
      if (response.accepts !== undefined) connection.serverAccepts(response.accepts);
    }
    if (last) this.#end(undefined);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const exchange = this.#exchange as Exchange;
    const reader = this.#reader;
    if (this.#over || reader === undefined) {
      if (end > start) exchange.consumed(end - start);
      if (this.#over) return;
      const room = maxErrorBytes - (this.#errorBody?.length ?? 0);
      this.#errorBody?.add(bytes, start, Math.min(end, start + room));
      if (last || this.#errorBody?.length === maxErrorBytes) this.#end(undefined);
      return;
    }
    if (end > start) this.#soleHead = undefined;
    this.#told = 0;
    this.#toldBefore = reader.heldBytes;
    try {
      this.#surplus += end - start - reader.push(bytes, start, end);
      if (this.#surplus > 0) {
        exchange.consumed(this.#surplus);
        this.#surplus = 0;
      }
      const rest = reader.heldBytes - this.#toldBefore;
      if (rest > 0 && !this.#over) this.#inbox.partial(rest);
    } catch (error) {
      exchange.consumed(Math.max(0, end - start - this.#told));
      this.#broken(error);
      return;
    }
    if (last && !this.#over) this.#end(undefined);
  }

  envelope(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { dialect, settings } = this.#connection;
    const isBare = this.#framing === "bare";
    // An event came in more bytes than its data has.
    const bodyBytes = this.#framing === "events" ? this.#reader?.eventBytes ?? 0
      : end - start + headerBytesOf(this.#framing);
    const cost = bodyBytes - this.#toldBefore;
    if (this.#ending !== undefined && !isBare) throw behindEnd();
    if (flags > compressedFlag) {
      const payload = plainPayload(flags, bytes, start, end, this.#compression, settings.maxMessageBytes);
      this.#ending = dialect.readEnd(flags, payload, 0, payload.length, this.#target);
      if (this.#ending === undefined) throw new RpcError("internal", `a message has unknown flags (${flags})`);
      this.#exchange?.consumed(Math.max(0, cost));
    } else {
      const isCompressed = isBare ? this.#compression !== undefined : flags === compressedFlag;
      const value = decodeMessage(this.#target.coders.response, bytes, start, end, isCompressed, this.#compression,
        settings.maxMessageBytes);
      this.#inbox.push(value, cost);
    }
    this.#toldBefore = 0;
    this.#told += cost;
    return !this.#over;
  }

  trailers(trailers: Head): void {
    if (!this.#over) this.#end(trailers);
  }

  /** The response has ended. */
  #end(trailers: Head | undefined): void {
    const { dialect } = this.#connection;
    try {
      if (this.#errorBody !== undefined) {
        this.fail(this.#readError(this.#errorBody));
        return;
      }
      // What is held was told as it came.
      this.#toldBefore = this.#reader?.heldBytes ?? 0;
      if (this.#framing === "bare") this.#reader?.end();
      const { error, trailer } = this.#ending ?? dialect.readTrailers(trailers ?? this.#soleHead, this.#target);
      if (error !== undefined) {
        this.fail(error);
        return;
      }
      if (this.#framing !== "bare") this.#reader?.end();
      if (trailer !== emptyMetadata) tellMetadata(this.#connection, this.#context, "trailer", trailer);
    } catch (error) {
      this.#broken(error);
      return;
    }
    this.#finish(undefined);
    this.#inbox.close();
  }

  #readError(body: Gathering): RpcError {
    const text = errorText(body, this.#compression);
    const end = this.#connection.dialect.readError?.(this.#errorHead as Head, text, this.#target);
    return end?.error ?? new RpcError("internal", "the server sent an error that cannot be read", { phase: "decode" });
  }

  /** What came breaks the rules. */
  #broken(error: unknown): void {
    if (this.#over) return;
    this.#exchange?.reset("cancel");
    this.failed(unreadable("a message of the stream cannot be read", error));
  }

  writable(): void {
    this.#sender?.wake();
  }

  failed(error: RpcError): void {
    this.fail(brokenOff(error, this.#context, this.#connection.clock.now()));
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    if (error.metadata !== undefined) tellMetadata(this.#connection, this.#context, "trailer", error.metadata);
    this.#finish(error);
    this.#inbox.close(error);
  }

  #finish(error: RpcError | undefined): void {
    this.#over = true;
    const connection = this.#connection;
    if (this.isSet) connection.clock.clear(this);
    this.#context.offCancel(this);
    this.#reader?.stop();
    this.#inbox.settle();
    this.list?.remove(this);
    // The server has said all; what we would still say nobody reads.
    this.#exchange?.reset(this.#said ? "none" : "cancel");
    this.#sender?.stop();
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, connection.clock.now(), error);
  }

  ring(): void {
    const ranMs = Math.round(this.#connection.clock.now() - this.#context.startedMs);
    this.#exchange?.reset("cancel");
    this.fail(expected("deadline_exceeded", this.#exchange === undefined
      ? `the deadline passed: the server took no more calls at once for ${ranMs} ms`
      : `the deadline passed ${ranMs} ms into the stream`,
      { phase: this.#exchange === undefined ? "queue" : "network" }));
  }

  cancelled(reason: RpcError): void {
    this.abandon(reason);
  }

  /** A stream that has begun is never repeated, so a suspicion does not end it. */
  readonly repeatable = false;

  abandon(error: RpcError): void {
    if (this.#over) return;
    this.#exchange?.reset("cancel");
    this.fail(error);
  }
}
