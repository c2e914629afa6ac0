/** The client's half of JSON-RPC 2.0: calls in the text messages of one WebSocket. */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError, type RpcErrorOptions } from "../../core/error.ts";
import { type Code, codeFromNumber, codeNumber } from "../../core/code.ts";
import { createMetadata, emptyMetadata } from "../../core/metadata.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { ByteStream, Clock, Runtime, Security } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { CloseCode, FrameError, openWebSocket, WebSocketConnection } from "../../http/websocket/index.ts";
import { Writer } from "../../wire/writer.ts";
import { Gathering } from "../envelope.ts";
import { OpenCall, type OpenCallOwner } from "../open-call.ts";
import { type Protocol, securedRuntime } from "../protocol.ts";
import { codeFromJsonRpc } from "./codes.ts";
import { elements, isBatch, type Members, members, memberValue, smallNumber } from "./message.ts";
import { appendText, type ErrorData } from "./reply.ts";
import type { CallWords } from "./request.ts";
import { cancelMethod } from "./session.ts";
import { defaultJsonRpcSettings, type JsonRpcSettings, resolveJsonRpcSettings } from "./settings.ts";
import { jsonRpcProtocol } from "./speech.ts";

export interface JsonRpcOptions {
  /** The path at which the WebSocket is asked for. Default `/`. */
  readonly path?: string | undefined;
  /** The host that the request names. Default: the endpoint's address. */
  readonly authority?: string | undefined;
  /**
   * What a method is called there. Default `package.Service/method`, as Meridian's servers take it; others mostly want
   * the method's name alone.
   */
  readonly methodName?: ((method: MethodInfo) => string) | undefined;
  readonly settings?: Partial<Pick<JsonRpcSettings, "maxMessageBytes" | "maxConcurrentCalls">> | undefined;
}

/** Speaks JSON-RPC 2.0 over WebSocket: unary calls alone, with `$/cancelRequest` where nobody waits any more. */
export function jsonRpc(options: JsonRpcOptions = {}): Protocol {
  const settings = resolveJsonRpcSettings({ ...defaultJsonRpcSettings, ...options.settings });
  return {
    name: "json-rpc",
    codec: "json",
    connector({ coders, tls }): Connect {
      return (runtime, address, events) =>
        new JsonRpcConnection(tls === undefined ? runtime : securedRuntime(runtime, tls, ["http/1.1"], false),
          address, events, coders, options, settings);
    },
  };
}

class JsonRpcConnection implements Connection, OpenCallOwner {
  readonly clock: Clock;
  readonly pingsSparingly = true;
  lastReceivedMs: number;
  readonly #events: ConnectionEvents;
  readonly #codersOf: (method: MethodInfo) => MethodCoders;
  readonly #options: JsonRpcOptions;
  readonly #settings: JsonRpcSettings;
  readonly #stream: ByteStream;
  #socket!: WebSocketConnection;
  readonly #message: Gathering;
  readonly #calls = new Map<number, OpenCall>();
  #lastId = 0;
  /** Whether replies have been such so far. */
  #answersAtOnce = true;
  /** Names of methods by their ordinals. */
  readonly #names: (Uint8Array | undefined)[] = [];
  /** Where a request is written, until it is queued. */
  #writer = new Writer(4_096);
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #reason: RpcError | undefined = undefined;
  #closeTimer: Timer | undefined = undefined;
  #pingedMs = -1;

