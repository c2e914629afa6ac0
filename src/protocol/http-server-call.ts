/** One call as a server sees it over HTTP, whatever its dialect and shape. */
import { Alarm } from "../core/alarm.ts";
import type { Coder } from "../contract/codec.ts";
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { isPromise } from "../core/service.ts";
import type { Exchange, Head, HttpSink } from "../http/message.ts";
import { BodyReader } from "./body-reader.ts";
import type { End, RequestHead } from "./dialect.ts";
import { compressedFlag, envelopeHeaderBytes, envelopeLength, type EnvelopeSink } from "./envelope.ts";
import { HttpInbox } from "./http-inbox.ts";
import { type Heartbeat, heartbeat } from "./http-heartbeat.ts";
import { decodeMessage, encodeMessage, headerBytesOf, sendPiece, sendReply } from "./http-message.ts";
import { lingerMs } from "./http-remainder.ts";
import {
  bareHead, cardinality, errorEnd, sendEnd, stalled, successEnd, successHead, unexpected, unsayable,
} from "./http-reply.ts";
import { HttpSender } from "./http-sender.ts";
import type { CarrierState, Reading } from "./http-server.ts";
import type { Route } from "./router.ts";

/** A reply up to so long leaves with its end at once; the end of a longer one waits until the caller has taken it. */
const tailAboveBytes = 16_384;
/** The caller has the body already. */
const notModifiedStatus = 304;
/** Less of a message within `stallTimeoutMs` is no progress: a caller could dribble for ever. */
const progressBytes = 1_024;

export class HttpServerCall extends Alarm implements HttpSink, EnvelopeSink {
  readonly #state: CarrierState;
  readonly #reading: Reading;
  readonly #head: Head;
  readonly #exchange: Exchange;
  readonly #context: Context;
  /** Whether the handler has been started. */
  #running = false;
  /** Whether the caller has been told how it ends, or is gone: nothing more is sent. */
  #over = false;
  /** Whether the request has ended. */
  #heard = false;
  #headSent = false;
  /** The message of a call that takes one, until its end is there too. */
  #message: unknown = nothing;
  /** Only for a body that is not one envelope in one piece. */
  #reader: BodyReader | undefined = undefined;
  #inbox: HttpInbox | undefined = undefined;
  #sender: HttpSender | undefined = undefined;
  /** Of a stream: what writes its messages, and speaks in between. */
  #coder: Coder | undefined = undefined;
  #heart: Heartbeat | undefined = undefined;
  /** What of the piece being read the inbox has been told, and of earlier pieces, of its first message. */
  #told = 0;
  #toldBefore = 0;
  /** Bytes of base64 that were more than what they said. */
  #surplus = 0;
  /** When the request last went on, while it must, and what came since. */
  #grownMs = 0;
  #grownBytes = 0;
  /** How a reply ends that waits to be taken, and how long it is. */
  #tail: End | undefined = undefined;
  #tailBytes = 0;

  constructor(state: CarrierState, reading: Reading, head: Head, exchange: Exchange, context: Context) {
    super();
    this.#state = state;
    this.#reading = reading;
    this.#head = head;
    this.#exchange = exchange;
    this.#context = context;
  }

