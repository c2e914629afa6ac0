/**
 * Reception takes each accepted stream, finds out which wire it speaks, and hands it to that wire's acceptor, or
 * tells it in that wire's own words why it cannot stay.
 */
import type { ServedConnection } from "../core/connection.ts";
import type { Timer } from "../core/alarm.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { ByteSink, ByteStream, Clock } from "../core/runtime.ts";
import type { ServedWire } from "../protocol/wire.ts";
import { joined } from "../wire/joined.ts";
import { detect, type Detected } from "./detect.ts";
import { refuse } from "./refuse.ts";

export interface ReceptionOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Asked in this order whose a connection is. */
  readonly wires: readonly ServedWire[];
  /** How long a peer may take to show what it speaks, in milliseconds. */
  readonly openingTimeoutMs: number;
  /** The wire is known: `connection` takes the place of `arrival`. */
  readonly settled: (arrival: Arrival, connection: ServedConnection) => void;
  /** It left before its wire was known, or was refused. */
  readonly left: (arrival: Arrival) => void;
  /** Its stream is closed, whatever became of it. Once, last. */
  readonly gone: (arrival: Arrival) => void;
}

/** A connection that has not shown what it speaks; afterwards it hands everything through. */
export class Arrival implements ByteSink, ServedConnection {
  readonly #options: ReceptionOptions;
  readonly #stream: ByteStream;
  readonly #refusal: RpcError | undefined;
  readonly #timer: Timer;
  /** What has come so far, while it is not known what it is. */
  #first: Uint8Array = nothing;
  #sink: ByteSink | undefined = undefined;
  #over = false;

  /** With `refusal` it is told so once it has shown what it speaks. */
  constructor(options: ReceptionOptions, stream: ByteStream, refusal: RpcError | undefined) {
    this.#options = options;
    this.#stream = stream;
    this.#refusal = refusal;
    const { clock, openingTimeoutMs } = options;
    this.#timer = clock.after(openingTimeoutMs, () => {
      this.#leave(expected("unavailable",
        `it did not show what it speaks within ${openingTimeoutMs} ms (openingTimeoutMs)`));
      this.#stream.destroy();
    }).unref();
  }

  /** Goes by what was agreed on in TLS, if anything was. */
  start(): void {
    const agreed = this.#stream.secure?.protocol;
    if (agreed === undefined) return;
    const wire = this.#options.wires.find((one) => one.applicationProtocol === agreed);
    if (wire !== undefined) this.#found({ wire });
  }

  get peer(): string {
    return this.#stream.peer;
  }

  readonly inFlight = 0;

  received(bytes: Uint8Array): void {
    if (this.#sink !== undefined) {
      this.#sink.received(bytes);
      return;
    }
    if (this.#over) return;
    const first = this.#first.length === 0 ? bytes : joined([this.#first, bytes]);
    const found = detect(first, this.#options.wires);
    if (found === undefined) {
      this.#first = first;
      return;
    }
    this.#first = nothing;
    this.#found(found);
    (this.#sink as ByteSink | undefined)?.received(first);
  }

  #found(found: NonNullable<Detected>): void {
    const { observer, clock } = this.#options;
    this.#timer.cancel();
    if (found.wire === undefined) {
      this.#leave(new RpcError("invalid_argument", `the peer speaks ${found.guess}`));
      this.#stream.destroy();
      return;
    }
    const { wire } = found;
    if (this.#refusal !== undefined) {
      this.#leave(this.#refusal);
      refuse(clock, this.#stream, wire, this.#refusal);
      return;
    }
    observer.event?.("server.connection.opened", {
      peer: this.peer, wire: wire.name, secure: this.#stream.secure !== undefined,
      ...(this.#stream.secure?.peerSubject === undefined ? undefined : { subject: this.#stream.secure.peerSubject }),
    });
    const { connection, sink } = wire.accept(this.#stream);
    this.#sink = sink;
    this.#over = true;
    this.#options.settled(this, connection);
  }

  drained(): void {
    this.#sink?.drained?.();
  }

  closed(error?: Error): void {
    this.#sink?.closed(error);
    const left = this.#stream.secure === undefined ? undefined : expected("unavailable",
      "the peer closed after the handshake without a word; perhaps it does not accept our certificate");
    this.#leave(this.#first.length === 0 ? left
      : expected("unavailable", "the peer closed before it had shown what it speaks"));
    this.#options.gone(this);
  }

  #leave(why: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    if (why !== undefined) {
      this.#options.observer.event?.("server.connection.refused", { peer: this.peer, why: why.message });
    }
    this.#options.left(this);
  }

  drain(): void {
    this.close();
  }

  close(): void {
    this.#leave(undefined);
    this.#stream.destroy();
  }

  sweep(): void {
    // An alarm of its own watches over its opening.
  }
}

const nothing = new Uint8Array(0);