  constructor(
    runtime: Runtime, address: string, events: ConnectionEvents, coders: (method: MethodInfo) => MethodCoders,
    options: JsonRpcOptions, settings: JsonRpcSettings, security?: Security,
  ) {
    this.clock = runtime.clock;
    this.lastReceivedMs = runtime.clock.now();
    this.#events = events;
    this.#codersOf = coders;
    this.#options = options;
    this.#settings = settings;
    this.#message = new Gathering(settings.maxMessageBytes, undefined);
    const { path = "/", authority = address } = options;
    const target = { address, path, authority, protocol: jsonRpcProtocol };
    this.#stream = openWebSocket(runtime, target, security, (stream, drawMask) => {
      this.#socket = new WebSocketConnection(runtime.clock, stream, {
        piece: (...piece) => this.#piece(...piece), drained: () => undefined,
        closed: (error) => this.#closed(error), pong: () => this.#ponged(),
      }, drawMask);
      return this.#socket;
    }, () => {
      this.#state = "open";
      events.opened();
    });
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    if (this.#state !== "open") {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    const { maxConcurrentCalls } = this.#settings;
    if (this.#calls.size >= maxConcurrentCalls) {
      throw expected("resource_exhausted", `${maxConcurrentCalls} calls are in flight on this connection ` +
        "(maxConcurrentCalls)", { neverStarted: true, phase: "queue" });
    }
    const { method } = context;
    if (method.kind !== "unary") {
      throw new RpcError("unimplemented", `${method.path} is a ${method.kind}, which JSON-RPC cannot carry`,
        { phase: "encode", neverStarted: true });
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const coders = this.#codersOf(method);
    const id = method.oneway === true ? undefined : ++this.#lastId;
    const message = this.#encode(request, context, coders, id);
    const call = new OpenCall(this, id ?? 0, coders, context, observer);
    if (id !== undefined) this.#calls.set(id, call);
    this.#socket.queue(true, message);
    const answer = call.wait();
    // Nobody answers a notification: it is over once it is sent.
    if (id === undefined) call.succeed(undefined);
    return answer;
  }

  #encode(request: unknown, context: Context, coders: MethodCoders, id: number | undefined): Uint8Array {
    const name = this.#nameOf(context.method);
    const writer = this.#writer;
    if (writer.bytes.length > mostKeptBytes) this.#writer = new Writer(4_096);
    writer.position = 0;
    writer.writeBytes(head);
    if (id !== undefined) appendText(writer, `,"id":${id}`);
    writer.writeBytes(name);
    const words = wordsOf(context);
    if (words !== undefined) appendText(writer, `,"meridian":${words}`);
    writer.writeBytes(paramsHead);
    coders.request.encode(request, writer);
    writer.writeByte(0x7d);
    if (writer.position > this.#settings.maxMessageBytes) {
      throw new RpcError("resource_exhausted", `a request of ${writer.position} bytes exceeds maxMessageBytes ` +
        `${this.#settings.maxMessageBytes}`, { phase: "encode", neverStarted: true });
    }
    return writer.bytes.subarray(0, writer.position);
  }

  /** Its member of a request. */
  #nameOf(method: MethodInfo): Uint8Array {
    let name = this.#names[method.ordinal];
    if (name === undefined) {
      const given = this.#options.methodName?.(method) ?? method.path;
      name = this.#names[method.ordinal] = utf8.encode(`,"method":${JSON.stringify(given)}`);
    }
    return name;
  }

  #piece(isText: boolean, bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void {
    this.lastReceivedMs = this.clock.now();
    if (!isText) throw new FrameError(CloseCode.unsupported, "a binary message, where JSON-RPC is spoken");
    if (first && last) return this.#heard(bytes, start, end);
    try {
      this.#message.add(bytes, start, end);
    } catch (error) {
      throw new FrameError(CloseCode.tooBig, RpcError.from(error).message);
    }
    if (!last) return;
    const { bytes: whole, length } = this.#message;
    this.#message.drop();
    this.#heard(whole, 0, length);
  }

  #heard(bytes: Uint8Array, start: number, end: number): void {
    if (this.#answersAtOnce && this.#answerAtOnce(bytes, start, end)) return;
    try {
      if (!isBatch(bytes, start, end)) return this.#answer(bytes, members(bytes, start, end));
      for (const one of elements(bytes, start, end, 10_000)) this.#answer(bytes, members(bytes, one.start, one.end));
    } catch (error) {
      throw new FrameError(CloseCode.invalidText, `no message of JSON-RPC: ${RpcError.from(error).message}`);
    }
  }

  /**
   * Whether it was a reply as our servers write them, its result last and nothing beside it: the codec then sees by
   * itself where the result ends, and a long text is read once. All else is for the general way to judge.
   */
  #answerAtOnce(bytes: Uint8Array, start: number, end: number): boolean {
    const digits = start + replyHead.length;
    if (!startsWith(bytes, start, end, replyHead)) return false;
    let at = digits;
    while (at < end && bytes[at] !== 0x2c) at++;
    const id = smallNumber(bytes, digits, at);
    if (id < 0 || !startsWith(bytes, at, end, resultHead) || bytes[end - 1] !== 0x7d) return false;
    const call = this.#calls.get(id);
    if (call === undefined) return false;
    let value: unknown;
    try {
      value = call.coders.response.decode(bytes, at + resultHead.length, end - 1);
    } catch {
      // A server that says more once does so again, and every text that is none costs its codec a try.
      this.#answersAtOnce = false;
      return false;
    }
    call.succeed(value);
    return true;
  }

  /** What is no answer to an open call (a notification of the server's, a late answer) is passed over. */
  #answer(bytes: Uint8Array, found: Members | undefined): void {
    if (found === undefined) return;
    const id = memberValue(bytes, found.id);
    const call = typeof id === "number" ? this.#calls.get(id) : undefined;
    if (call === undefined) return;
    if (found.error !== undefined) {
      call.fail(errorOf(memberValue(bytes, found.error), call.coders));
    } else if (found.result === undefined) {
      call.fail(new RpcError("internal", "the reply has neither result nor error", { retryable: false }));
    } else {
      if (found.meridian !== undefined) this.#hearMetadata(call, memberValue(bytes, found.meridian));
      call.answered(bytes, found.result.start, found.result.end);
    }
  }

  #hearMetadata({ context }: OpenCall, words: unknown): void {
    if (context.onMetadata === undefined || typeof words !== "object" || words === null) return;
    for (const kind of ["header", "trailer"] as const) {
      const metadata = metadataOf((words as Partial<Record<typeof kind, unknown>>)[kind]);
      if (metadata !== undefined) context.onMetadata(kind, metadata);
    }
  }

  ended(call: OpenCall): void {
    this.#calls.delete(call.id);
    if (this.#state === "closing" && this.#calls.size === 0) this.#socket.close();
  }

  takenBack({ id }: OpenCall): void {
    if (this.#state === "closed" || id === 0) return;
    this.#socket.queue(true, utf8.encode(
      `{"jsonrpc":"2.0","method":"${cancelMethod}","params":{"id":${id}}}`));
  }

  ping(): boolean {
    if (this.#state === "open" && this.#pingedMs < 0) {
      this.#pingedMs = this.clock.now();
      this.#socket.ping();
    }
    return true;
  }

  #ponged(): void {
    this.lastReceivedMs = this.clock.now();
    if (this.#pingedMs >= 0) this.#events.pinged(this.lastReceivedMs - this.#pingedMs);
    this.#pingedMs = -1;
  }

  failRepeatable(error: RpcError): void {
    for (const call of [...this.#calls.values()]) {
      if (call.repeatable) call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
    }
  }

  abort(error: RpcError): void {
    this.#reason ??= error;
    this.#socket.destroy();
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    if (this.#state === "opening") this.#stream.destroy();
    this.#state = "closing";
    if (this.#calls.size === 0 || graceMs <= 0) this.#socket.close();
    else if (graceMs < Infinity) this.#closeTimer = this.clock.after(graceMs, () => this.#socket.close());
  }

  #closed(error: RpcError | undefined): void {
    const closing = this.#state === "closing";
    this.#state = "closed";
    this.#closeTimer?.cancel();
    this.#message.drop();
    const why = this.#reason ?? error;
    for (const call of [...this.#calls.values()]) {
      call.fail(expected("unavailable", `the connection was lost before the reply: ${why?.message ?? "closed"}`,
        { cause: why, phase: "network", retryable: true }));
    }
    this.#events.closed(why ?? (closing ? undefined : expected("unavailable", "the server closed the connection")));
  }
}

const utf8 = new TextEncoder();
const head = utf8.encode('{"jsonrpc":"2.0"');
const paramsHead = utf8.encode(',"params":');
const replyHead = utf8.encode('{"jsonrpc":"2.0","id":');
const resultHead = utf8.encode(',"result":');

function startsWith(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  if (end - start < wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}

/** Memory that a large request left behind is not kept. */
const mostKeptBytes = 262_144;

/** What of a context goes beside its call, as JSON; undefined for nothing. */
function wordsOf(context: Context): string | undefined {
  const { deadline, startedMs, metadata, idempotencyKey, routeKey, hops, attempt, priorAttempts } = context;
  const timeoutMs = deadline < Infinity ? Math.max(1, Math.ceil(deadline - startedMs)) : undefined;
  // Most calls say no more.
  if (metadata === emptyMetadata && idempotencyKey === undefined && routeKey === undefined && hops === 0 &&
    attempt === 0 && priorAttempts === 0) return timeoutMs === undefined ? undefined : `{"timeoutMs":${timeoutMs}}`;
  const words: CallWords = {
    ...(timeoutMs === undefined ? undefined : { timeoutMs }),
    ...(Object.keys(metadata).length > 0 ? { metadata } : undefined),
    ...(idempotencyKey === undefined ? undefined : { idempotencyKey }),
    ...(routeKey === undefined ? undefined : { routeKey }),
    ...(hops > 0 ? { hops } : undefined),
    ...(attempt > 0 ? { attempt } : undefined),
    ...(priorAttempts > 0 ? { priorAttempts } : undefined),
  };
  for (const _ in words) return JSON.stringify(words);
  return undefined;
}

function metadataOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return createMetadata(value as Record<string, string>);
  } catch {
    return undefined;
  }
}

/** The error of a response, of a server of ours or of another's. */
function errorOf(value: unknown, coders: MethodCoders): RpcError {
  const { code: number, message, data } = (value ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  const words = (typeof data === "object" && data !== null ? data : {}) as Words;
  const code = codeNamed(words.code) ?? codeFromJsonRpc(typeof number === "number" ? number : 0);
  const text = typeof message === "string" ? message.slice(0, 8_192) : "the server sent an error without a message";
  const options: RpcErrorOptions = {
    remote: true,
    neverStarted: words.neverStarted === true,
    ...(typeof words.retryable === "boolean" ? { retryable: words.retryable } : undefined),
    ...(typeof words.retryAfterMs === "number" ? { retryAfterMs: words.retryAfterMs } : undefined),
    ...(words.metadata === undefined ? undefined : { metadata: metadataOf(words.metadata) }),
    ...(typeof words.reason === "string" ? { reason: words.reason, ...dataOf(words, coders) } : undefined),
  };
  return expected(code, text, options);
}

type Words = { [Name in keyof ErrorData]?: unknown };

function dataOf(words: Words, coders: MethodCoders): { data?: unknown } {
  const coder = coders.error(words.reason as string);
  if (coder === undefined || words.data === undefined) return {};
  try {
    const bytes = utf8.encode(JSON.stringify(words.data));
    return { data: coder.decode(bytes, 0, bytes.length) };
  } catch {
    return {};
  }
}

function codeNamed(name: unknown): Code | undefined {
  if (typeof name !== "string") return undefined;
  const number = codeNumber(name as Code);
  const code = codeFromNumber(number);
  return code === name ? code : undefined;
}