  get #route(): Route {
    return this.#reading.route as Route;
  }

  get #request(): RequestHead {
    return this.#reading.request as RequestHead;
  }

  /** `last`: the request has no body. */
  begin(last: boolean): void {
    const { message, framing } = this.#request;
    const { kind } = this.#route.method;
    if (kind === "client_stream" || kind === "bidi_stream") {
      // A reader that leaves early stops the messages, not the call.
      this.#inbox = new HttpInbox(() => this.#exchange, () => undefined);
      this.#reader = new BodyReader(this, framing, this.#state.server.settings.maxMessageBytes, this.#state);
      this.#wait();
      this.#run(this.#inbox);
    }
    if (message !== undefined) this.#whole(message);
    else if (last) this.#end();
    else if (this.#inbox === undefined) this.#state.awaits(this);
  }

  /** Watches over a call of whose message nothing has come. */
  watch(): void {
    if (!this.#heard && !this.#over && !this.isSet) this.#wait();
  }

  /** A request without a body has its message in its head. */
  #whole(message: Uint8Array): void {
    this.#heard = true;
    try {
      this.envelope(0, message, 0, message.length);
    } catch (error) {
      this.#stop(RpcError.from(error, "internal"), true);
      return;
    }
    if (!this.#over) this.#run(this.#message);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#inbox !== undefined || this.#over) {
      this.#streamed(bytes, start, end);
    } else {
      if (end > start) this.#exchange.consumed(end - start);
      this.#single(bytes, start, end, last);
    }
    if (last) this.#end();
  }

  /** Trailers of a request say nothing in any dialect. */
  trailers(): void {
    this.#end();
  }

  /** The body of a call that takes one message. */
  #single(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const { framing } = this.#request;
    try {
      if (this.#reader === undefined && last && this.#message === nothing) {
        if (framing === "bare") {
          if (end - start <= this.#state.server.settings.maxMessageBytes) this.envelope(0, bytes, start, end);
        } else if (framing === "enveloped" && end - start >= envelopeHeaderBytes &&
          envelopeLength(bytes, start) === end - start - envelopeHeaderBytes &&
          end - start <= this.#state.server.settings.maxMessageBytes) {
          this.envelope(bytes[start] as number, bytes, start + envelopeHeaderBytes, end);
        }
        if (this.#message !== nothing) return;
      }
      this.#goesOn(end - start, false);
      this.#reader ??= new BodyReader(this, framing, this.#state.server.settings.maxMessageBytes, this.#state);
      this.#reader.push(bytes, start, end);
      if (!last && !this.isSet) this.#wait();
    } catch (error) {
      this.#stop(RpcError.from(error, "internal"), true);
    }
  }

  /** The body of a call that takes a stream, or that is over. */
  #streamed(bytes: Uint8Array, start: number, end: number): void {
    const inbox = this.#inbox;
    const reader = this.#reader;
    if (this.#over || inbox === undefined || reader === undefined) {
      if (end > start) this.#exchange.consumed(end - start);
      return;
    }
    this.#told = 0;
    this.#toldBefore = reader.heldBytes;
    this.#goesOn(end - start, this.#toldBefore === 0);
    try {
      this.#surplus += end - start - reader.push(bytes, start, end);
      // What a text encoding took beyond the bytes it said is room at once.
      if (this.#surplus > 0) this.#exchange.consumed(this.#surplus);
      this.#surplus = Math.min(0, this.#surplus);
      const rest = reader.heldBytes - this.#toldBefore;
      if (rest > 0 && !this.#over) inbox.partial(rest);
    } catch (error) {
      this.#exchange.consumed(Math.max(0, end - start - this.#told));
      this.#stop(RpcError.from(error, "internal"), true);
    }
  }

  envelope(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#over) return false;
    const { framing } = this.#request;
    const { compression } = this.#reading;
    if (flags > compressedFlag) {
      throw new RpcError("internal", `a message has unknown flags (${flags})`, { phase: "decode" });
    }
    const isCompressed = headerBytesOf(framing) === 0 ? compression !== undefined : flags === compressedFlag;
    const value = decodeMessage(this.#reading.requestCoder as Coder, bytes, start, end, isCompressed, compression,
      this.#state.server.settings.maxMessageBytes);
    if (this.#inbox === undefined) {
      if (this.#message !== nothing) throw cardinality("more than one message");
      this.#message = value;
      return true;
    }
    // The first of a piece may have begun in earlier ones, whose part the inbox knows.
    const cost = end - start + headerBytesOf(framing) - this.#toldBefore;
    this.#toldBefore = 0;
    this.#told += cost;
    this.#goesOn(cost, true);
    this.#inbox.push(value, cost);
    return !this.#over;
  }

  /** Notes that the request goes on: a message begins or is complete, or more came than a dribble. */
  #goesOn(bytes: number, isBoundary: boolean): void {
    this.#grownBytes += bytes;
    if (!isBoundary && this.#grownBytes < progressBytes) return;
    this.#grownBytes = 0;
    this.#grownMs = this.#exchange.carrier.lastReceivedMs;
  }

  /** The request has ended. */
  #end(): void {
    if (this.#heard) return;
    this.#heard = true;
    if (this.#over) {
      this.#disarm();
      return;
    }
    try {
      this.#toldBefore = this.#reader?.heldBytes ?? 0;
      this.#reader?.end();
      this.#inbox?.close();
      if (this.#inbox !== undefined) return;
      if (this.#message === nothing) {
        // A bare body of no bytes is a message all the same: one whose fields are all absent.
        if (this.#request.framing !== "bare") throw cardinality("no message");
        this.envelope(0, none, 0, 0);
      }
    } catch (error) {
      this.#stop(RpcError.from(error, "internal"), true);
      return;
    }
    if (!this.#over) this.#run(this.#message);
  }

  #run(request: unknown): void {
    this.#running = true;
    this.#message = undefined;
    const { method, service } = this.#route;
    let answer: unknown;
    try {
      answer = service(request, this.#context);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (method.kind === "server_stream" || method.kind === "bidi_stream") {
      this.#arm();
      this.#stream(answer).then(this.#finished, this.#failed);
    } else if (isPromise(answer)) {
      this.#arm();
      answer.then(this.#answered, this.#failed);
    } else {
      this.#answered(answer);
    }
  }

  async #stream(answer: unknown): Promise<void> {
    const items = (isPromise(answer) ? await answer : answer) as AsyncIterable<unknown>;
    this.#sender = new HttpSender(this.#exchange, (value) => this.#send(value));
    if (this.#over) this.#sender.stop();
    const { clock } = this.#state.server.serving.runtime;
    if (!this.#over) this.#heart = heartbeat(this.#request.reply, clock, this.#exchange, this.#open);
    await this.#sender.sendAll(items);
  }

  readonly #open = (): void => {
    if (!this.#headSent) this.#sendHead(successHead(this.#reading, this.#context.reply));
  };

  /** Sends one message of a stream. */
  #send(value: unknown): void {
    const { replyFraming: framing, replyCompression: compression } = this.#reading;
    const { compressAboveBytes } = this.#state.server.settings;
    const coder = this.#coder ??= this.#reading.streamCoder();
    const { bytes, length } = encodeMessage(coder, value, framing, compression, compressAboveBytes);
    this.#open();
    sendPiece(this.#exchange, framing, bytes, length, false);
  }

  #sendHead(head: Head, last = false): void {
    this.#exchange.head(head, last);
    this.#headSent = true;
  }

  readonly #finished = (): void => {
    if (this.#over) {
      this.#count(this.#context.cancelReason);
      return;
    }
    try {
      const head = this.#headSent ? undefined : successHead(this.#reading, this.#context.reply);
      const end = successEnd(this.#reading, this.#state.withLoad(this.#context.reply?.trailer, this.#reading));
      if (head !== undefined) this.#sendHead(head);
      this.#leave();
      sendEnd(this.#exchange, this.#reading.replyFraming, end);
    } catch (error) {
      this.#fail(unsayable(error));
      return;
    }
    this.#count(undefined);
  };

  readonly #answered = (answer: unknown): void => {
    if (this.#over) {
      this.#count(this.#context.cancelReason);
      return;
    }
    try {
      this.#reply(answer);
    } catch (error) {
      this.#fail(unsayable(error));
      return;
    }
    this.#count(undefined);
  };

  /** Sends the one message of a reply, and its end: head, message and trailers leave in one write. */
  #reply(answer: unknown): void {
    const state = this.#state;
    const { reply } = this.#context;
    const { replyFraming: framing } = this.#reading;
    const { settings } = state.server;
    const trailer = state.withLoad(reply?.trailer, this.#reading);
    const compression = this.#reading.replyCompression;
    const coder = this.#reading.replyCoder as Coder;
    if (framing === "bare") {
      const message = encodeMessage(coder, answer, framing, compression, settings.compressAboveBytes);
      const { bytes, length } = message;
      const head = bareHead(this.#reading, message, reply?.header, trailer);
      if (length > tailAboveBytes) state.checkTail(length);
      const hasBody = this.#head.method !== "HEAD" && head.status !== notModifiedStatus;
      this.#sendHead(head, !hasBody);
      this.#leave();
      if (hasBody) sendPiece(this.#exchange, framing, bytes, length, true);
      return;
    }
    const head = successHead(this.#reading, this.#context.reply);
    const end = successEnd(this.#reading, trailer);
    const { bytes, length } = encodeMessage(coder, answer, framing, compression, settings.compressAboveBytes);
    if (length > tailAboveBytes) state.checkTail(length);
    this.#sendHead(head);
    this.#leave();
    sendPiece(this.#exchange, framing, bytes, length, false);
    if (length > tailAboveBytes && !this.#exchange.writable) this.#sendTail(end, length);
    else sendEnd(this.#exchange, framing, end);
  }

  /** The end follows when the caller has taken what goes before; till then the call is not forgotten. */
  #sendTail(end: End, length: number): void {
    this.#tail = end;
    this.#tailBytes = length;
    this.#state.tailBytes += length;
    const { clock } = this.#state.server.serving.runtime;
    clock.set(this, clock.now() + this.#state.server.settings.stallTimeoutMs);
  }

  #dropTail(): void {
    if (this.#tail === undefined) return;
    this.#tail = undefined;
    this.#state.tailBytes -= this.#tailBytes;
    this.#disarm();
  }

  readonly #failed = (error: unknown): void => {
    if (this.#over) this.#count(RpcError.from(error, "internal"));
    else this.#fail(RpcError.is(error) ? error : unexpected(error));
  };

  /** Tells the caller of the failure of a handler that has ended, and counts it. */
  #fail(failure: RpcError): void {
    if (!this.#over) {
      this.#tell(failure);
      this.#leave();
    } else {
      // What was to be its end could not be said.
      this.#exchange.reset("internal");
    }
    this.#count(failure);
  }

  #tell(failure: RpcError): void {
    const { dialect } = this.#reading;
    const { reply } = this.#context;
    const exchange = this.#exchange;
    try {
      if (!this.#headSent) {
        sendReply(exchange, dialect.refusal(this.#request, this.#head, failure, reply, this.#route.coders));
      } else if (this.#tail === undefined && this.#reading.replyFraming !== "bare") {
        sendEnd(exchange, this.#reading.replyFraming, errorEnd(this.#reading, failure, reply?.trailer));
      } else {
        exchange.reset("cancel");
      }
    } catch {
      // A failure that cannot even be said: there is no other way to end.
      exchange.reset("internal");
    }
  }

  writable(): void {
    if (this.#tail === undefined) {
      this.#sender?.wake();
      return;
    }
    const end = this.#tail;
    this.#dropTail();
    sendEnd(this.#exchange, this.#reading.replyFraming, end);
    this.#linger();
  }

  /** The caller has reset the exchange, or is gone. */
  failed(error: RpcError): void {
    this.#heard = true;
    this.#dropTail();
    this.#stop(expected("cancelled", `the caller ended the call: ${error.message}`, { cause: error, remote: true }),
      false);
    this.#disarm();
  }

  /** The deadline has come, or the request has not gone on for too long, or the reply not been taken. */
  ring(): void {
    const { serving, settings } = this.#state.server;
    const nowMs = serving.runtime.clock.now();
    if (this.#tail !== undefined) {
      this.#dropTail();
      serving.observer.event?.("server.reply.cut", {
        peer: this.#exchange.peer, error: `the reply was not taken for ${settings.stallTimeoutMs} ms (stallTimeoutMs)`,
      });
      this.#exchange.reset("cancel");
    } else if (this.#over) {
      this.#exchange.reset("none");
    } else if (nowMs >= this.#context.deadline) {
      this.#stop(expected("deadline_exceeded", "the deadline passed while the server was at work",
        { phase: "handler", retryable: false }), true);
    } else if (this.#stalled(nowMs)) {
      this.#stop(stalled(this.#reader !== undefined, settings.stallTimeoutMs), true);
    } else {
      this.#wait();
    }
  }

  #stalled(nowMs: number): boolean {
    if (this.#heard || nowMs - this.#grownMs < this.#state.server.settings.stallTimeoutMs) return false;
    const inbox = this.#inbox;
    return inbox === undefined || ((this.#reader?.heldBytes ?? 0) > 0 && !inbox.holding);
  }

  /** Rings at the deadline, or when the request has stalled. */
  #wait(): void {
    const { serving: { runtime: { clock } }, settings } = this.#state.server;
    this.#grownMs = Math.max(this.#grownMs, this.#exchange.carrier.lastReceivedMs);
    clock.set(this, Math.min(this.#context.deadline, clock.now() + settings.stallTimeoutMs));
  }

  /** Rings at the deadline; a request stream is looked after meanwhile. */
  #arm(): void {
    const { deadline } = this.#context;
    if (this.#inbox !== undefined && !this.#heard) this.#wait();
    else if (deadline !== Infinity) this.#state.server.serving.runtime.clock.set(this, deadline);
    else this.#disarm();
  }

  #disarm(): void {
    if (this.isSet) this.#state.server.serving.runtime.clock.clear(this);
  }

  /** Stops the handler as far as it listens. It is counted when it ends, since until then it uses the server. */
  #stop(reason: RpcError, tell: boolean): void {
    if (this.#over) return;
    // What waits for a caller that takes nothing would keep the end waiting too.
    if (tell && this.#headSent && !this.#exchange.writable) this.#exchange.reset("cancel");
    else if (tell) this.#tell(reason);
    this.#leave();
    this.#inbox?.close(reason);
    this.#context.cancel(reason);
    if (!this.#running) this.#count(reason);
  }

  /** Nothing more is said after this turn. */
  #leave(): void {
    this.#over = true;
    this.#disarm();
    this.#heart?.stop();
    this.#sender?.stop();
    this.#reader?.stop();
    this.#inbox?.settle();
    this.#linger();
  }

  /** A caller that goes on sending what nobody reads is told to stop. */
  #linger(): void {
    if (this.#heard || this.#tail !== undefined) return;
    const { clock } = this.#state.server.serving.runtime;
    clock.set(this, clock.now() + lingerMs);
  }

  #count(error: RpcError | undefined): void {
    this.#state.count(this.#context, this.#context.startedMs, error);
  }
}

/** Marks that no message has come. */
const nothing = Symbol("nothing");
const none = new Uint8Array(0);
