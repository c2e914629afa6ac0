/** The client's half of the opening: what is spoken in a WebSocket begins once the server has granted it. */
import { expected } from "../../core/error.ts";
import type { ByteSink, ByteStream, Runtime, Security } from "../../core/runtime.ts";
import { toBase64 } from "../../wire/base64.ts";
import { readResponseHead } from "../h1/read-head.ts";
import { defaultClientSettings } from "../h1/settings.ts";
import { joined } from "../../wire/joined.ts";
import { webSocketByteStream } from "./byte-stream.ts";
import { handshakeRequest, wrongGrant } from "./handshake.ts";

export interface WebSocketTarget {
  /** `host:port` to connect to. */
  readonly address: string;
  /** The path that is asked for, e.g. `/`. */
  readonly path: string;
  /** The host that the request names. */
  readonly authority: string;
  readonly protocol: string;
}

/** Connects, asks for a WebSocket that speaks `protocol`, and tells `sink` the bytes of its binary messages. */
export function connectWebSocket(
  runtime: Runtime, target: WebSocketTarget, sink: ByteSink, security: Security | undefined,
): ByteStream {
  let bytes!: ByteStream;
  openWebSocket(runtime, target, security, (stream, drawMask) => {
    const made = webSocketByteStream(runtime.clock, stream, () => sink, drawMask);
    bytes = made;
    return made.below;
  }, () => sink.opened?.());
  return bytes;
}

/**
 * Connects, and asks for a WebSocket. `make` is called at once for what hears it, on a client's side; `opened` when it
 * is granted. If it is not, what `make` made hears that it is closed, and why.
 */
export function openWebSocket(
  runtime: Runtime, target: WebSocketTarget, security: Security | undefined,
  make: (stream: ByteStream, drawMask: () => number) => ByteSink, opened: () => void,
): ByteStream {
  return new Opening(runtime, target, opened).connect(security, make);
}

class Opening implements ByteSink {
  readonly #runtime: Runtime;
  readonly #target: WebSocketTarget;
  readonly #opened: () => void;
  readonly #key: string;
  #below!: ByteSink;
  #stream!: ByteStream;
  #head: Uint8Array | undefined = new Uint8Array(0);
  #refusal: Error | undefined = undefined;

  constructor(runtime: Runtime, target: WebSocketTarget, opened: () => void) {
    this.#runtime = runtime;
    this.#target = target;
    this.#opened = opened;
    this.#key = toBase64(Uint8Array.from({ length: 16 }, () => runtime.random.next() * 256));
  }

  connect(
    security: Security | undefined, make: (stream: ByteStream, drawMask: () => number) => ByteSink,
  ): ByteStream {
    const { random, network } = this.#runtime;
    const stream = this.#stream = network.connect(this.#target.address, this, security);
    this.#below = make(stream, () => random.next() * 0x1_0000_0000 >>> 0);
    return stream;
  }

  opened(): void {
    const text = handshakeRequest({ ...this.#target, key: this.#key });
    this.#stream.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }

  received(bytes: Uint8Array): void {
    if (this.#head === undefined) return this.#below.received(bytes);
    const head = joined([this.#head, bytes]);
    const end = headEnd(head);
    if (end < 0 && head.length <= defaultClientSettings.maxHeadBytes) {
      this.#head = head;
      return;
    }
    this.#head = undefined;
    const wrong = end < 0 ? "the head of its response is too long" : this.#wrong(head, end);
    if (wrong !== undefined) return this.#refuse(wrong);
    this.#opened();
    if (end < head.length) this.#below.received(head.subarray(end));
  }

  #wrong(head: Uint8Array, end: number): string | undefined {
    try {
      return wrongGrant(readResponseHead(head, 0, end, defaultClientSettings).head, this.#target.protocol, this.#key);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #refuse(why: string): void {
    this.#refusal = expected("unavailable", `${this.#target.address} gave no WebSocket: ${why}`,
      { neverStarted: true, phase: "connect" });
    this.#stream.destroy();
  }

  drained(): void {
    this.#below.drained?.();
  }

  closed(error?: Error): void {
    const midway = this.#head !== undefined && this.#refusal === undefined && error === undefined;
    this.#below.closed(this.#refusal ?? error ?? (midway
      ? expected("unavailable", `${this.#target.address} closed before it had answered the request for a WebSocket`,
        { neverStarted: true, phase: "connect" })
      : undefined));
  }
}

/** Behind the empty line that ends a head; -1 if there is none yet. */
function headEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at - 1] === 0x0d && bytes[at - 2] === 0x0a) return at + 1;
  }
  return -1;
}
