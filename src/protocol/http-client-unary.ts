/** A unary call as a client sees it over HTTP: a request out, a response in, one promise. */
import type { AttemptObserver } from "../core/connection.ts";
import type { Cancellable, Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { emptyMetadata, type Metadata } from "../core/metadata.ts";
import type { Exchange, Head, HttpSink } from "../http/message.ts";
import type { Compression } from "../wire/compression.ts";
import { BodyReader } from "./body-reader.ts";
import type { CallEnd, Framing } from "./dialect.ts";
import { compressedFlag, envelopeHeaderBytes, envelopeLength, type EnvelopeSink, Gathering } from "./envelope.ts";
import type { BoundTarget, HttpClientConnection } from "./http-client.ts";
import { ListedCall } from "./http-call-list.ts";
import {
  behindEnd, bodyOf, brokenOff, cardinality, decompressor, errorText, isRepeatable, leftMs, maxErrorBytes, tellMetadata,
  unreadable,
} from "./http-client-call.ts";
import { decodeMessage, type Encoded, encodeMessage, keepEncoded, plainPayload, sendPiece } from "./http-message.ts";

/** Requests up to so long have left, or will, when their response has come. */
const shortBytes = 16_384;

export class HttpUnaryCall extends ListedCall implements HttpSink, EnvelopeSink, Cancellable {
  readonly #connection: HttpClientConnection;
  readonly #target: BoundTarget;
  readonly #context: Context;
  readonly #observer: AttemptObserver;
  #exchange: Exchange | undefined = undefined;
  #over = false;
  #resolve!: (value: unknown) => void;
  #reject!: (error: RpcError) => void;
  /** The encoded request, while it waits to be sent. */
  #request: Encoded | undefined = undefined;
  #requestBytes = 0;
  #framing: Framing = "enveloped";
  #compression: Compression | undefined = undefined;
  /** Set while the body is an error's text. */
  #errorHead: Head | undefined = undefined;
  /** The response's head while nothing has followed it: then it stands for the trailers. */
  #soleHead: Head | undefined = undefined;
  #errorBody: Gathering | undefined = undefined;
  /** Only for a body that is not one message in one piece. */
  #reader: BodyReader | undefined = undefined;
  #value: unknown = nothing;
  #ending: CallEnd | undefined = undefined;

  constructor(connection: HttpClientConnection, target: BoundTarget, context: Context, observer: AttemptObserver) {
    super();
    this.#connection = connection;
    this.#target = target;
    this.#context = context;
    this.#observer = observer;
  }

  /** Throws, and leaves no trace, when the request cannot be encoded. */
  start(request: unknown): Promise<unknown> {
    const connection = this.#connection;
    const target = this.#target;
    const context = this.#context;
    const framing = connection.dialect.framing(context.method);
    const encoded = encodeMessage(target.coders.request, request, framing, target.compressor,
      connection.settings.compressAboveBytes);
    const answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (connection.mayCall) {
      this.#open(encoded, framing, context.startedMs);
    } else {
      this.#request = keepEncoded(encoded);
      connection.wait(this);
    }
    if (context.deadline !== Infinity) connection.clock.set(this, context.deadline);
    context.onCancel(this);
    return answer;
  }

  /** Head and body leave in one write. */
  #open({ bytes, length, compressed }: Encoded, framing: Framing, nowMs: number): void {
    const connection = this.#connection;
    const message = framing === "bare" ? bytes.subarray(0, length) : undefined;
    const head = connection.dialect.request(this.#target, this.#context, leftMs(this.#context.deadline, nowMs),
      compressed, message);
    const body = bodyOf(connection.dialect, head, bytes.subarray(0, length));
    const exchange = this.#exchange = connection.http.request(head, body === undefined, this);
    connection.active.add(this);
    this.#requestBytes = length;
    if (body !== undefined) sendPiece(exchange, framing, body, body.length, true);
  }

  send(): void {
    const request = this.#request as Encoded;
    this.#request = undefined;
    try {
      this.#open(request, this.#connection.dialect.framing(this.#context.method), this.#connection.clock.now());
    } catch (error) {
      this.fail(RpcError.from(error, "internal"));
    }
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
    if (response.header !== emptyMetadata) this.#tell("header", response.header);
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
      if (response.framing === "bare") this.#ending = { error: undefined, trailer: response.trailer ?? emptyMetadata };
      if (response.accepts !== undefined) connection.serverAccepts(response.accepts);
    }
    if (last) this.#end(undefined);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#over) return;
    if (end > start) {
      this.#exchange?.consumed(end - start);
      this.#soleHead = undefined;
    }
    try {
      if (this.#errorBody !== undefined) {
        this.#errorBody.add(bytes, start, Math.min(end, start + maxErrorBytes - this.#errorBody.length));
        // Of an error that goes on, what is here must do.
        if (!last && this.#errorBody.length === maxErrorBytes) {
          this.#exchange?.reset("cancel");
          this.#end(undefined);
        }
      } else if (!this.#whole(bytes, start, end, last)) {
        this.#reader ??= new BodyReader(this, this.#framing, this.#connection.settings.maxMessageBytes, undefined);
        this.#reader.push(bytes, start, end);
      }
    } catch (error) {
      this.#broken(error);
      return;
    }
    if (last && !this.#over) this.#end(undefined);
  }

  /** The common case: the message in one piece. */
  #whole(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.#reader !== undefined || this.#value !== nothing) return false;
    if (end - start > this.#connection.settings.maxMessageBytes) return false;
    if (this.#framing === "bare") {
      if (!last) return false;
      this.envelope(0, bytes, start, end);
      return true;
    }
    if (this.#framing !== "enveloped" || end - start < envelopeHeaderBytes ||
      envelopeLength(bytes, start) !== end - start - envelopeHeaderBytes) return false;
    this.envelope(bytes[start] as number, bytes, start + envelopeHeaderBytes, end);
    return true;
  }

  envelope(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { dialect, settings } = this.#connection;
    if (this.#ending !== undefined && this.#framing !== "bare") throw behindEnd();
    if (flags > compressedFlag) {
      const payload = plainPayload(flags, bytes, start, end, this.#compression, settings.maxMessageBytes);
      this.#ending = dialect.readEnd(flags, payload, 0, payload.length, this.#target);
      if (this.#ending === undefined) throw new RpcError("internal", `a message has unknown flags (${flags})`);
      return true;
    }
    const isCompressed = this.#framing === "bare" ? this.#compression !== undefined : flags === compressedFlag;
    const value = decodeMessage(this.#target.coders.response, bytes, start, end, isCompressed, this.#compression,
      settings.maxMessageBytes);
    if (this.#value !== nothing) throw cardinality("more than one message");
    this.#value = value;
    return true;
  }

  trailers(trailers: Head): void {
    if (!this.#over) this.#end(trailers);
  }

  /** The response has ended. */
  #end(trailers: Head | undefined): void {
    const { dialect } = this.#connection;
    try {
      if (this.#errorBody !== undefined) {
        this.fail(this.#readError());
        return;
      }
      if (this.#framing === "bare" && this.#value === nothing) this.#reader?.end();
      // A bare body of no bytes is a message all the same: one whose fields are all absent.
      if (this.#framing === "bare" && this.#value === nothing) this.envelope(0, none, 0, 0);
      const { error, trailer } = this.#ending ?? dialect.readTrailers(trailers ?? this.#soleHead, this.#target);
      if (error !== undefined) {
        this.fail(error);
        return;
      }
      if (this.#framing !== "bare") this.#reader?.end();
      if (this.#value === nothing) throw cardinality("no message");
      if (trailer !== emptyMetadata) this.#tell("trailer", trailer);
    } catch (error) {
      this.#broken(error);
      return;
    }
    // A response may come before all of a large request has left: the rest would only be thrown away.
    if (this.#requestBytes > shortBytes) this.#exchange?.reset("none");
    this.#finish(this.#connection.lastReceivedMs, undefined);
    this.#resolve(this.#value);
  }

  #readError(): RpcError {
    const text = errorText(this.#errorBody as Gathering, this.#compression);
    const end = this.#connection.dialect.readError?.(this.#errorHead as Head, text, this.#target);
    return end?.error ?? new RpcError("internal", "the server sent an error that cannot be read", { phase: "decode" });
  }

  /** What came breaks the rules. */
  #broken(error: unknown): void {
    if (this.#over) return;
    this.#exchange?.reset("cancel");
    this.failed(unreadable("the reply cannot be read", error));
  }

  writable(): void {
    // The request went out whole; what the peer does not take yet waits in the exchange.
  }

  failed(error: RpcError): void {
    this.fail(brokenOff(error, this.#context, this.#connection.clock.now()));
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    if (error.metadata !== undefined) this.#tell("trailer", error.metadata);
    // Of a request that is not all sent the rest is not wanted any more; one that is over does not mind.
    if (this.#requestBytes > shortBytes) this.#exchange?.reset("cancel");
    this.#finish(this.#connection.clock.now(), error);
    this.#reject(error);
  }

  #tell(kind: "header" | "trailer", metadata: Metadata): void {
    tellMetadata(this.#connection, this.#context, kind, metadata);
  }

  #finish(endedMs: number, error: RpcError | undefined): void {
    this.#over = true;
    if (this.isSet) this.#connection.clock.clear(this);
    this.#context.offCancel(this);
    this.#reader?.stop();
    this.list?.remove(this);
    this.#observer.attemptEnded(this.#context, this.#context.startedMs, endedMs, error);
  }

  /** The deadline has come. */
  ring(): void {
    const waitedMs = Math.round(this.#connection.clock.now() - this.#context.startedMs);
    if (this.#exchange === undefined) {
      this.fail(expected("deadline_exceeded", `the deadline passed: the server took no more calls at once for ` +
        `${waitedMs} ms`, { phase: "queue" }));
      return;
    }
    this.#exchange.reset("cancel");
    this.fail(expected("deadline_exceeded",
      `the deadline passed: no reply ${waitedMs} ms after the request was sent`, { phase: "network" }));
  }

  cancelled(reason: RpcError): void {
    this.abandon(reason);
  }

  get repeatable(): boolean {
    return isRepeatable(this.#context);
  }

  abandon(error: RpcError): void {
    if (this.#over) return;
    this.#exchange?.reset("cancel");
    this.fail(error);
  }
}

const nothing = Symbol("nothing");
const none = new Uint8Array(0);
