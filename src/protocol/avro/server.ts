/** The server half of Avro's RPC on a byte stream: one accepted connection, framed or with serial numbers. */
import type { AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { peerOf } from "../../core/peer.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import { UnaryCalls } from "../unary-calls.ts";
import type { Answering, AnswerSink } from "./answering.ts";
import { malformed } from "./binary.ts";
import { AvroOutbox, MessageReader, type Transport, transportOf } from "./frames.ts";
import type { ClientProtocol } from "./protocols.ts";
import type { AvroSettings } from "./settings.ts";

/** How long a peer that was told the end may take to close its side before it is cut off, in milliseconds. */
const lingerMs = 1_000;

export class AvroServerConnection implements ByteSink, ServedConnection {
  readonly #clock: Clock;
  readonly #settings: AvroSettings;
  readonly #answering: Answering;
  readonly #owner: AcceptOwner;
  readonly #stream: ByteStream;
  readonly #calls: UnaryCalls;
  #opening: Uint8Array = new Uint8Array(0);
  #reader: MessageReader | undefined = undefined;
  #outbox: AvroOutbox | undefined = undefined;
  #transport: Transport = "serial";
  #client: ClientProtocol | undefined = undefined;
  /** Of a framed connection: its answers have no numbers, so one call is at work at a time. */
  #isBusy = false;
  #isDraining = false;
  #isPaused = false;
  #ended = false;
  #linger: Timer | undefined = undefined;
  #receivedMs: number;
  readonly #stall = { messages: -1, takenBytes: 0, sinceMs: 0 };

  constructor(stream: ByteStream, serving: Serving, answering: Answering, owner: AcceptOwner) {
    this.#stream = stream;
    this.#clock = serving.runtime.clock;
    this.#answering = answering;
    this.#settings = answering.settings;
    this.#owner = owner;
    this.#receivedMs = this.#stall.sinceMs = this.#clock.now();
    this.#calls = new UnaryCalls(serving, {
      peer: stream.peer, from: peerOf(stream), maxConcurrentCalls: this.#settings.maxConcurrentCalls,
      emptied: () => this.#emptied(),
    });
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get inFlight(): number {
    return this.#calls.open.size;
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#receivedMs = this.#clock.now();
    try {
      const reader = this.#reader ?? this.#open(bytes);
      if (reader === undefined) return;
      reader.push(this.#opening.length > 0 ? this.#taken() : bytes);
      this.#holdBack();
    } catch (error) {
      this.#fail(RpcError.from(error, "internal"));
    }
  }

  /** Finds out which transport it is. All bytes so far are kept until then. */
  #open(bytes: Uint8Array): MessageReader | undefined {
    const both = new Uint8Array(this.#opening.length + bytes.length);
    both.set(this.#opening);
    both.set(bytes, this.#opening.length);
    this.#opening = both;
    const transport = transportOf(both);
    if (transport === false) throw malformed("the connection's first bytes are no handshake");
    if (transport === undefined) return undefined;
    this.#transport = transport;
    this.#outbox = new AvroOutbox(this.#stream, this.#clock, transport);
    return this.#reader = new MessageReader(transport, this.#settings.maxMessageBytes,
      (serial, from, start, end) => this.#message(serial, from, start, end));
  }

  #taken(): Uint8Array {
    const opening = this.#opening;
    this.#opening = new Uint8Array(0);
    return opening;
  }

  #message(serial: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#ended) return false;
    const isInOrder = this.#transport === "framed";
    if (isInOrder) this.#isBusy = true;
    const { client } = this.#answering.answer({
      calls: this.#calls, receivedMs: this.#receivedMs, client: this.#client,
    }, new ConnectionSink(this, serial), bytes, start, end);
    this.#client ??= client;
    return !(isInOrder && this.#isBusy);
  }

  /** Where answers are written; undefined once nobody listens. */
  begin(): Writer | undefined {
    if (this.#ended) return undefined;
    this.#outbox?.begin();
    return this.#outbox;
  }

  end(serial: number): void {
    if (!this.#ended) this.#outbox?.end(serial);
    this.answered();
  }

  abort(): void {
    this.#outbox?.abort();
  }

  /** A message is done with, answered or not: on a framed connection the next one may come. */
  answered(): void {
    if (!this.#isBusy) return;
    this.#isBusy = false;
    // Not at once: this may be called while the reader waits for what the message came to.
    this.#clock.defer(this.#next);
  }

  readonly #next = (): void => {
    if (this.#ended || this.#isBusy) return;
    try {
      this.#reader?.push(nothing);
      this.#holdBack();
    } catch (error) {
      this.#fail(RpcError.from(error, "internal"));
    }
  };

  /** Requests are read no further while their answers are not read, or an earlier one is not answered. */
  #holdBack(): void {
    if (this.#ended) return;
    this.#outbox?.flush();
    const isFull = this.#isBusy || this.#outbox?.full === true;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#stream.pause();
    else this.#stream.resume();
  }

  drained(): void {
    if (this.#outbox !== undefined) this.#outbox.full = false;
    this.#holdBack();
  }

  drain(reason: RpcError): void {
    if (this.#isDraining || this.#ended) return;
    this.#isDraining = true;
    this.#calls.drain(reason);
    this.#emptied();
  }

  #emptied(): void {
    if (this.#isDraining && this.#calls.open.size === 0) this.#end(undefined);
  }

  close(reason: RpcError): void {
    this.#isDraining = true;
    this.#calls.close(reason);
    this.#end(undefined);
  }

  sweep(nowMs: number): void {
    const { bufferedBytes } = this.#stream;
    const isIdle = this.#reader?.midMessage !== true && this.#opening.length === 0 && bufferedBytes === 0;
    const takenBytes = (this.#outbox?.flushedBytes ?? 0) - bufferedBytes;
    const stall = this.#stall;
    const messages = this.#reader?.messages ?? 0;
    // A message that waits for its turn is not its sender's fault.
    if (isIdle || this.#isBusy || messages !== stall.messages || takenBytes > stall.takenBytes) {
      stall.messages = messages;
      stall.sinceMs = nowMs;
    }
    stall.takenBytes = takenBytes;
    const { stallTimeoutMs } = this.#settings;
    if (nowMs - stall.sinceMs < stallTimeoutMs) return;
    this.#stream.destroy();
    this.#end(expected("unavailable", bufferedBytes > 0 ? `the peer has read nothing for ${stallTimeoutMs} ms ` +
      "(stallTimeoutMs)" : `the peer has left a message unfinished for ${stallTimeoutMs} ms (stallTimeoutMs)`,
    { phase: "network" }));
  }

  /** What is no message ends the connection: where the next one begins is not known. */
  #fail(error: RpcError): void {
    this.#outbox?.abort();
    this.#end(error);
  }

  #end(error: RpcError | undefined): void {
    if (this.#ended) return;
    this.#outbox?.flush();
    this.#ended = true;
    this.#outbox?.close();
    const waitMs = this.#stream.bufferedBytes > 0 ? this.#settings.stallTimeoutMs : lingerMs;
    this.#linger = this.#clock.after(waitMs, () => this.#stream.destroy()).unref();
    this.#stream.end();
    this.#over(error);
  }

  #over(error: RpcError | undefined): void {
    this.#calls.abandon(expected("cancelled", "the caller's connection is gone", { cause: error }));
    this.#owner.ended(this, error);
  }

  closed(error?: Error): void {
    this.#linger?.cancel();
    if (!this.#ended) {
      this.#ended = true;
      this.#outbox?.close();
      const { size } = this.#calls.open;
      const why = error?.message ?? (this.#reader?.midMessage === true
        ? "the peer closed the connection within a message"
        : size > 0 && !this.#isDraining ? `the caller closed the connection with calls in flight (${size})`
          : undefined);
      this.#over(why === undefined ? undefined : expected("unavailable", why, { cause: error, phase: "network" }));
    }
    this.#owner.gone?.(this);
  }
}

const nothing = new Uint8Array(0);

/** The answer to one message of a connection. */
class ConnectionSink implements AnswerSink {
  readonly #connection: AvroServerConnection;
  readonly #serial: number;

  constructor(connection: AvroServerConnection, serial: number) {
    this.#connection = connection;
    this.#serial = serial;
  }

  begin(): Writer | undefined {
    return this.#connection.begin();
  }

  end(): void {
    this.#connection.end(this.#serial);
  }

  abort(): void {
    this.#connection.abort();
  }

  none(): void {
    this.#connection.answered();
  }
}
