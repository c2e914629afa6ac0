/**
 * The server half of Avro's RPC over HTTP: a request's body is a framed message that begins with a handshake, and so is
 * the response's. The path may name the service, for clients whose protocol is not known yet.
 */
import { type Exchange, Head, type HttpHandler } from "../../http/message.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { UnaryCall, UnaryCalls } from "../unary-calls.ts";
import { callsByConnection, WholeExchange } from "../whole-exchange.ts";
import { Answering, type AnswerSink } from "./answering.ts";
import { bodyHeadBytes, endBody, handshakeBytes, outOfFrames } from "./frames.ts";
import { HeadsByLength } from "./heads.ts";
import { borrowWriter, returnWriter } from "./scratch.ts";
import { type AvroSettings, resolveAvroSettings } from "./settings.ts";

export const avroContentType = "avro/binary";

/** Serves requests of the content type `avro/binary`, and lets everything else through. */
export function withAvro(serving: Serving, settings: Partial<AvroSettings> | undefined,
  next: HttpHandler): HttpHandler {
  const answering = new Answering(serving, resolveAvroSettings(settings));
  const callsOf = callsByConnection(serving, answering.settings.maxConcurrentCalls);
  return (head, exchange, last) => {
    if (head.method !== "POST" || mediaType(head.fields["content-type"]) !== avroContentType) {
      return next(head, exchange, last);
    }
    const call = new AvroExchange(serving, answering, callsOf(exchange), head, exchange);
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

/** One message and its answer. */
class AvroExchange extends WholeExchange implements AnswerSink {
  readonly #answering: Answering;
  readonly #calls: UnaryCalls;
  readonly #hint: string;
  readonly #receivedMs: number;
  #writer: Writer | undefined = undefined;

  constructor(serving: Serving, answering: Answering, calls: UnaryCalls, head: Head, exchange: Exchange) {
    const { maxMessageBytes, stallTimeoutMs } = answering.settings;
    super(serving, exchange, { maxMessageBytes, besideBytes: handshakeBytes, stallTimeoutMs });
    this.#answering = answering;
    this.#calls = calls;
    this.#hint = head.path.slice(1).split("?", 1)[0] as string;
    this.#receivedMs = exchange.carrier.lastReceivedMs;
  }

  protected received(body: Uint8Array): UnaryCall | undefined {
    const message = outOfFrames(body, this.#answering.settings.maxMessageBytes);
    return this.#answering.answer({
      calls: this.#calls, receivedMs: this.#receivedMs, client: undefined, hint: this.#hint,
    }, this, message, 0, message.length).call;
  }

  begin(): Writer | undefined {
    if (this.isOver) return undefined;
    const writer = this.#writer = borrowWriter();
    writer.position = bodyHeadBytes;
    return writer;
  }

  end(): void {
    const writer = this.#writer;
    if (this.isOver || writer === undefined) return;
    const body = endBody(writer);
    this.answer(okHeads.of(body.length), body);
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
}
