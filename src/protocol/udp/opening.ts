/** An opening is how a client comes to a session: keys where it is sealed, then hellos until it is welcome. */
import { Alarm } from "../../core/alarm.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { DatagramSocket, Runtime, Security } from "../../core/runtime.ts";
import { Cursor } from "../../wire/cursor.ts";
import { Writer } from "../../wire/writer.ts";
import { cookieBytes } from "./cookie.ts";
import { fetchKeys, type Granted } from "./keys.ts";
import {
  headBytes, idOf, leastHelloBytes, PacketNumbers, PacketType, readHead, tagBytes, version, writeHead,
} from "./packet.ts";
import { Seal } from "./seal.ts";

/** A way to the server on which calls can go. */
export interface Way {
  readonly socket: DatagramSocket;
  readonly id: bigint;
  readonly seal: Seal | undefined;
  readonly numbers: PacketNumbers;
  readonly maxDatagramBytes: number;
  readonly maxConcurrentCalls: number;
  readonly idleTimeoutMs: number;
  /** Undefined if no hello was answered at its first try. */
  readonly roundTripMs: number | undefined;
}

export interface OpeningOptions {
  readonly runtime: Runtime;
  readonly address: string;
  /** For sealed sessions: how keys are fetched. */
  readonly tls: Security | undefined;
  readonly maxDatagramBytes: number;
  /** Hears every datagram once the way is open. */
  readonly received: (bytes: Uint8Array) => void;
  readonly opened: (way: Way) => void;
  readonly failed: (error: RpcError) => void;
}

/**
 * Hellos are repeated for so long: what waits for the connection should hear why there is none, or that all goes by the
 * fallback.
 */
const timeoutMs = 2_500;
/** The first repetition comes sooner than that of calls: a hello is small, and few are sent. */
const firstRepeatMs = 300;

export class Opening extends Alarm {
  readonly #options: OpeningOptions;
  readonly #startedMs: number;
  readonly #numbers = new PacketNumbers();
  #socket: DatagramSocket | undefined = undefined;
  #seal: Seal | undefined = undefined;
  #id: bigint;
  #cookie: Uint8Array = new Uint8Array(0);
  #hellos = 0;
  #sentMs = 0;
  #roundTripMs: number | undefined = undefined;
  #giveUpKeys: (() => void) | undefined = undefined;
  #state: "opening" | "open" | "over" = "opening";

