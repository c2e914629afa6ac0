/** A session is one client of a server's UDP port: its proven address, its keys, its calls and what they were told. */
import { Alarm } from "../../core/alarm.ts";
import type { ServedConnection } from "../../core/connection.ts";
import type { ContextFields } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { LoadReport } from "../../core/load.ts";
import type { PeerCertificate } from "../../core/peer.ts";
import type { DatagramSocket } from "../../core/runtime.ts";
import { Cursor } from "../../wire/cursor.ts";
import { Writer } from "../../wire/writer.ts";
import type { Route, Serving } from "../router.ts";
import { type UnaryEnd, UnaryCalls } from "../unary-calls.ts";
import { encodeFailure, encodeReply } from "./answer.ts";
import { headBytes, idBytes, PacketNumbers, PacketType, tagBytes, writeHead } from "./packet.ts";
import { type CallRecord, type Memory, Records } from "./records.ts";
import { readRequestHead, type RequestHead, writeName } from "./request.ts";
import type { Seal } from "./seal.ts";
import { ackDelayMs } from "./send-window.ts";
import type { UdpServerSettings } from "./settings.ts";

/** What a session needs of the port that it came to. */
export interface SessionOwner {
  readonly serving: Serving;
  readonly settings: UdpServerSettings;
  readonly memory: Memory;
  /** It is over: nothing more comes to it. */
  ended(session: Session): void;
}

/** A session that never asked for anything is not kept as long as others. */
const unusedMs = 10_000;
/** While a server drains, answers that may have been lost can be asked for again for so long. */
const lingerMs = 1_000;
/** At most so often does a session carry a load report. */
const reportGapMs = 100;
/** The numbers before an answer: of its call, and of the microseconds that it took. */
const answerHeadBytes = 16;
/** Calls that one acknowledgement names at most. */
const maxAcks = 64;

/** What is known of a session when it begins. */
export interface SessionBegun {
  /** What its hello was known by, in the clear. */
  readonly helloKey: string | undefined;
  /** The certificate that was shown where keys are given. */
  readonly certificate: PeerCertificate | undefined;
}

export class Session implements ServedConnection {
  readonly id: bigint;
  /** Where it is, once it has proven that; changed by proving another one. */
  address = "";
  socket: DatagramSocket | undefined = undefined;
  readonly seal: Seal | undefined;
  /** What the client's first hello was known by, in the clear. */
  readonly helloKey: string | undefined;
  readonly #owner: SessionOwner;
  readonly #calls: UnaryCalls;
  readonly #records: Records;
  readonly #numbers = new PacketNumbers();
  /** By the numbers that the client gave them. */
  readonly #routes = new Map<number, Route | RpcError>();
  readonly #acks: AckAlarm;
  readonly #cursor = new Cursor();
  /** Largest datagram that the client takes. */
  #maxBytes = 512;
  #heardMs: number;
  #usedMs = -Infinity;
  #reportedMs = -Infinity;
  #drainingMs = Infinity;
  #isOver = false;

