/**
 * A network inside one process: byte streams and datagrams without sockets, on any clock.
 *
 * For tests of your own: client, server and gateway of one process talk over it as over TCP, with nothing
 * to bind and nobody else to disturb.
 */
import { expected, RpcError } from "../core/error.ts";
import type {
  ByteSink, ByteStream, Clock, DatagramReceiver, DatagramSocket, Listener, Network, Runtime,
} from "../core/runtime.ts";

/** The same clock and chance, with a network of its own. */
export function inMemory(runtime: Runtime): Runtime {
  return { clock: runtime.clock, random: runtime.random, network: memoryNetwork(runtime.clock) };
}

/** Bytes under way from which `write` returns false. */
const highWaterBytes = 1 << 20;

/** Makes a network whose addresses are known in this process only. */
export function memoryNetwork(clock: Clock): Network {
  const listeners = new Map<string, (stream: ByteStream) => ByteSink>();
  const sockets = new Map<string, DatagramReceiver>();
  let lastPort = 49_151;
  return {
    connect(address, sink, security) {
      if (security !== undefined) throw unsecured();
      const near = new MemoryStream(clock, address);
      near.sink = sink;
      clock.defer(() => {
        const wrong = addressError(address);
        const accept = listeners.get(address);
        if (wrong !== undefined || accept === undefined) {
          near.refuse(wrong ?? expected("unavailable", `nobody listens on ${address} in this process`,
            { neverStarted: true, phase: "connect" }));
          return;
        }
        const far = new MemoryStream(clock, `memory:${address}`);
        near.join(far);
        far.join(near);
        far.sink = accept(far);
        near.open();
        far.open();
      });
      return near;
    },
    async listen(address, accept, security): Promise<Listener> {
      if (security !== undefined) throw unsecured();
      const bound = free(address, listeners);
      listeners.set(bound, accept);
      return {
        address: bound,
        async close() {
          if (listeners.get(bound) === accept) listeners.delete(bound);
        },
      };
    },
    async datagrams(address, receive) {
      if (address.startsWith("unix:")) throw addressError("");
      return memoryDatagrams(clock, sockets, free(address, sockets), receive);
    },
  };

  /** The address, with a port of its own for 0; throws if it is taken. */
  function free(address: string, taken: ReadonlyMap<string, unknown>): string {
    const wrong = addressError(address);
    if (wrong !== undefined) throw wrong;
    const bound = address.endsWith(":0") ? `${address.slice(0, -1)}${++lastPort}` : address;
    if (!taken.has(bound)) return bound;
    throw new RpcError("failed_precondition", `${bound} is in use in this process: listen elsewhere, or on port 0`);
  }
}

/** As over IPv4. */
const maxDatagramBytes = 65_507;

/** All arrive, in order, once this turn is over. */
function memoryDatagrams(
  clock: Clock, sockets: Map<string, DatagramReceiver>, address: string, receive: DatagramReceiver,
): DatagramSocket {
  let isOpen = true;
  sockets.set(address, receive);
  return {
    address, maxBytes: maxDatagramBytes,
    send(bytes, to) {
      if (!isOpen || bytes.length > maxDatagramBytes || !sockets.has(to)) return false;
      clock.defer(() => sockets.get(to)?.(bytes, address));
      return true;
    },
    async close() {
      if (isOpen) sockets.delete(address);
      isOpen = false;
    },
  };
}

function addressError(address: string): RpcError | undefined {
  const port = /^(?:[^:/[\]]+|\[[^\]]+\]):(\d{1,5})$/.exec(address)?.[1];
  if ((port !== undefined && Number(port) <= 65_535) || /^unix:./.test(address)) return undefined;
  return new RpcError("invalid_argument",
    `${JSON.stringify(address)} is no address: expected host:port, [v6]:port or unix:/path`, { phase: "connect" });
}

interface Write {
  readonly bytes: Uint8Array;
  readonly written: (() => void) | undefined;
}

/** One end of a connection. What it writes waits here until the other end has read it. */
class MemoryStream implements ByteStream {
  readonly peer: string;
  readonly #clock: Clock;
  sink: ByteSink | undefined = undefined;
  #other: MemoryStream | undefined = undefined;
  #isOpen = false;
  #writes: Write[] = [];
  bufferedBytes = 0;
  #isBlocked = false;
  #isPaused = false;
  #isEnded = false;
  #isClosed = false;
  #isPlanned = false;

  constructor(clock: Clock, peer: string) {
    this.#clock = clock;
    this.peer = peer;
  }

  join(other: MemoryStream): void {
    this.#other = other;
  }

  open(): void {
    this.#isOpen = true;
    if (this.#isClosed) return;
    if (!this.peer.startsWith("memory:")) this.sink?.opened?.();
    this.#plan();
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.#isEnded || this.#isClosed) return false;
    // Copied now: the reader may keep its bytes, and the writer gets its own back. A Buffer's slice would be a view.
    this.#writes.push({ bytes: new Uint8Array(bytes), written });
    this.bufferedBytes += bytes.length;
    this.#plan();
    if (this.bufferedBytes < highWaterBytes) return true;
    this.#isBlocked = true;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#other !== undefined) this.#other.#plan();
  }

  end(): void {
    this.#isEnded = true;
    this.#plan();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#writes = [];
    this.bufferedBytes = 0;
    this.#close();
    this.#other?.closeLater();
  }

  refuse(error: RpcError): void {
    this.#close(error);
  }

  /** The other end is gone; what it had sent is lost with it. */
  closeLater(): void {
    this.#clock.defer(() => this.#close());
  }

  #plan(): void {
    if (this.#isPlanned || !this.#isOpen || this.#isClosed) return;
    this.#isPlanned = true;
    this.#clock.defer(() => {
      this.#isPlanned = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const other = this.#other;
    if (other === undefined || this.#isClosed) return;
    while (this.#writes.length > 0 && !other.#isPaused && !other.#isClosed) {
      const { bytes, written } = this.#writes.shift() as Write;
      this.bufferedBytes -= bytes.length;
      other.sink?.received(bytes);
      written?.();
    }
    if (this.#isBlocked && this.bufferedBytes < highWaterBytes / 2) {
      this.#isBlocked = false;
      this.sink?.drained?.();
    }
    if (this.#isEnded && this.#writes.length === 0) other.#peerEnded();
  }

  /** The peer has said all: we say what is left to say, and both are closed. */
  #peerEnded(): void {
    if (this.#isClosed) return;
    this.#isEnded = true;
    if (this.#writes.length > 0 && this.#other !== undefined && !this.#other.#isPaused) {
      this.#plan();
      return;
    }
    this.#close();
    this.#other?.closeLater();
  }

  /** Never within the call that caused it, and once. */
  #close(error?: RpcError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#clock.defer(() => this.sink?.closed(error));
  }
}

function unsecured(): RpcError {
  return new RpcError("unimplemented", "the network in memory has no TLS: leave `tls` out here");
}
