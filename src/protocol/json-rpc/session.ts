/** A session answers messages of JSON-RPC 2.0, single ones and batches, as they came over HTTP or over a WebSocket. */
import type { ContextFields } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { AnyMethod } from "../../contract/method.ts";
import type { FieldModel } from "../../contract/model.ts";
import { Writer } from "../../wire/writer.ts";
import type { MethodShape, Route } from "../router.ts";
import type { UnaryCall, UnaryCalls, UnaryEnd } from "../unary-calls.ts";
import { jsonRpcCode, JsonRpcCode } from "./codes.ts";
import { elements, isBatch, members, memberValue, NoJson, type Span } from "./message.ts";
import { appendText, codeOf, errorOf, failure, type Id, invalid, joined, success } from "./reply.ts";
import { idOf, type Request, requestOf } from "./request.ts";
import type { JsonRpcSettings } from "./settings.ts";

/** What LSP and those after it send when they wait for an answer no more. */
export const cancelMethod = "$/cancelRequest";

/** Hears a reply, which is valid until it returns. */
export type Replying = (reply: Uint8Array | undefined) => void;

export class JsonRpcSession {
  readonly calls: UnaryCalls;
  readonly #settings: JsonRpcSettings;
  /** Calls whose answers are waited for; those that have an id by its text, for cancellation. */
  readonly #open = new Set<UnaryCall>();
  readonly #byId = new Map<string | number, UnaryCall>();
  /** Whoever calls a method mostly calls it again. */
  #lastMethod = "";

  constructor(calls: UnaryCalls, settings: JsonRpcSettings) {
    this.calls = calls;
    this.#settings = settings;
  }

  /**
   * Answers a message. `reply` is called once: with the answer, or with undefined where none is to be given, since all
   * of it were notifications. `fields` is what beside the message is known of its calls (HTTP's headers).
   */
  handle(
    bytes: Uint8Array, start: number, end: number, receivedMs: number, fields: ContextFields | undefined,
    reply: Replying,
  ): void {
    if (!isBatch(bytes, start, end)) return this.#one(bytes, { start, end }, receivedMs, fields, reply);
    let messages: readonly Span[];
    try {
      messages = elements(bytes, start, end, this.#settings.maxBatch);
    } catch (error) {
      return reply(failure(null, errorOf(error), codeOf(error)));
    }
    if (messages.length === 0) return reply(failure(null, invalid("an empty batch"), JsonRpcCode.invalidRequest));
    const replies: Uint8Array[] = [];
    let waiting = messages.length;
    for (const span of messages) {
      this.#one(bytes, span, receivedMs, fields, (one) => {
        if (one !== undefined) replies.push(new Uint8Array(one));
        if (--waiting > 0) return;
        reply(replies.length === 0 ? undefined : joined(replies));
      });
    }
  }

  #one(
    bytes: Uint8Array, span: Span, receivedMs: number, given: ContextFields | undefined, reply: Replying,
  ): void {
    let id: Id | undefined;
    let request: Request;
    try {
      const found = members(bytes, span.start, span.end);
      if (found === undefined) throw invalid("a message is an object");
      id = idOf(memberValue(bytes, found.id));
      request = requestOf(bytes, found, this.#lastMethod);
    } catch (error) {
      return reply(failure(id ?? null, errorOf(error), codeOf(error)));
    }
    const answer = id === undefined ? () => reply(undefined) : reply;
    if (request.method === cancelMethod) {
      this.#cancel(bytes, request.params);
      return answer(id === undefined ? undefined : success(id, undefined, undefined, undefined));
    }
    this.#lastMethod = request.method;
    const fields = given === undefined ? request.fields : { ...given, ...request.fields };
    this.#call(bytes, request, id, receivedMs, fields, answer);
  }

  #call(
    bytes: Uint8Array, { method, params, timeoutMs }: Request, id: Id | undefined, receivedMs: number,
    fields: ContextFields | undefined, reply: Replying,
  ): void {
    const route = this.#routeOf(method);
    const coders = RpcError.is(route) ? undefined : route.coders;
    let text = bytes;
    let { start, end } = params ?? noSpan;
    if (params === undefined) {
      text = noParams;
    } else if (text[start] === 0x5b && !RpcError.is(route)) {
      try {
        text = byName(bytes.subarray(start, end), route);
        start = 0;
        end = text.length;
      } catch (error) {
        return reply(failure(id ?? null, errorOf(error),
          error instanceof NoJson ? JsonRpcCode.parseError : JsonRpcCode.invalidParams, coders));
      }
    }
    const key = keyOf(id);
    const deadline = timeoutMs === undefined ? Infinity : receivedMs + timeoutMs;
    let call: UnaryCall | undefined = undefined as UnaryCall | undefined;
    const ended: UnaryEnd = (error, value, context) => {
      if (call !== undefined) {
        this.#byId.delete(key);
        this.#open.delete(call);
      }
      if (id === undefined) return reply(undefined);
      if (error === undefined) return reply(success(id, coders, value, context));
      const code = error.phase !== "decode" ? jsonRpcCode(error.code, false)
        : isJson(text, start, end) ? jsonRpcCode(error.code, true) : JsonRpcCode.parseError;
      reply(failure(id, error, code, coders, context));
    };
    call = this.calls.begin(route, { receivedMs, deadline, fields }, text, start, end, ended);
    if (call === undefined) return;
    this.#open.add(call);
    if (id !== undefined) this.#byId.set(key, call);
  }

  #routeOf(method: string): Route | RpcError {
    const { calls } = this;
    const known = calls.routes.get(method);
    if (known !== undefined) return known;
    const route = calls.serving.router(shapeOf(method));
    if (!RpcError.is(route) && calls.routes.size < maxKnownMethods) calls.routes.set(method, route);
    return route;
  }

  /** Nobody waits for answers any more. */
  abandon(reason: RpcError): void {
    for (const call of [...this.#open]) call.stop(reason, false);
    this.#open.clear();
    this.#byId.clear();
  }

  #cancel(bytes: Uint8Array, params: Span | undefined): void {
    let id: unknown;
    try {
      id = (memberValue(bytes, params) as { id?: unknown } | undefined)?.id;
    } catch {
      return;
    }
    this.#byId.get(keyOf(id))?.stop(
      new RpcError("cancelled", "the caller cancelled the call", { remote: true }), true);
  }
}