  constructor(owner: SessionOwner, id: bigint, seal: Seal | undefined, { helloKey, certificate }: SessionBegun) {
    this.#owner = owner;
    this.id = id;
    this.seal = seal;
    this.helloKey = helloKey;
    const { serving, settings, memory } = owner;
    const address = (): string => this.address;
    this.#calls = new UnaryCalls(serving, {
      get peer() {
        return address();
      },
      // By the certificate that the keys were given for: who else could seal with them?
      from: {
        get address() {
          return address();
        },
        isSecured: seal !== undefined, certificate, memo: undefined,
      },
      maxConcurrentCalls: settings.maxConcurrentCalls, emptied: () => this.#endIfIdle(),
    });
    this.#records = new Records(memory, settings.maxRemembered);
    this.#acks = new AckAlarm((records) => this.#acknowledge(records));
    this.#heardMs = serving.runtime.clock.now();
  }

  get peer(): string {
    return this.address;
  }

  get inFlight(): number {
    return this.#calls.open.size;
  }

  /** The client has proven to be at `from` by the hello of this id, and told the largest datagram that it takes. */
  proven(from: string, socket: DatagramSocket, helloId: bigint, maxBytes: number): void {
    this.address = from;
    this.socket = socket;
    const { maxDatagramBytes, maxConcurrentCalls, idleTimeoutMs } = this.#owner.settings;
    this.#maxBytes = Math.min(Math.max(maxBytes, 512), maxDatagramBytes);
    this.#heardMs = this.#owner.serving.runtime.clock.now();
    const writer = new Writer(32);
    writer.writeBytes(idBytes(this.id));
    writer.writeVarint(maxDatagramBytes);
    writer.writeVarint(maxConcurrentCalls);
    writer.writeVarint(idleTimeoutMs);
    this.send(PacketType.welcome, writer.finish(), helloId);
  }

  /** Sends a packet to where the client is. */
  send(type: number, payload: Uint8Array, id = this.id): void {
    const datagram = this.datagram(type, payload, id);
    if (datagram !== undefined) this.socket?.send(datagram, this.address);
  }

  /** A packet as it leaves; undefined once the session is over. */
  datagram(type: number, payload: Uint8Array, id = this.id): Uint8Array | undefined {
    if (this.#isOver || this.#numbers.areSpent) return undefined;
    const writer = new Writer(headBytes + payload.length);
    writeHead(writer, type, this.seal !== undefined, id, this.#numbers.next());
    writer.writeBytes(payload);
    const bytes = writer.finish();
    return this.seal === undefined ? bytes : this.seal.seal(bytes);
  }

  /** A packet from the proven address. Throws for what no client of this wire sends. */
  received(type: number, payload: Uint8Array): void {
    this.#heardMs = this.#owner.serving.runtime.clock.now();
    const cursor = this.#cursor.over(payload, 0, payload.length);
    switch (type) {
      case PacketType.request:
        return this.#requested(readRequestHead(cursor), payload, cursor.position);
      case PacketType.ping:
        this.#records.raise(cursor.varint());
        return this.send(PacketType.pong, payload.subarray(cursor.position, cursor.position + 64));
      case PacketType.cancel: {
        const known = this.#records.find(cursor.varint());
        if (typeof known !== "object" || known.call === undefined) return;
        known.call.stop(new RpcError("cancelled", "the caller cancelled the call", { remote: true }), true);
        return;
      }
      case PacketType.bye:
        return this.#end(expected("cancelled", "the caller closed the connection"));
    }
  }

  #requested(head: RequestHead, bytes: Uint8Array, start: number): void {
    this.#usedMs = this.#heardMs;
    this.#records.raise(head.floor);
    const known = this.#records.find(head.call);
    if (known === "over") return;
    if (known === "forgotten") {
      return this.#answer(head.call, 0, encodeFailure(expected("unavailable",
        "the call's number is older than what the server remembers (maxRemembered): whether it ran is unknown",
        { retryable: true }), undefined, undefined, this.#room));
    }
    if (known === "new") return this.#begin(head, bytes, start);
    if (known.answer !== undefined) this.#answer(known.number, 0, known.answer);
    else this.#acknowledge([known]);
  }

  #begin(head: RequestHead, bytes: Uint8Array, start: number): void {
    const receivedMs = this.#heardMs;
    const record: CallRecord = {
      number: head.call, receivedMs, isOneway: head.isOneway, call: undefined, isDone: false, answer: undefined,
    };
    const route = this.#routeOf(head);
    this.#records.add(record);
    let isBegun = false;
    const ended: UnaryEnd = (error, value, context) => {
      const told = !head.isOneway || (!isBegun && error?.neverStarted === true);
      const coders = RpcError.is(route) ? undefined : route.coders;
      const answer = !told ? undefined
        : error !== undefined || coders === undefined || context === undefined
        ? encodeFailure(error ?? expected("internal", "there is no route"), coders, context, this.#room)
        : encodeReply(coders, value, context, this.#load(), this.#room);
      this.#records.ended(record, answer);
      if (answer !== undefined && !this.#isOver) this.#answer(record.number, receivedMs, answer);
    };
    const deadline = head.timeoutMs === 0 ? Infinity : receivedMs + head.timeoutMs;
    const fields = head.extras === undefined ? undefined : fieldsOf(head);
    record.call = this.#calls.begin(route, { receivedMs, deadline, fields }, bytes, start, bytes.length, ended);
    isBegun = true;
    if (record.answer !== undefined || this.#isOver) return;
    if (head.isOneway) this.#acknowledge([record]);
    else if (!record.isDone) this.#acks.add(this.#owner.serving.runtime.clock, record, receivedMs + ackDelayMs);
  }

  #routeOf({ method, named }: RequestHead): Route | RpcError {
    const known = this.#routes.get(method);
    if (known !== undefined) return known;
    if (named === undefined) {
      return expected("unavailable", `the method's number ${method} was never named here`, { neverStarted: true });
    }
    const { path, codec, idempotent, criticality } = named;
    const route = this.#owner.serving.router(
      { path, namedByContract: true, codec, kind: "unary", idempotent, criticality });
    this.#routes.set(method, route);
    return route;
  }

  /** Bytes of an answer from its flags on. */
  get #room(): number {
    return this.#maxBytes - headBytes - answerHeadBytes - (this.seal === undefined ? 0 : tagBytes);
  }

  #load(): LoadReport | undefined {
    if (this.#heardMs - this.#reportedMs < reportGapMs) return undefined;
    const load = this.#owner.serving.load(1);
    if (load !== undefined) this.#reportedMs = this.#heardMs;
    return load;
  }

  /** `receivedMs` is 0 for an answer that is given again: what it took says nothing about the path. */
  #answer(number: number, receivedMs: number, answer: Uint8Array): void {
    const heldMs = receivedMs === 0 ? 0 : this.#owner.serving.runtime.clock.now() - receivedMs;
    const writer = new Writer(answerHeadBytes + answer.length);
    writer.writeVarint(number);
    writer.writeVarint(Math.round(heldMs * 1_000));
    writer.writeBytes(answer);
    this.send(PacketType.answer, writer.finish());
  }

  /** Tells that calls were accepted: they need not be sent again. */
  #acknowledge(records: readonly CallRecord[]): void {
    const nowMs = this.#owner.serving.runtime.clock.now();
    const writer = new Writer(64);
    for (const { number, receivedMs } of records) {
      writer.writeVarint(number);
      writer.writeVarint(Math.round((nowMs - receivedMs) * 1_000));
    }
    this.send(PacketType.ack, writer.finish());
  }

  drain(reason: RpcError): void {
    if (this.#drainingMs < Infinity || this.#isOver) return;
    this.#drainingMs = this.#owner.serving.runtime.clock.now();
    this.#calls.drain(reason);
    const writer = new Writer(64);
    writeName(writer, reason.message.slice(0, 200));
    this.send(PacketType.goAway, writer.finish());
    this.#endIfIdle();
  }

  /** While it drains: over as soon as nothing is at work, and no answer can be asked for again. */
  #endIfIdle(): void {
    if (this.#drainingMs < Infinity && this.inFlight === 0 && this.#records.size === 0) this.#end(undefined);
  }

  close(reason: RpcError): void {
    this.#calls.close(reason);
    this.#end(undefined);
  }

  sweep(nowMs: number): void {
    const silentMs = nowMs - this.#heardMs;
    const mostMs = this.#usedMs === -Infinity ? unusedMs : this.#owner.settings.idleTimeoutMs;
    const isDrained = nowMs - this.#drainingMs >= lingerMs && silentMs >= lingerMs && this.inFlight === 0;
    if (silentMs >= mostMs || isDrained) this.#end(expected("cancelled", "the caller is gone"));
  }

  #end(gone: RpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (gone !== undefined) this.#calls.abandon(gone);
    this.#acks.stop(this.#owner.serving.runtime.clock);
    this.#records.clear();
    this.#owner.ended(this);
  }
}

