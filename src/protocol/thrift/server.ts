/** The server half of Thrift on a byte stream: one accepted connection and the calls it carries. */
import type { AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { Context, type ContextFields } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import { endIsTold } from "../../core/gate.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { ByteSink, ByteStream } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import { isPromise } from "../../core/service.ts";
import { Writer } from "../../wire/writer.ts";
import type { Route, Serving } from "../router.ts";
import { readCallFields, writeReplyFields } from "./call-fields.ts";
import { failureFrom, failureOf } from "./failure.ts";
import { hasHeader, readHeader, type ThriftHeader, writeHeader } from "./header.ts";
import {
  checkSize, malformed, MessageHead, MessageType, nameBytes, type ThriftEncoding, writeHead, writeTail,
} from "./message.ts";
import { type Spoken, spokenBy } from "./opening.ts";
import { ThriftOutbox } from "./outbox.ts";
import { MessageReader } from "./reader.ts";
import { ServerCall } from "./server-call.ts";
import type { ThriftSettings } from "./settings.ts";

/** A method as one connection calls it. */
interface Bound {
  readonly route: Route | RpcError;
  /** As replies have it: without the service of a multiplexed call. */
  readonly replyName: Uint8Array;
  /** As it came, by which the same is known again. */
  readonly name: Uint8Array;
}

/** What is needed to answer a call. */
export interface Asked {
  readonly route: Route | undefined;
  readonly replyName: Uint8Array;
  readonly encoding: ThriftEncoding;
  readonly seqid: number;
  /** Whether nobody waits for an answer. */
  readonly isOneway: boolean;
  /** Of THeader: its sequence id, and whether its messages are compressed. */
  readonly header: Pick<ThriftHeader, "seqid" | "isZlib"> | undefined;
}

/** How a call ended, until it is its turn to be told. */
export type Outcome =
  | { readonly kind: "answer"; readonly value: unknown; readonly context: Context }
  | { readonly kind: "failure"; readonly error: RpcError; readonly context: Context | undefined };

const maxBindings = 10_000;
/** How long a peer that was told the end may take to close its side before it is cut off, in milliseconds. */
const lingerMs = 1_000;

export interface ConnectionOptions extends AcceptOwner {
  readonly settings: ThriftSettings;
  readonly serving: Serving;
}

export class ThriftServerConnection implements ByteSink, ServedConnection {
  readonly serving: Serving;
  readonly settings: ThriftSettings;
  readonly #owner: AcceptOwner;
  readonly #stream: ByteStream;
  readonly #from: Peer;
  #opening: Uint8Array = new Uint8Array(0);
  #spoken: Spoken | undefined = undefined;
  #reader: MessageReader | undefined = undefined;
  outbox: ThriftOutbox | undefined = undefined;
  readonly #head = new MessageHead();
  readonly #bindings = new Map<string, Bound>();
  #lastBound: Bound | undefined = undefined;
  #lastEncoding: ThriftEncoding = "binary";
  readonly calls = new Set<ServerCall>();
  /** Calls whose turn to be answered is not over, in the order in which they came. Empty where order is free. */
  readonly #turns: { readonly asked: Asked; outcome: Outcome | undefined }[] = [];
  #handling = 0;
  #draining: RpcError | undefined = undefined;
  #ended = false;
  #linger: Timer | undefined = undefined;
  #paused = false;
  receivedMs: number;
  #stall = { messages: -1, takenBytes: 0, sinceMs: 0 };

  constructor(stream: ByteStream, { serving, settings, ...owner }: ConnectionOptions) {
    this.serving = serving;
    this.settings = settings;
    this.#owner = owner;
    this.#stream = stream;
    this.#from = peerOf(stream);
    this.receivedMs = serving.runtime.clock.now();
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get inFlight(): number {
    return this.calls.size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.receivedMs = this.serving.runtime.clock.now();
    try {
      if (this.#reader === undefined) {
        const opened = this.#open(bytes);
        if (opened === undefined) return;
        bytes = opened;
      }
      this.#reader?.push(bytes);
      this.#holdBack();
    } catch (error) {
      this.#fail(RpcError.from(error, "internal"));
    }
  }

  /** Finds out what is spoken; returns all bytes so far once it is known. */
  #open(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#opening.length > 0) {
      const both = new Uint8Array(this.#opening.length + bytes.length);
      both.set(this.#opening);
      both.set(bytes, this.#opening.length);
      bytes = both;
    }
    const spoken = spokenBy(bytes);
    if (spoken === false) throw malformed("the connection's first bytes are no call");
    this.#opening = bytes;
    if (spoken === undefined) return undefined;
    this.#opening = new Uint8Array(0);
    this.#spoken = spoken;
    this.outbox = new ThriftOutbox(this.#stream, this.serving.runtime.clock, spoken.transport !== "buffered");
    this.#reader = new MessageReader(this, spoken, this.settings.maxMessageBytes);
    return bytes;
  }

  /** Requests are read no further while their replies are not read. */
  #holdBack(): void {
    const { outbox } = this;
    if (outbox === undefined || this.#ended) return;
    outbox.flush();
    if (!outbox.full || this.#paused) return;
    this.#paused = true;
    this.#stream.pause();
  }

  drained(): void {
    if (this.outbox !== undefined) this.outbox.full = false;
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resume();
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#spoken?.transport !== "header" || !hasHeader(bytes, start)) {
      const encoding = this.#spoken?.transport === "header" ? "binary" : this.#spoken?.encoding ?? "binary";
      this.#call(encoding, bytes, start, end, undefined);
      return !this.#ended;
    }
    const header = readHeader(bytes, start, end, this.settings.zlib, this.settings.maxMessageBytes);
    this.#call(header.encoding, header.bytes, header.start, header.end, header);
    return !this.#ended;
  }

  #call(
    encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number, header: ThriftHeader | undefined,
  ): void {
    const head = this.#head;
    head.read(encoding, bytes, start, end);
    const isOneway = head.type === MessageType.oneway;
    const bound = this.#bind(encoding, bytes);
    const { route, replyName } = bound;
    const asked: Asked = {
      route: RpcError.is(route) ? undefined : route, replyName, encoding, seqid: head.seqid, isOneway, header,
    };
    if (!isOneway && head.type !== MessageType.call) {
      const why = `a message of type ${head.type} came, expected a call (1) or a one-way call (4)`;
      this.#finish(asked, { kind: "failure", error: new RpcError("invalid_argument", why), context: undefined });
      throw malformed(why);
    }
    let fields: ContextFields | undefined;
    let deadline = Infinity;
    if (header !== undefined) {
      const read = readCallFields(header.fields);
      ({ fields } = read);
      if (read.timeoutMs !== undefined) deadline = this.receivedMs + read.timeoutMs;
    }
    const refusal = this.#refusal(route);
    if (refusal !== undefined) {
      this.#refuse(asked, route, refusal);
      return;
    }
    const found = route as Route;
    const context = new Context(found.method, this.receivedMs, deadline, fields);
    context.peer = this.#from;
    const shed = found.gate?.isShut === true ? found.gate.refuse(context) : undefined;
    if (shed !== undefined) {
      // Without an event: there may be thousands a second, and admission tells of them all together.
      this.#turn(asked, { kind: "failure", error: shed, context });
      return;
    }
    this.serving.admission.inFlight++;
    this.#handling++;
    this.#run(asked, found, context, bytes);
  }

  #run(asked: Asked, route: Route, context: Context, bytes: Uint8Array): void {
    let answer: unknown;
    try {
      const request = route.coders.request.decode(bytes, this.#head.bodyStart, this.#head.bodyEnd);
      if (this.serving.gate !== undefined) context.atWork = endIsTold;
      answer = route.service(request, context);
    } catch (error) {
      this.answered(asked, { kind: "failure", error: failureFrom(error), context }, this.receivedMs);
      return;
    }
    if (!isPromise(answer)) {
      this.answered(asked, { kind: "answer", value: answer, context }, this.receivedMs);
      return;
    }
    const call = new ServerCall(this, asked, context);
    this.calls.add(call);
    if (this.#isOrdered(asked)) this.#turns.push(call);
    call.answering(answer);
  }

  /** The method that a message names; kept, since the next most often names the same. */
  #bind(encoding: ThriftEncoding, bytes: Uint8Array): Bound {
    const head = this.#head;
    const last = this.#lastBound;
    const isLikely = last !== undefined && this.#lastEncoding === encoding && encoding !== "json";
    if (isLikely && isSame(last.name, bytes, head)) return last;
    const name = head.name(bytes);
    const key = `${encoding} ${name}`;
    let bound = this.#bindings.get(key);
    if (bound === undefined) {
      if (this.#bindings.size >= maxBindings) throw malformed(`more than ${maxBindings} methods on one connection`);
      const colon = name.lastIndexOf(":");
      bound = {
        route: this.serving.router({
          path: colon < 0 ? name : `${name.slice(0, colon)}/${name.slice(colon + 1)}`, isBare: true,
          codec: `thrift-${encoding}`, kind: "unary", idempotent: false, criticality: "default",
        }),
        replyName: nameBytes(encoding, name.slice(colon + 1)), name: bytes.slice(head.nameStart, head.nameEnd),
      };
      this.#bindings.set(key, bound);
    }
    this.#lastBound = bound;
    this.#lastEncoding = encoding;
    return bound;
  }

  /** Why a request is not even decoded. All of these are certain not to have reached a handler. */
  #refusal(route: Route | RpcError): RpcError | undefined {
    const { serving, settings } = this;
    if (this.#draining !== undefined) {
      return expected("unavailable", this.#draining.message, { neverStarted: true });
    }
    if (Math.max(this.#handling, this.#turns.length) >= settings.maxConcurrentCalls) {
      return expected("resource_exhausted",
        `more than ${settings.maxConcurrentCalls} calls on one connection (maxConcurrentCalls)`,
        { neverStarted: true });
    }
    const { admission } = serving;
    if (admission.inFlight >= admission.maxInFlight) {
      return expected("resource_exhausted", `the server is handling ${admission.inFlight} calls (maxInFlight)`,
        { neverStarted: true });
    }
    return RpcError.is(route) ? route : undefined;
  }

  #refuse(asked: Asked, route: Route | RpcError, error: RpcError): void {
    this.#turn(asked, { kind: "failure", error, context: undefined });
    this.serving.observer.event?.("server.call.refused", {
      peer: this.peer, method: RpcError.is(route) ? undefined : route.method.path, code: error.code,
      error: error.message,
    });
  }

  /** Clients of others expect answers in the order of their calls; those that speak THeader go by sequence ids. */
  #isOrdered(asked: Asked): boolean {
    return !asked.isOneway && asked.header === undefined;
  }

  /** A call that ended in the turn it came in is told at once, or after those before it. */
  #turn(asked: Asked, outcome: Outcome): void {
    if (this.#turns.length > 0 && this.#isOrdered(asked)) this.#turns.push({ asked, outcome });
    else this.#finish(asked, outcome);
  }

  /** The handler of a call has ended: counts it, and tells its caller when it is its turn. */
  answered(asked: Asked, outcome: Outcome, startedMs: number): void {
    this.#count(outcome, startedMs);
    this.#turn(asked, outcome);
  }

  /** The same of a call that took a while. */
  settled(call: ServerCall, outcome: Outcome): void {
    this.calls.delete(call);
    if (this.#isOrdered(call.asked)) {
      call.outcome = outcome;
      while (this.#turns[0]?.outcome !== undefined) {
        const turn = this.#turns.shift();
        if (turn?.outcome !== undefined) this.#finish(turn.asked, turn.outcome);
      }
    } else {
      this.#finish(call.asked, outcome);
    }
    this.#endIfDone();
  }

  counted(outcome: Outcome, startedMs: number): void {
    this.#count(outcome, startedMs);
  }

  #count(outcome: Outcome, startedMs: number): void {
    this.serving.admission.inFlight--;
    this.#handling--;
    const { context } = outcome;
    if (context === undefined) return;
    const { serving } = this;
    const error = outcome.kind === "failure" ? outcome.error : undefined;
    const nowMs = serving.runtime.clock.now();
    if (context.atWork > 0) serving.gate?.ended(context, nowMs, error);
    serving.observer.handled?.(context, nowMs - startedMs, error);
  }

  #finish(asked: Asked, outcome: Outcome): void {
    const { outbox } = this;
    if (this.#ended || asked.isOneway || outbox === undefined) return;
    if (outcome.kind === "failure") {
      this.#sendFailure(asked, outcome.error, outcome.context);
      return;
    }
    const { coders } = asked.route as Route;
    try {
      const { reply } = outcome.context;
      if (asked.header === undefined) {
        outbox.begin();
        writeHead(outbox, asked.encoding, asked.replyName, MessageType.reply, asked.seqid);
        coders.response.encode(outcome.value, outbox);
        writeTail(outbox, asked.encoding);
        checkSize(outbox.payloadBytes, this.settings.maxMessageBytes);
        outbox.end();
      } else {
        const writer = new Writer(512);
        writeHead(writer, asked.encoding, asked.replyName, MessageType.reply, asked.seqid);
        coders.response.encode(outcome.value, writer);
        writeTail(writer, asked.encoding);
        checkSize(writer.position, this.settings.maxMessageBytes);
        this.#sendHeaded(asked, writer, writeReplyFields(reply, undefined));
      }
    } catch (error) {
      outbox.abort();
      const failure = RpcError.from(error, "internal");
      this.#sendFailure(asked, new RpcError(failure.code === "resource_exhausted" ? failure.code : "internal",
        `the reply cannot be encoded: ${failure.message}`, { cause: error, phase: "encode", retryable: false }),
      outcome.context);
    }
  }

  #sendFailure(asked: Asked, error: RpcError, context: Context | undefined): void {
    const { encoding, route } = asked;
    const failure = failureOf(encoding, error, route?.coders);
    const writer = asked.header === undefined ? this.outbox as ThriftOutbox : new Writer(512);
    if (asked.header === undefined) this.outbox?.begin();
    const type = failure.isDeclared ? MessageType.reply : MessageType.exception;
    writeHead(writer, encoding, asked.replyName, type, asked.seqid);
    writer.writeBytes(failure.struct);
    writeTail(writer, encoding);
    if (asked.header === undefined) this.outbox?.end();
    else this.#sendHeaded(asked, writer, writeReplyFields(context?.reply, error.metadata));
  }

  #sendHeaded({ header, encoding }: Asked, message: Writer, fields: Metadata): void {
    const outbox = this.outbox as ThriftOutbox;
    const { zlib } = this.settings;
    const isZlib = header?.isZlib === true && zlib !== undefined;
    const plain = message.bytes.subarray(0, message.position);
    const bytes = isZlib ? zlib.compress(plain) : plain;
    outbox.begin();
    writeHeader(outbox, encoding, header?.seqid ?? 0, isZlib, fields);
    outbox.writeBytes(bytes);
    outbox.end();
  }

  drain(reason: RpcError): void {
    if (this.#draining !== undefined || this.#ended) return;
    this.#draining = reason;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#draining !== undefined && this.calls.size === 0 && this.#turns.length === 0) this.#end(undefined);
  }

  close(reason: RpcError): void {
    this.#draining ??= reason;
    for (const call of [...this.calls]) call.abort(reason);
    this.#end(undefined);
  }

  sweep(nowMs: number): void {
    if (this.#ended) return;
    const { bufferedBytes } = this.#stream;
    const takenBytes = (this.outbox?.flushedBytes ?? 0) - bufferedBytes;
    const messages = this.#reader?.messages ?? 0;
    const isMidway = this.#opening.length > 0 || this.#reader?.midMessage === true && !this.#paused;
    const stall = this.#stall;
    const isMoving = !isMidway && bufferedBytes === 0;
    if (isMoving || messages !== stall.messages || takenBytes > stall.takenBytes) {
      this.#stall = { messages, takenBytes, sinceMs: nowMs };
    } else if (nowMs - stall.sinceMs >= this.settings.stallTimeoutMs) {
      const what = bufferedBytes > 0 ? "the peer has read nothing" : "the peer has left a message unfinished";
      const error = expected("unavailable", `${what} for ${this.settings.stallTimeoutMs} ms (stallTimeoutMs)`,
        { phase: "network" });
      this.#stream.destroy();
      this.#over(error);
    }
  }

  /** What came cannot be read any further. */
  #fail(error: RpcError): void {
    this.outbox?.abort();
    this.serving.observer.event?.("server.connection.failed", {
      peer: this.peer, wire: "thrift", code: error.code, error: error.message,
    });
    this.#end(error);
  }

  #end(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.outbox?.flush();
    const waitMs = this.#stream.bufferedBytes > 0 ? this.settings.stallTimeoutMs : lingerMs;
    this.#linger = this.serving.runtime.clock.after(waitMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
    this.#over(error);
  }

  closed(error?: Error): void {
    this.#linger?.cancel();
    const { size } = this.calls;
    const isOrderly = size === 0 || this.#draining !== undefined;
    const why = error === undefined
      ? isOrderly ? undefined : `the caller closed the connection with calls in flight (${size})`
      : error.message;
    this.#over(why === undefined ? undefined : expected("unavailable", why, { cause: error, phase: "network" }));
    this.#owner.gone?.(this);
  }

  #over(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.outbox?.close();
    const reason = expected("cancelled", "the caller's connection is gone", { cause: error });
    this.#turns.length = 0;
    for (const call of [...this.calls]) call.abort(reason);
    this.calls.clear();
    this.#owner.ended(this, error);
  }
}

function isSame(name: Uint8Array, bytes: Uint8Array, { nameStart, nameEnd }: MessageHead): boolean {
  if (name.length !== nameEnd - nameStart) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[nameStart + i]) return false;
  return true;
}
