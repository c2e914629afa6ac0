/**
 * The server half of Avro's RPC over HTTP: a request's body is a framed message that begins with a handshake, and so is
 * the response's. The path may name the service, for clients whose protocol is not known yet.
 */
import { expected, RpcError } from "../../core/error.ts";
import { type Exchange, Head, type HttpHandler, type HttpSink } from "../../http/message.ts";
import type { Writer } from "../../wire/writer.ts";
import { sendReply } from "../http-message.ts";
import { Remainder } from "../http-remainder.ts";
import type { Serving } from "../router.ts";
import { type UnaryCall, UnaryCalls } from "../unary-calls.ts";
import { Alarm } from "../../core/alarm.ts";
import { Answering, type AnswerSink } from "./answering.ts";
import { malformed } from "./binary.ts";
import { bodyHeadBytes, endBody, joined, outOfFrames } from "./frames.ts";
import { HeadsByLength } from "./heads.ts";
import { borrowWriter, returnWriter } from "./scratch.ts";
import { type AvroSettings, resolveAvroSettings } from "./settings.ts";

export const avroContentType = "avro/binary";

/** Serves requests of the content type `avro/binary`, and lets everything else through. */
export function withAvro(serving: Serving, settings: Partial<AvroSettings> | undefined,
  next: HttpHandler): HttpHandler {
  const answering = new Answering(serving, resolveAvroSettings(settings));
  /** By connection: the limits of its calls. */
  const calls = new WeakMap<object, UnaryCalls>();
  return (head, exchange, last) => {
    if (head.method !== "POST" || mediaType(head.fields["content-type"]) !== avroContentType) {
      return next(head, exchange, last);
    }
    let own = calls.get(exchange.carrier);
    if (own === undefined) {
      const { maxConcurrentCalls } = answering.settings;
      const { peer, carrier: { from } } = exchange;
      calls.set(exchange.carrier, own = new UnaryCalls(serving, { peer, from, maxConcurrentCalls }));
    }
    const call = new AvroExchange(serving, answering, own, head, exchange);
    if (last) call.data(nothing, 0, 0, true);
    return call;
  };
}

const nothing = new Uint8Array(0);

function mediaType(value: string | undefined): string | undefined {
  return value?.split(";", 1)[0]?.trim().toLowerCase();
}

const okHeads = new HeadsByLength((length) => new Head(
  Object.assign(Object.create(null) as Record<string, string>, {
    "content-type": avroContentType, "content-length": String(length),
  }), 200));

/** One message and its answer. As an alarm it ends a request that stalls. */
class AvroExchange extends Alarm implements HttpSink, AnswerSink {
  readonly #serving: Serving;
  readonly #answering: Answering;
  readonly #calls: UnaryCalls;
  readonly #hint: string;
  readonly #exchange: Exchange;
  readonly #receivedMs: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #call: UnaryCall | undefined = undefined;
  #writer: Writer | undefined = undefined;
  #isOver = false;
  #rest: Remainder | undefined = undefined;

  constructor(serving: Serving, answering: Answering, calls: UnaryCalls, head: Head, exchange: Exchange) {
    super();
    this.#serving = serving;
    this.#answering = answering;
    this.#calls = calls;
    this.#hint = head.path.slice(1).split("?", 1)[0] as string;
    this.#exchange = exchange;
    this.#receivedMs = exchange.carrier.lastReceivedMs;
    this.keepsAlive = false;
    const { clock } = serving.runtime;
    clock.set(this, clock.now() + answering.settings.stallTimeoutMs);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#rest !== undefined) {
      this.#rest.data(bytes, start, end, last);
      return;
    }
    this.#exchange.consumed(end - start);
    this.#parts.push(bytes.subarray(start, end));
    this.#length += end - start;
    const { maxMessageBytes } = this.#answering.settings;
    if (this.#length > maxMessageBytes + 65_536) {
      this.#refuse(413, expected("resource_exhausted",
        `a message has more than ${maxMessageBytes} bytes (maxMessageBytes)`),
        last);
    } else if (last) this.#complete();
  }

  #complete(): void {
    this.#unset();
    const body = joined(this.#parts, this.#length);
    this.#parts = [];
    try {
      const message = outOfFrames(body, this.#answering.settings.maxMessageBytes);
      const { call } = this.#answering.answer({
        calls: this.#calls, receivedMs: this.#receivedMs, client: undefined, hint: this.#hint,
      }, this, message, 0, message.length);
      this.#call = call;
    } catch (error) {
      this.#refuse(400, RpcError.from(error, "internal"), true);
    }
  }

  begin(): Writer | undefined {
    if (this.#isOver) return undefined;
    const writer = this.#writer = borrowWriter();
    writer.position = bodyHeadBytes;
    return writer;
  }

  end(): void {
    const writer = this.#writer;
    if (this.#isOver || writer === undefined) return;
    this.#isOver = true;
    const body = endBody(writer);
    sendReply(this.#exchange, { head: okHeads.of(body.length), body });
    this.abort();
  }

  abort(): void {
    if (this.#writer !== undefined) returnWriter(this.#writer);
    this.#writer = undefined;
  }

  none(): void {
    this.begin();
    this.end();
  }

  /** Answers what is no message of Avro. */
  #refuse(status: number, error: RpcError, last: boolean): void {
    this.#unset();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts = [];
    this.#serving.observer.event?.("server.call.refused", {
      peer: this.#exchange.peer, method: undefined, code: error.code, error: error.message,
    });
    const body = new TextEncoder().encode(`${error.message}\n`);
    sendReply(this.#exchange, {
      head: new Head(Object.assign(Object.create(null) as Record<string, string>, {
        "content-type": "text/plain; charset=utf-8", "content-length": String(body.length),
      }), status), body,
    });
    this.#rest = new Remainder(this.#serving.runtime.clock, this.#exchange, last);
  }

  #unset(): void {
    if (this.isSet) this.#serving.runtime.clock.clear(this);
  }

  trailers(): void {
    if (this.#rest !== undefined) this.#rest.trailers();
    else this.#complete();
  }

  writable(): void {
    // An answer is one piece, which the exchange keeps until it is taken.
  }

  failed(error: RpcError): void {
    this.#unset();
    if (this.#rest !== undefined) {
      this.#rest.failed();
      return;
    }
    this.#isOver = true;
    this.#parts = [];
    this.#call?.stop(expected("cancelled", "the caller's connection is gone", { cause: error }), false);
  }

  /** The request does not end. */
  ring(): void {
    this.#refuse(408, malformed("the request was left unfinished"), false);
  }
}