function fieldsOf({ extras }: RequestHead): ContextFields {
  const { header, routeKey, idempotencyKey, hops, attempt, priorAttempts } = extras ?? {};
  return {
    ...(header === undefined ? undefined : { metadata: header }),
    routeKey, idempotencyKey,
    ...(hops === undefined ? undefined : { hops }),
    ...(attempt === undefined ? undefined : { attempt }),
    ...(priorAttempts === undefined ? undefined : { priorAttempts }),
  };
}

type Telling = (records: readonly CallRecord[]) => void;

/** Waits until the first of some calls is due to be acknowledged, then does so with all that are still at work. */
class AckAlarm extends Alarm {
  readonly #tell: Telling;
  #records: CallRecord[] = [];
  override keepsAlive = false;

  constructor(tell: Telling) {
    super();
    this.#tell = tell;
  }

  add(clock: Serving["runtime"]["clock"], record: CallRecord, dueMs: number): void {
    this.#records.push(record);
    if (!this.isSet) clock.set(this, dueMs);
  }

  ring(): void {
    const due = this.#records.filter(({ isDone }) => !isDone);
    this.#records = [];
    for (let i = 0; i < due.length; i += maxAcks) this.#tell(due.slice(i, i + maxAcks));
  }

  stop(clock: Serving["runtime"]["clock"]): void {
    if (this.isSet) clock.clear(this);
    this.#records = [];
  }
}
