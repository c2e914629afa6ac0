/**
 * A Runtime is where everything nondeterministic enters: time, chance and the network.
 *
 * Node is one value of this type (`meridian-rpc/runtime/node`), the simulator another
 * (`meridian-rpc/runtime/sim`). Nothing else in Meridian reads a clock, rolls dice, sets a timer or opens a
 * socket, which is why every policy runs unchanged, and replayably, under virtual time.
 */
import type { Alarm, Timer } from "./alarm.ts";
import type { PeerCertificate } from "./peer.ts";

export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  /** What datagrams are sealed and signed with; absent where there is none (a browser). */
  readonly sealing?: Sealing | undefined;
}

/** Cryptography for what has no TLS beneath it: datagrams (docs/udp.md). */
export interface Sealing {
  /** So many bytes that nobody can guess. */
  random(count: number): Uint8Array;
  /** A keyed hash of 32 bytes (HMAC-SHA-256): who lacks the key can make none. */
  sign(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** A hash of 32 bytes that nobody can undo (SHA-256). */
  digest(bytes: Uint8Array): Uint8Array;
  /**
   * Encrypts `text` and authenticates it and `head` (ChaCha20-Poly1305, RFC 8439): 16 bytes longer. The key has 32
   * bytes, the nonce 12, and never may one nonce serve twice under a key.
   */
  seal(key: Uint8Array, nonce: Uint8Array, head: Uint8Array, text: Uint8Array): Uint8Array;
  /** What was sealed so; undefined if key, nonce, head or any byte is another. */
  open(key: Uint8Array, nonce: Uint8Array, head: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

export interface Clock {
  /** Monotonic milliseconds with a fraction. Deadlines are absolute points on this scale. */
  now(): number;
  /** Milliseconds since 1970, for people and logs; may jump, so never for deadlines. */
  wallMs(): number;
  /** Rings `alarm` at `atMs` (never earlier, at millisecond grain). Setting a set alarm moves it. */
  set(alarm: Alarm, atMs: number): void;
  /** Takes a set alarm back; clearing one that is not set does nothing. */
  clear(alarm: Alarm): void;
  /** Calls `callback` once after `delayMs`. For anything set once per call, use an {@link Alarm} instead. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` after the current turn and the promise jobs it caused: where batches are flushed. */
  defer(callback: () => void): void;
  /**
   * Calls `callback` when what had arrived by now has been read: what rings late, behind work of this process, must not
   * take for missing what lies unread. Absent where nothing ever lies unread, as in simulated time.
   */
  afterInput?(callback: () => void): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A fresh identifier of 32 hexadecimal digits (128 bits). */
  id(): string;
}

/**
 * Byte streams between addresses. An address is a string: `host:port`, `[v6]:port`, or `unix:/path`.
 * A simulated network accepts the same strings.
 */
export interface Network {
  /**
   * Begins to connect; `sink.opened` or `sink.closed` follows, never synchronously. With `security` it opens once
   * the peer's identity is proven.
   */
  connect(address: string, sink: ByteSink, security?: Security): ByteStream;
  /**
   * Resolves once the port is bound; rejects with an RpcError naming the address otherwise. Port 0 picks one. With
   * `security`, streams are accepted once their first bytes showed whether they are secured, and then secured.
   */
  listen(address: string, accept: (stream: ByteStream) => ByteSink, security?: ListenSecurity): Promise<Listener>;
  /**
   * Opens a socket for datagrams (UDP) at `host:port` or `[v6]:port`; port 0 picks one, `0.0.0.0` and `[::]` take what
   * comes to any address of this machine. `receive` hears every datagram that arrives. Rejects with an RpcError naming
   * the address if it cannot be had.
   */
  datagrams(address: string, receive: DatagramReceiver): Promise<DatagramSocket>;
}

/**
 * Hears one datagram, whole, and the address that it says it came from: anybody can write any address there. The
 * bytes may be kept but not written to, since others may have been sent the same.
 */
export type DatagramReceiver = (bytes: Uint8Array, from: string) => void;

/** Messages without a connection: each arrives once, several times, later than its successors, or never. */
export interface DatagramSocket {
  /** The bound address, with the real port. */
  readonly address: string;
  /**
   * Most bytes of one datagram: 65,507 over IPv4. Beyond some 1,200 it travels in fragments, and is lost if one of
   * them is.
   */
  readonly maxBytes: number;
  /**
   * Sends one datagram, or drops it; nobody is told whether it arrived. False where it was dropped at once: it is too
   * large, the address cannot be used, too much waits to be sent, or the socket is closed. Nobody may write to `bytes`
   * afterwards.
   */
  send(bytes: Uint8Array, to: string): boolean;
  /** Frees the port. `receive` is not called again, from the call of `close` on. */
  close(): Promise<void>;
}

/** How one side of a stream is secured. Made by a runtime (`tls` of `meridian-rpc/runtime/node`), opaque to others. */
export interface Security {
  /** What made it, e.g. `tls`. */
  readonly kind: string;
  /** Names of application protocols in the order of preference (ALPN, RFC 7301). */
  readonly protocols: readonly string[];
  /** The same, offering other application protocols. */
  offering(protocols: readonly string[]): Security;
}

export interface ListenSecurity {
  readonly security: Security;
  /** Whether streams that are not secured are accepted on the same port. */
  readonly plaintext: boolean;
  /** How long a peer may take to become secure, or to say its first byte, in milliseconds. */
  readonly openingTimeoutMs: number;
  /** Hears of streams that were never accepted, and why. */
  refused(peer: string, error: Error): void;
  /**
   * Takes a secured stream whose peer's certificate is not accepted, to tell it why, and nothing else. Default: such
   * streams are closed. `refused` has been told.
   */
  unwelcome?(stream: ByteStream, error: Error): ByteSink;
}

/** What is known of a secured stream. */
export interface SecureSession {
  /** The application protocol agreed on; undefined if the peer offered none. */
  readonly protocol: string | undefined;
  /** The subject of the peer's certificate, when it showed one that was verified, e.g. `CN=orders`. */
  readonly peerSubject: string | undefined;
  /** The whole of that certificate; read when first asked for. */
  readonly certificate?: PeerCertificate | undefined;
}

/** The half of a connection that we hold. */
export interface ByteStream {
  /** The peer's address, as far as it is known. */
  readonly peer: string;
  /** Set on a secured stream once it is open. */
  readonly secure?: SecureSession | undefined;
  /** Bytes accepted by `write` that the peer's host has not taken yet. */
  readonly bufferedBytes: number;
  /**
   * Queues `bytes`, which belong to the stream until `written` is called. Returns false when more than the
   * stream's high-water mark is queued: stop, and go on at `sink.drained`.
   */
  write(bytes: Uint8Array, written?: () => void): boolean;
  /** Stops and restarts `sink.received`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once; what is queued is lost. */
  destroy(): void;
}

/** The half of a connection that hears what happens. */
export interface ByteSink {
  opened?(): void;
  /** The bytes are the sink's, to keep and to write to: nobody else looks at them or writes to them again. */
  received(bytes: Uint8Array): void;
  drained?(): void;
  /** Exactly once, last. `error` is absent after an orderly close by the peer or by us. */
  closed(error?: Error): void;
}

export interface Listener {
  /** The bound address, with the real port. */
  readonly address: string;
  /** Stops accepting. Open streams stay open. */
  close(): Promise<void>;
}
