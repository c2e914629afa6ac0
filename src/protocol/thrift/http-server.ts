/** The server half of Thrift over HTTP: a POST whose body is one message, in whatever protocol, and so its response. */
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import { type Exchange, Head, type HttpHandler } from "../../http/message.ts";
import { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { UnaryCall, UnaryCalls } from "../unary-calls.ts";
import { callsByConnection, WholeExchange } from "../whole-exchange.ts";
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
  const callsOf = callsByConnection(serving, settings.maxConcurrentCalls);
  return (head, exchange, last) => {
    // Python adds its own content type to one that its user set.
    const type = head.fields["content-type"]?.split(/[;,]/, 1)[0]?.trim().toLowerCase() ?? "";
    if (head.method !== "POST" || !contentTypes.includes(type)) return next(head, exchange, last);
    const call = new ThriftExchange(serving, settings, callsOf(exchange), head, exchange, type);
    if (last) call.data(nothing, 0, 0, true);
    return call;
  };
}

const nothing = new Uint8Array(0);

/** One message and its answer. */
class ThriftExchange extends WholeExchange {
  readonly #settings: ThriftSettings;
  readonly #calls: UnaryCalls;
  readonly #head: Head;
  readonly #type: string;

  constructor(
    serving: Serving, settings: ThriftSettings, calls: UnaryCalls, head: Head, exchange: Exchange, type: string,
  ) {
    super(serving, exchange, settings);
    this.#settings = settings;
    this.#calls = calls;
    this.#head = head;
    this.#type = type;
  }

  protected received(body: Uint8Array): UnaryCall | undefined {
    const head = new MessageHead();
    const encoding = encodingAt(body, 0);
    if (encoding === false || encoding === undefined) throw malformed("the body begins as no call does");
    head.read(encoding, body, 0, body.length);
    return this.#begin(encoding, head, body);
  }

  #begin(encoding: ThriftEncoding, head: MessageHead, body: Uint8Array): UnaryCall | undefined {
    const name = head.name(body);
    const colon = name.lastIndexOf(":");
    const route = this.serving.router({
      path: colon < 0 ? name : `${name.slice(0, colon)}/${name.slice(colon + 1)}`, isBare: true,
      codec: `thrift-${encoding}`, kind: "unary", idempotent: false, criticality: "default",
    });
    const { fields, timeoutMs } = readCallFields(this.#head.fields);
    const receivedMs = this.exchange.carrier.lastReceivedMs;
    const isOneway = head.type === MessageType.oneway;
    const opening = { receivedMs, deadline: receivedMs + (timeoutMs ?? Infinity), fields };
    const reply = (error: RpcError | undefined, value: unknown, context: Context | undefined): void => {
      if (isOneway || this.isOver) return;
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
      this.#reply(writer.finish(), writeReplyFields(context?.reply, failure?.metadata));
    };
    const call = this.#calls.begin(route, opening, body, head.bodyStart, head.bodyEnd, reply);
    // Whoever sends one way still waits for the response of HTTP.
    if (isOneway) this.#reply(nothing, {});
    return call;
  }

  #reply(body: Uint8Array, fields: Readonly<Record<string, string>>): void {
    this.answer(new Head(Object.assign(Object.create(null) as Record<string, string>, fields, {
      "content-type": this.#type, "content-length": String(body.length),
    }), 200), body);
  }
}
