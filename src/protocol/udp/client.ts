/** The client's half of the UDP wire: calls that are sent again until there is a sign of them, as the path bears it. */
import { Alarm } from "../../core/alarm.ts";
import type { AttemptObserver, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Clock, Runtime, Security } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { Cursor } from "../../wire/cursor.ts";
import { Writer } from "../../wire/writer.ts";
import { OpenCall, type OpenCallOwner } from "../open-call.ts";
import { readAnswer } from "./answer.ts";
import { cookieBytes } from "./cookie.ts";
import { Opening, type Way } from "./opening.ts";
import { type Head, headBytes, leastHelloBytes, PacketType, readHead, tagBytes, writeHead } from "./packet.ts";
import { type Numbered, Parcel, type ParcelOwner } from "./parcel.ts";
import { maxMethods, unfit, writeCallExtras, writeRequestHead } from "./request.ts";
import { SendWindow } from "./send-window.ts";
import type { UdpSettings } from "./settings.ts";

export interface UdpConnectionOptions {
  readonly coders: (method: MethodInfo) => MethodCoders;
  /** With it datagrams are sealed. */
  readonly tls: Security | undefined;
  readonly settings: UdpSettings;
  /** Carries what UDP cannot; without it such calls fail with the reason. */
  readonly otherwise?: ((request: unknown, context: Context, observer: AttemptObserver) => unknown) | undefined;
}

/** Most bytes of a request's numbers, flags and timeout, before the method's name. */
const requestHeadBytes = 40;
/** A call that the server works on is asked after so often at first, in milliseconds. */
const leastProbeMs = 500;
/** So many signs of life that were asked for and did not come mean that the server is gone. */
const mostPings = 4;
/** A reset that could be anybody's is believed after so much silence, in milliseconds. */
const resetSilenceMs = 1_000;