  constructor(options: OpeningOptions) {
    super();
    this.#options = options;
    const { runtime, tls, address } = options;
    this.#startedMs = runtime.clock.now();
    // 64 of 128 bits by chance: nobody off the path can answer in the server's place.
    this.#id = BigInt(`0x${runtime.random.id().slice(0, 16)}`);
    const { sealing } = runtime;
    if (tls === undefined) {
      this.#bind();
    } else if (sealing === undefined) {
      runtime.clock.defer(() => this.#fail(new RpcError("unimplemented", "this runtime cannot seal datagrams",
        { neverStarted: true, phase: "connect", retryable: false })));
    } else {
      this.#giveUpKeys = fetchKeys(runtime, tls, address, (granted: Granted | RpcError) => {
        this.#giveUpKeys = undefined;
        if (RpcError.is(granted)) return this.#fail(granted);
        this.#id = granted.id;
        this.#seal = new Seal(sealing, granted.keys);
        this.#bind();
      });
    }
  }

  #bind(): void {
    const { network } = this.#options.runtime;
    const received = (bytes: Uint8Array): void => this.#received(bytes);
    const anywhere = this.#options.address.startsWith("[") ? "[::]:0" : "0.0.0.0:0";
    Promise.resolve().then(() => network.datagrams(anywhere, received)).then((socket) => {
      if (this.#state === "over") return void socket.close();
      this.#socket = socket;
      this.#hello();
    }, (error: unknown) => this.#fail(RpcError.from(error, "unavailable")));
  }

  #hello(): void {
    const { runtime, maxDatagramBytes, address } = this.#options;
    const nowMs = runtime.clock.now();
    const cookie = this.#cookie;
    const writer = new Writer(leastHelloBytes);
    writeHead(writer, PacketType.hello, this.#seal !== undefined, this.#id, this.#numbers.next());
    writer.writeVarint(cookie.length);
    writer.writeBytes(cookie);
    writer.writeVarint(maxDatagramBytes);
    const least = leastHelloBytes - (this.#seal === undefined ? 0 : tagBytes);
    writer.writeBytes(new Uint8Array(Math.max(0, least - writer.position)));
    const bytes = writer.finish();
    this.#sentMs = nowMs;
    this.#socket?.send(this.#seal?.seal(bytes) ?? bytes, address);
    runtime.clock.set(this, Math.min(nowMs + firstRepeatMs * 2 ** this.#hellos, this.#startedMs + timeoutMs));
    this.#hellos++;
  }

  ring(): void {
    const { runtime, address } = this.#options;
    if (runtime.clock.now() - this.#startedMs < timeoutMs) return this.#hello();
    this.#fail(expected("unavailable", `no datagram came from ${address} within ${timeoutMs} ms: it serves no UDP, ` +
      "or something on the way lets none through", { neverStarted: true, phase: "connect" }));
  }

  #received(bytes: Uint8Array): void {
    if (this.#state === "open") return this.#options.received(bytes);
    const head = readHead(bytes);
    if (this.#state === "over" || head === undefined || head.id !== this.#id) return;
    try {
      if (head.type === PacketType.versions) {
        const [least = 0, most = 0] = bytes.subarray(headBytes);
        // It answers what we never said: a hello that was damaged on its way.
        if (least <= version && version <= most) return;
        return this.#fail(expected("failed_precondition", `the server speaks versions ${least} to ${most} of ` +
          "Meridian's UDP, this side 1", { neverStarted: true, phase: "connect", retryable: false }));
      }
      const payload = this.#seal === undefined || !head.isSealed ? bytes.subarray(headBytes)
        : this.#seal.open(bytes, head.number);
      if (payload === undefined) return;
      // Anybody on the path may send these, sealed or not: sealed sessions do not listen to what is not sealed.
      if (head.isSealed !== (this.#seal !== undefined)) return;
      this.#answered(head.type, new Cursor().over(payload, 0, payload.length));
    } catch {
      // What is no answer is no sign of the server: the next hello asks again.
    }
  }

  #answered(type: number, cursor: Cursor): void {
    const { clock } = this.#options.runtime;
    switch (type) {
      case PacketType.cookie:
        this.#cookie = cursor.run(cookieBytes).slice();
        if (this.#hellos === 1) this.#roundTripMs = clock.now() - this.#sentMs;
        this.#hellos = 0;
        return this.#hello();
      case PacketType.refused:
        return this.#fail(expected("unavailable", `the server takes no datagrams from here: ${cursor.text(1_024)}`,
          { neverStarted: true, phase: "connect" }));
      case PacketType.welcome: {
        const id = idOf(cursor.bytes.subarray(cursor.position, cursor.position + 8));
        cursor.position += 8;
        const [maxDatagramBytes, maxConcurrentCalls, idleTimeoutMs] =
          [cursor.varint(), cursor.varint(), cursor.varint()];
        this.#state = "open";
        this.#clear();
        this.#options.opened({
          socket: this.#socket as DatagramSocket, id, seal: this.#seal, numbers: this.#numbers, maxDatagramBytes,
          maxConcurrentCalls, idleTimeoutMs, roundTripMs: this.#roundTripMs,
        });
      }
    }
  }

  #fail(error: RpcError): void {
    if (this.#state !== "opening") return;
    this.giveUp();
    this.#options.failed(error);
  }

  /** Ends it without a word; does nothing once it is open. */
  giveUp(): void {
    if (this.#state !== "opening") return;
    this.#state = "over";
    this.#clear();
    this.#giveUpKeys?.();
    void this.#socket?.close();
  }

  #clear(): void {
    if (this.isSet) this.#options.runtime.clock.clear(this);
  }
}
