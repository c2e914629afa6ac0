/**
 * Reception takes each accepted stream, finds out which wire it speaks, and hands it to that wire's acceptor, or
 * tells it in that wire's own words why it cannot stay.
 */
import type { Accept, ServedConnection } from "../core/connection.ts";
import type { Timer } from "../core/alarm.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { ByteSink, ByteStream, Clock } from "../core/runtime.ts";
import { detect, type Detected, detectionBytes, type WireName, wireOfProtocol } from "./detect.ts";
import { refuse } from "./refuse.ts";

export interface ReceptionOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly wires: Readonly<Partial<Record<WireName, Accept>>>;
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
    const wire = wireOfProtocol(this.#stream.secure?.protocol);
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
    const first = this.#first.length === 0 ? bytes : joined(this.#first, bytes);
    const found = detect(first.length <= detectionBytes ? first : first.subarray(0, detectionBytes));
    if (found === undefined) {
      this.#first = first;
      return;
    }
    this.#first = nothing;
    this.#found(found);
    (this.#sink as ByteSink | undefined)?.received(first);
  }

  #found(found: NonNullable<Detected>): void {
    const { observer, wires, clock } = this.#options;
    this.#timer.cancel();
    if (found.wire === undefined) {
      this.#leave(new RpcError("invalid_argument", `the peer speaks ${found.guess}`));
      this.#stream.destroy();
      return;
    }
    const accept = wires[found.wire];
    if (this.#refusal !== undefined || accept === undefined) {
      const why = this.#refusal ?? expected("unimplemented", `${found.wire} is not served on this port`);
      this.#leave(why);
      refuse(clock, this.#stream, found.wire, why);
      return;
    }
    observer.event?.("server.connection.opened", {
      peer: this.peer, wire: found.wire, secure: this.#stream.secure !== undefined,
      ...(this.#stream.secure?.peerSubject === undefined ? undefined : { subject: this.#stream.secure.peerSubject }),
    });
    const { connection, sink } = accept(this.#stream);
    this.#sink = sink;
    this.#over = true;
    this.#options.settled(this, connection);
  }

  drained(): void {
    this.#sink?.drained?.();
  }

  closed(error?: Error): void {
    this.#sink?.closed(error);
    this.#leave(this.#first.length === 0 ? undefined
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

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