export class UdpConnection implements Connection, OpenCallOwner, ParcelOwner {
  readonly clock: Clock;
  readonly pingsSparingly = false;
  lastReceivedMs: number;
  readonly #address: string;
  readonly #events: ConnectionEvents;
  readonly #options: UdpConnectionOptions;
  readonly #settings: UdpSettings;
  readonly #opening: Opening;
  readonly #window = new SendWindow();
  readonly #parcels = new Map<number, Parcel>();
  readonly #methods: (Numbered | undefined)[] = [];
  #methodCount = 0;
  #lastCall = 0;
  /** Waiting for room in the window, first come, first sent. */
  #queue: Parcel[] = [];
  /** Datagrams of which there is no sign yet. */
  #onTheWay = 0;
  #open = 0;
  readonly #cursor = new Cursor();
  #writer = new Writer(2_048);
  #way: Way | undefined = undefined;
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #closeTimer: Timer | undefined = undefined;
  readonly #keepAlive: KeepAlive;
  #pings = 0;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: UdpConnectionOptions) {
    this.clock = runtime.clock;
    this.lastReceivedMs = runtime.clock.now();
    this.#address = address;
    this.#events = events;
    this.#options = options;
    this.#settings = options.settings;
    this.#keepAlive = new KeepAlive(() => this.#quiet());
    this.#opening = new Opening({
      runtime, address, tls: options.tls, maxDatagramBytes: options.settings.maxDatagramBytes,
      received: (bytes) => this.#received(bytes), opened: (way) => this.#opened(way),
      failed: (error) => this.#finish(error),
    });
  }

  get inFlight(): number {
    return this.#open;
  }

  #opened(way: Way): void {
    this.#way = way;
    this.#state = "open";
    this.lastReceivedMs = this.clock.now();
    if (way.roundTripMs !== undefined) this.#window.measured(way.roundTripMs);
    this.clock.set(this.#keepAlive, this.lastReceivedMs + way.idleTimeoutMs / 4);
    this.#events.opened();
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    const way = this.#way;
    if (this.#state !== "open" || way === undefined) {
      throw expected("unavailable", "the connection takes no calls", { neverStarted: true, phase: "connect" });
    }
    const { method } = context;
    const { otherwise, settings } = this.#options;
    const refusal = unfit(method);
    if (refusal !== undefined) {
      if (otherwise === undefined) throw refusal;
      return otherwise(request, context, observer);
    }
    const most = Math.min(settings.maxConcurrentCalls, way.maxConcurrentCalls);
    if (this.#parcels.size >= most) {
      throw expected("resource_exhausted", `${most} calls are under way on this connection (maxConcurrentCalls)`,
        { neverStarted: true, phase: "queue" });
    }
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const coders = this.#options.coders(method);
    const numbered = this.#methods[method.ordinal] ?? this.#number(method, coders);
    const writer = this.#begun();
    const hasExtras = writeCallExtras(writer, context);
    coders.request.encode(request, writer);
    const size = headBytes + (way.seal === undefined ? 0 : tagBytes) + requestHeadBytes +
      numbered.name.path.length + numbered.name.codec.length + writer.position;
    const room = Math.min(settings.maxDatagramBytes, way.maxDatagramBytes);
    if (size > room) {
      if (otherwise !== undefined) return otherwise(request, context, observer);
      throw new RpcError("resource_exhausted", `a request of ${method.path} needs a datagram of ${size} bytes, and ` +
        `maxDatagramBytes is ${room}: call it by TCP, e.g. udp({ fallback: native() })`,
        { phase: "encode", neverStarted: true, retryable: false });
    }
    const call = new OpenCall(this, ++this.#lastCall, coders, context, observer);
    return this.#post(new Parcel(this, call, numbered, writer.finish(), hasExtras, method.oneway === true));
  }

  #begun(): Writer {
    if (this.#writer.bytes.length > 262_144) this.#writer = new Writer(2_048);
    this.#writer.position = 0;
    return this.#writer;
  }

  #number({ path, idempotent, criticality, ordinal }: MethodInfo, { codec }: MethodCoders): Numbered {
    if (this.#methodCount === maxMethods) {
      throw new RpcError("resource_exhausted", `more than ${maxMethods} methods on one connection`,
        { neverStarted: true });
    }
    const name = { path, codec, idempotent, criticality };
    return this.#methods[ordinal] = { number: this.#methodCount++, name, isKnown: false };
  }

  #post(parcel: Parcel): Promise<unknown> {
    const { call } = parcel;
    this.#parcels.set(call.id, parcel);
    this.#open++;
    const answer = call.wait();
    this.#queue.push(parcel);
    this.#pump();
    return answer;
  }

  /** Sends what waits, as far as the window has room. */
  #pump(): void {
    let count = 0;
    for (const parcel of this.#queue) {
      if (this.#onTheWay >= Math.floor(this.#window.datagrams) || this.#state === "closed") break;
      count++;
      if (parcel.state === "queued") this.#transmit(parcel);
    }
    if (count > 0) this.#queue.splice(0, count);
  }

  #transmit(parcel: Parcel): void {
    const { call, method } = parcel;
    const nowMs = this.clock.now();
    const { deadline } = call.context;
    // Of a detached call nobody watches the deadline: it is not sent beyond it.
    if (parcel.isDetached && nowMs >= deadline) return this.#done(parcel);
    const [floor = call.id] = this.#parcels.keys();
    const writer = this.#begin(PacketType.request);
    writeRequestHead(writer, {
      call: call.id, floor, isOneway: parcel.isOneway, method: method.number, hasExtras: parcel.hasExtras,
      timeoutMs: deadline === Infinity ? 0 : Math.max(1, Math.ceil(deadline - nowMs)),
      named: method.isKnown ? undefined : method.name,
    });
    writer.writeBytes(parcel.body);
    parcel.state = "sent";
    parcel.sentMs = nowMs;
    this.#onTheWay++;
    this.clock.set(parcel, nowMs + this.#window.timeoutMs(parcel.silent));
    parcel.transmissions++;
    parcel.silent++;
    this.#send(writer);
    // Over for its caller once it has left, and not before: who sends faster than the path bears has to wait.
    if (!parcel.isOneway || this.#settings.acknowledgeOneway || parcel.isDetached) return;
    parcel.isDetached = true;
    call.succeed(undefined);
  }

  #begin(type: number): Writer {
    const writer = this.#begun();
    const { id, seal, numbers } = this.#way as Way;
    writeHead(writer, type, seal !== undefined, id, numbers.next());
    return writer;
  }

  #send(writer: Writer): void {
    const { socket, seal, numbers } = this.#way as Way;
    const bytes = writer.finish();
    socket.send(seal === undefined ? bytes : seal.seal(bytes), this.#address);
    if (numbers.areSpent && this.#state === "open") {
      this.#events.draining("the connection has used up its packet numbers", true);
      this.close(Infinity);
    }
  }

  overdue(parcel: Parcel): void {
    const { call } = parcel;
    if (parcel.state === "sent") {
      this.#onTheWay--;
      this.#window.lost(parcel.sentMs, this.clock.now());
      if (parcel.silent >= this.#settings.maxTransmissions) {
        const error = expected("unavailable", `no sign of ${this.#address} after ${parcel.silent} transmissions ` +
          `in ${Math.round(this.clock.now() - call.context.startedMs)} ms (maxTransmissions): whether the call ran ` +
          "is unknown", { phase: "network", retryable: true });
        parcel.state = "over";
        if (parcel.isDetached) this.#done(parcel);
        else call.fail(error);
        return this.#pump();
      }
    }
    parcel.state = "queued";
    this.#queue.push(parcel);
    this.#pump();
  }

  #received(bytes: Uint8Array): void {
    const head = readHead(bytes);
    const way = this.#way;
    if (head === undefined || way === undefined || head.id !== way.id || this.#state === "closed") return;
    const { seal } = way;
    if (head.type === PacketType.reset && !head.isSealed) return this.#reset();
    if (head.isSealed !== (seal !== undefined)) return;
    const payload = seal === undefined ? bytes.subarray(headBytes) : seal.open(bytes, head.number);
    if (payload === undefined) return;
    try {
      this.#packet(head, payload);
    } catch {
      // What cannot be read is no sign of a call: it is sent again.
    }
  }

  #packet({ type }: Head, payload: Uint8Array): void {
    const cursor = this.#cursor.over(payload, 0, payload.length);
    if (type !== PacketType.cookie) {
      this.lastReceivedMs = this.clock.now();
      this.#pings = 0;
    }
    switch (type) {
      case PacketType.answer: return this.#answered(cursor);
      case PacketType.ack:
        while (!cursor.atEnd) this.#accepted(cursor.varint(), cursor.varint() / 1_000);
        return this.#pump();
      case PacketType.pong: return this.#events.pinged(this.clock.now() - cursor.varint() / 1_000);
      case PacketType.cookie: return this.#proveAgain(cursor.run(cookieBytes));
      case PacketType.goAway: {
        const why = cursor.text(1_024);
        if (this.#state === "open") this.#events.draining(why);
        return this.close(Infinity);
      }
    }
  }

  #answered(cursor: Cursor): void {
    const parcel = this.#parcels.get(cursor.varint());
    const heldMs = cursor.varint() / 1_000;
    if (parcel === undefined) return;
    const { call } = parcel;
    const { error, extras } = readAnswer(cursor, call.coders);
    this.#sign(parcel, heldMs);
    parcel.state = "over";
    if (extras?.load !== undefined) this.#events.reported(extras.load);
    if (parcel.isDetached) {
      this.#done(parcel);
    } else if (error !== undefined) {
      call.fail(error);
    } else {
      if (extras?.header !== undefined) call.context.onMetadata?.("header", extras.header);
      if (extras?.trailer !== undefined) call.context.onMetadata?.("trailer", extras.trailer);
      call.answered(cursor.bytes, cursor.position, cursor.end);
    }
    this.#pump();
  }

  /** The server has it: a one-way call is done; of others the answer is to come, and is asked for now and then. */
  #accepted(number: number, heldMs: number): void {
    const parcel = this.#parcels.get(number);
    if (parcel === undefined || parcel.state === "over") return;
    const probes = parcel.state === "accepted" ? parcel.transmissions : 0;
    this.#sign(parcel, heldMs);
    if (!parcel.isOneway) {
      parcel.state = "accepted";
      parcel.silent = 0;
      const probeMs = Math.max(leastProbeMs, 2 * this.#window.timeoutMs(0)) * 2 ** Math.min(probes, 3);
      this.clock.set(parcel, this.clock.now() + probeMs);
      return;
    }
    parcel.state = "over";
    if (parcel.isDetached) this.#done(parcel);
    else parcel.call.succeed(undefined);
  }

  /** The server knows the call, and its method's number: what the path did with the datagram is known too. */
  #sign(parcel: Parcel, heldMs: number): void {
    parcel.method.isKnown = true;
    if (parcel.state !== "sent") return;
    const isFull = this.#onTheWay >= Math.floor(this.#window.datagrams);
    this.#onTheWay--;
    if (parcel.transmissions === 1) this.#window.measured(this.clock.now() - parcel.sentMs - heldMs);
    this.#window.arrived(isFull);
  }

  /** Our address was changed on the way: the server wants to be sure of it. */
  #proveAgain(cookie: Uint8Array): void {
    const writer = this.#begin(PacketType.hello);
    writer.writeVarint(cookie.length);
    writer.writeBytes(cookie);
    writer.writeVarint(this.#settings.maxDatagramBytes);
    writer.writeBytes(new Uint8Array(Math.max(0, leastHelloBytes - writer.position)));
    this.#send(writer);
  }

  /** The server does not know the session (any more). Of a sealed one anybody could say so. */
  #reset(): void {
    const silentMs = this.clock.now() - this.lastReceivedMs;
    if (this.#way?.seal !== undefined && silentMs < resetSilenceMs) return;
    this.#finish(expected("unavailable", "the server does not know the session any more: it was started anew, or " +
      "heard nothing for too long"));
  }

  ended(call: OpenCall): void {
    this.#open--;
    const parcel = this.#parcels.get(call.id);
    if (parcel !== undefined && !parcel.isDetached) this.#done(parcel);
  }

  /** Nobody waits for anything of it, and it is not sent again. */
  #done(parcel: Parcel): void {
    if (parcel.state === "sent") this.#onTheWay--;
    parcel.state = "over";
    if (parcel.isSet) this.clock.clear(parcel);
    this.#parcels.delete(parcel.call.id);
    if (this.#state === "closing" && this.#parcels.size === 0) this.#finish(undefined);
  }

  takenBack({ id }: OpenCall): void {
    const parcel = this.#parcels.get(id);
    if (parcel === undefined || parcel.transmissions === 0 || this.#state === "closed") return;
    const writer = this.#begin(PacketType.cancel);
    writer.writeVarint(id);
    this.#send(writer);
  }

  ping(): boolean {
    if (this.#state !== "open") return true;
    const [floor = this.#lastCall + 1] = this.#parcels.keys();
    const writer = this.#begin(PacketType.ping);
    writer.writeVarint(floor);
    writer.writeVarint(Math.round(this.clock.now() * 1_000));
    this.#send(writer);
    return true;
  }

  /** Nothing may have come for a while: the session must not be forgotten, nor a dead server be waited for. */
  #quiet(): void {
    if (this.#state !== "open" && this.#state !== "closing") return;
    const { idleTimeoutMs } = this.#way as Way;
    const nowMs = this.clock.now();
    const quietMs = idleTimeoutMs / 4;
    if (nowMs - this.lastReceivedMs >= quietMs - 1) {
      if (++this.#pings > mostPings) {
        return this.#finish(expected("unavailable", `nothing came from ${this.#address} for ` +
          `${Math.round(nowMs - this.lastReceivedMs)} ms`));
      }
      this.ping();
    }
    this.clock.set(this.#keepAlive, nowMs + (this.#pings > 0 ? Math.min(quietMs, 2_000) : quietMs));
  }

  failRepeatable(error: RpcError): void {
    for (const { call, isDetached } of [...this.#parcels.values()]) {
      if (!isDetached && call.repeatable) {
        call.abandon(expected(error.code, error.message, { phase: "network", retryable: true }));
      }
    }
  }

  abort(error: RpcError): void {
    this.#finish(error);
  }

  close(graceMs: number): void {
    if (this.#state === "closed") return;
    if (this.#state === "opening" || this.#parcels.size === 0 || graceMs <= 0) return this.#finish(undefined);
    this.#state = "closing";
    if (graceMs < Infinity) this.#closeTimer ??= this.clock.after(graceMs, () => this.#finish(undefined));
  }

  #finish(error: RpcError | undefined): void {
    if (this.#state === "closed") return;
    if (this.#way !== undefined) this.#send(this.#begin(PacketType.bye));
    this.#state = "closed";
    this.#opening.giveUp();
    this.#closeTimer?.cancel();
    if (this.#keepAlive.isSet) this.clock.clear(this.#keepAlive);
    this.#queue = [];
    for (const parcel of [...this.#parcels.values()]) {
      const isSent = parcel.transmissions > 0;
      if (parcel.isDetached) this.#done(parcel);
      else parcel.call.fail(expected("unavailable", `the connection ended before the reply: ${
        error?.message ?? "closed"}`, { cause: error, phase: "network", retryable: true, neverStarted: !isSent }));
    }
    // Never at once: whoever closes it hears of that later.
    this.clock.defer(() => {
      void this.#way?.socket.close();
      this.#events.closed(error);
    });
  }
}

/** Looks now and then whether anything was heard. */
class KeepAlive extends Alarm {
  readonly #look: () => void;
  override keepsAlive = false;

  constructor(look: () => void) {
    super();
    this.#look = look;
  }

  ring(): void {
    this.#look();
  }
}