/** Most methods whose routes a connection remembers. */
const maxKnownMethods = 1_000;
const noParams = Uint8Array.of(0x7b, 0x7d);
const noSpan: Span = { start: 0, end: 2 };

/** Of the number 1 and the text "1" two different keys. */
function keyOf(id: unknown): string | number {
  return typeof id === "number" ? id : JSON.stringify(id) ?? "";
}

/** `service/method` and `service.method` say which; a method's name alone does where only one service has it. */
function shapeOf(method: string): MethodShape {
  const dot = method.lastIndexOf(".");
  const path = method.includes("/") || dot < 1 ? method : `${method.slice(0, dot)}/${method.slice(dot + 1)}`;
  return {
    path, isBare: !path.includes("/"), isDecoded: true, codec: "json", kind: undefined, idempotent: false,
    criticality: "default",
  };
}

/** Parameters by position are the fields of the request in the order of their numbers. */
function byName(text: Uint8Array, { method }: Route): Uint8Array {
  const model = (method as Partial<AnyMethod>).input?.model;
  if (model?.kind !== "struct") throw invalid(`the parameters of ${method.path} are named, not listed`);
  const values = elements(text, 0, text.length, 10_000);
  const { fields } = model;
  if (values.length > fields.length) {
    throw invalid(`${method.path} has ${fields.length} parameters: ${fields.map(({ name }) => name).join(", ")}`);
  }
  const writer = new Writer(text.length + 16 * values.length + 2);
  writer.writeByte(0x7b);
  values.forEach(({ start, end }, i) => {
    const { jsonName, protoName, name } = fields[i] as FieldModel;
    appendText(writer, `${i === 0 ? "" : ","}${JSON.stringify(jsonName ?? protoName ?? name)}:`);
    writer.writeBytes(text.subarray(start, end));
  });
  writer.writeByte(0x7d);
  return writer.finish();
}

function isJson(text: Uint8Array, start: number, end: number): boolean {
  try {
    memberValue(text, { start, end });
    return true;
  } catch {
    return false;
  }
}
