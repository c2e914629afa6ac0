/** Byte streams in a browser: the binary messages of its WebSockets. */
import { expected, RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock, Network, Runtime } from "../../core/runtime.ts";
import { webRuntime } from "./runtime.ts";

/** Bytes that may wait with the platform before writers are told to stop. */
const highWaterBytes = 262_144;
/** How often it is looked whether they have left: browsers do not tell. Milliseconds. */
const drainPollMs = 5;

export interface WebSocketNetworkOptions {
  /** The URL of an address: `ws:` or `wss:`. */
  readonly urlOf: (address: string) => string;
  /** What the server must agree to speak. */
  readonly protocol: string;
  /** Default: the platform's. */
  readonly WebSocket?: typeof WebSocket | undefined;
}

/** The platform's runtime with a network that connects by WebSocket. */
export function webSocketRuntime(options: WebSocketNetworkOptions): Runtime {
  const network: Network = {
    ...webRuntime.network,
    connect: (address, sink) => new SocketStream(webRuntime.clock, address, sink, options),
  };
  return { ...webRuntime, network };
}

class SocketStream implements ByteStream {
  readonly peer: string;
  readonly #clock: Clock;
  readonly #sink: ByteSink;
  readonly #socket: WebSocket;
  #polling = false;
  #over = false;

  constructor(clock: Clock, address: string, sink: ByteSink, options: WebSocketNetworkOptions) {
    this.#clock = clock;
    this.#sink = sink;
    this.peer = address;
    const Socket = options.WebSocket ?? globalThis.WebSocket;
    if (Socket === undefined) throw new RpcError("unimplemented", "this platform has no WebSocket");
    const socket = this.#socket = new Socket(options.urlOf(address), [options.protocol]);
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      if (!this.#over) sink.opened?.();
    });
    socket.addEventListener("message", ({ data }: { data: unknown }) => {
      if (data instanceof ArrayBuffer && !this.#over) sink.received(new Uint8Array(data));
    });
    // The error event says nothing; what follows it does.
    socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) => {
      const why = opened ? `the WebSocket closed with ${code}${reason && `: ${reason}`}`
        : `no WebSocket to ${socket.url}: browsers do not tell pages why (its server, its origins, a certificate)`;
      this.#closed(opened && (code === 1000 || code === 1001 || code === 1005) ? undefined
        : expected("unavailable", why, { phase: opened ? "network" : "connect", neverStarted: !opened }));
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.#over || this.#socket.readyState !== 1) return true;
    // The platform has a copy at once.
    this.#socket.send(bytes);
    if (written !== undefined) this.#clock.defer(written);
    if (this.#socket.bufferedAmount <= highWaterBytes) return true;
    this.#pollUntilDrained();
    return false;
  }

  #pollUntilDrained(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#clock.after(drainPollMs, () => {
      this.#polling = false;
      if (this.#over) return;
      if (this.#socket.bufferedAmount > highWaterBytes / 2) this.#pollUntilDrained();
      else this.#sink.drained?.();
    });
  }

  pause(): void {
    // Nobody can hold a browser's WebSocket back; the protocol above has windows of its own.
  }

  resume(): void {
    // Never paused.
  }

  end(): void {
    this.#socket.close(1000);
  }

  destroy(): void {
    this.#socket.close();
    // Its own close event may take as long as the peer does.
    this.#clock.defer(() => this.#closed(undefined));
  }

  #closed(error: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.closed(error);
  }
}
