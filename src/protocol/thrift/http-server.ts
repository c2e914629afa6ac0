/** The server half of Thrift over HTTP: a POST whose body is one message, in whatever protocol, and so its response. */
import { Alarm } from "../../core/alarm.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Exchange, Head, type HttpHandler, type HttpSink } from "../../http/message.ts";
import { Writer } from "../../wire/writer.ts";
import { sendReply } from "../http-message.ts";
import { Remainder } from "../http-remainder.ts";
import type { Serving } from "../router.ts";
import { type UnaryCall, UnaryCalls } from "../unary-calls.ts";
import { joined } from "../../wire/joined.ts";
import { readCallFields, writeReplyFields } from "./call-fields.ts";
import { failureOf } from "./failure.ts";
import {
  checkSize, malformed, MessageHead, MessageType, nameBytes, type ThriftEncoding, writeHead, writeTail,
} from "./message.ts";
import { encodingAt } from "./opening.ts";
import { resolveSettings, type ThriftSettings } from "./settings.ts";

/** What clients of Thrift send; which protocol it is shows in the body. */
const contentTypes: readonly string[] = [
  "application/x-thrift", "application/vnd.apache.thrift.binary", "application/vnd.apache.thrift.compact",
  "application/vnd.apache.thrift.json",
];

/** Serves POSTs of Thrift's content types, and lets everything else through. */
export function withThrift(
  serving: Serving, given: Partial<ThriftSettings> | undefined, next: HttpHandler,
): HttpHandler {
  const settings = resolveSettings(given);
  /** By connection: the limits of its calls. */
  const calls = new WeakMap<object, UnaryCalls>();
  return (head, exchange, last) => {
    // Python adds its own content type to one that its user set.
    const type = head.fields["content-type"]?.split(/[;,]/, 1)[0]?.trim().toLowerCase() ?? "";
    if (head.method !== "POST" || !contentTypes.includes(type)) return next(head, exchange, last);
    let own = calls.get(exchange.carrier);
    if (own === undefined) {
      const { maxConcurrentCalls } = settings;
      calls.set(exchange.carrier, own = new UnaryCalls(serving, { peer: exchange.peer, from: exchange.carrier.from, maxConcurrentCalls }));
    }
    const call = new ThriftExchange(serving, settings, own, head, exchange, type);
    if (last) call.data(nothing, 0, 0, true);
    return call;
  };
}

const nothing = new Uint8Array(0);

/** One message and its answer. As an alarm it ends a request that stalls. */
class ThriftExchange extends Alarm implements HttpSink {
  readonly #serving: Serving;
  readonly #settings: ThriftSettings;
  readonly #calls: UnaryCalls;
  readonly #head: Head;
  readonly #exchange: Exchange;
  readonly #type: string;
  #parts: Uint8Array[] = [];
  #length = 0;
  #call: UnaryCall | undefined = undefined;
  #isOver = false;
  #rest: Remainder | undefined = undefined;

  constructor(
    serving: Serving, settings: ThriftSettings, calls: UnaryCalls, head: Head, exchange: Exchange, type: string,
  ) {
    super();
    this.#serving = serving;
    this.#settings = settings;
    this.#calls = calls;
    this.#head = head;
    this.#exchange = exchange;
    this.#type = type;
    this.keepsAlive = false;
    const { clock } = serving.runtime;
    clock.set(this, clock.now() + settings.stallTimeoutMs);
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#rest !== undefined) {
      this.#rest.data(bytes, start, end, last);
      return;
    }
    this.#exchange.consumed(end - start);
    this.#parts.push(bytes.subarray(start, end));
    this.#length += end - start;
    const { maxMessageBytes } = this.#settings;
    if (this.#length > maxMessageBytes) {
      this.#refuse(413, expected("resource_exhausted",
        `a message of more than ${maxMessageBytes} bytes (maxMessageBytes)`), last);
    } else if (last) this.#complete();
  }

  #complete(): void {
    this.#unset();
    const body = joined(this.#parts, this.#length);
    this.#parts = [];
    const head = new MessageHead();
    const encoding = encodingAt(body, 0);
    try {
      if (encoding === false || encoding === undefined) throw malformed("the body begins as no call does");
      head.read(encoding, body, 0, body.length);
    } catch (error) {
      this.#refuse(400, RpcError.from(error, "internal"), true);
      return;
    }
    this.#begin(encoding, head, body);
  }

  #begin(encoding: ThriftEncoding, head: MessageHead, body: Uint8Array): void {
    const name = head.name(body);
    const colon = name.lastIndexOf(":");
    const route = this.#serving.router({
      path: colon < 0 ? name : `${name.slice(0, colon)}/${name.slice(colon + 1)}`, isBare: true,
      codec: `thrift-${encoding}`, kind: "unary", idempotent: false, criticality: "default",
    });
    const { fields, timeoutMs } = readCallFields(this.#head.fields);
    const receivedMs = this.#exchange.carrier.lastReceivedMs;
    const isOneway = head.type === MessageType.oneway;
    const opening = { receivedMs, deadline: receivedMs + (timeoutMs ?? Infinity), fields };
    const reply = (error: RpcError | undefined, value: unknown, context: Context | undefined): void => {
      if (isOneway || this.#isOver) return;
      const writer = new Writer(512);
      const names = nameBytes(encoding, name.slice(colon + 1));
      let failure = error;
      if (failure === undefined && !RpcError.is(route)) {
        try {
          writeHead(writer, encoding, names, MessageType.reply, head.seqid);
          route.coders.response.encode(value, writer);
          writeTail(writer, encoding);
          checkSize(writer.position, this.#settings.maxMessageBytes);
        } catch (cause) {
          writer.position = 0;
          failure = new RpcError("internal", `the reply cannot be encoded: ${RpcError.from(cause).message}`,
            { cause, phase: "encode", retryable: false });
        }
      }
      if (failure !== undefined) {
        const { isDeclared, struct } = failureOf(encoding, failure, RpcError.is(route) ? undefined : route.coders);
        writeHead(writer, encoding, names, isDeclared ? MessageType.reply : MessageType.exception, head.seqid);
        writer.writeBytes(struct);
        writeTail(writer, encoding);
      }
      this.#answer(200, this.#type, writer.finish(), writeReplyFields(context?.reply, failure?.metadata));
    };
    this.#call = this.#calls.begin(route, opening, body, head.bodyStart, head.bodyEnd, reply);
    // Whoever sends one way still waits for the response of HTTP.
    if (isOneway) this.#answer(200, this.#type, nothing, {});
  }

  #answer(status: number, type: string, body: Uint8Array, fields: Readonly<Record<string, string>>): void {
    this.#isOver = true;
    const all = Object.assign(Object.create(null) as Record<string, string>, fields, {
      "content-type": type, "content-length": String(body.length),
    });
    sendReply(this.#exchange, { head: new Head(all, status), body });
  }

  /** Answers what is no message of Thrift. */
  #refuse(status: number, error: RpcError, last: boolean): void {
    this.#unset();
    if (this.#isOver) return;
    this.#parts = [];
    this.#serving.observer.event?.("server.call.refused", {
      peer: this.#exchange.peer, method: undefined, code: error.code, error: error.message,
    });
    this.#answer(status, "text/plain; charset=utf-8", new TextEncoder().encode(`${error.message}\n`), {});
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
    this.#refuse(408, expected("deadline_exceeded", "the request was left unfinished (stallTimeoutMs)"), false);
  }
}
