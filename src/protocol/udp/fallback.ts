/** A connection by UDP beside one by another protocol, which carries what datagrams cannot. */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import type { RpcError } from "../../core/error.ts";
import { expected } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { UdpConnection, type UdpConnectionOptions } from "./client.ts";

/** Connects by both. It is open once the other is, and by UDP it is known whether it gets through. */
export function withFallback(options: UdpConnectionOptions, fallback: Connect): Connect {
  return (runtime, address, events, attributes) =>
    new PairedConnection(runtime, address, events, options, fallback, attributes);
}

type Leg = "opening" | "open" | "closed";

class PairedConnection implements Connection {
  readonly #events: ConnectionEvents;
  readonly #udp: UdpConnection;
  readonly #other: Connection;
  #udpLeg: Leg = "opening";
  #otherLeg: Leg = "opening";
  #isOpen = false;
  #isClosing = false;
  #error: RpcError | undefined = undefined;

  constructor(
    runtime: Runtime, address: string, events: ConnectionEvents, options: UdpConnectionOptions, fallback: Connect,
    attributes: Readonly<Record<string, string>> | undefined,
  ) {
    this.#events = events;
    const common = {
      pinged: (roundTripMs: number) => events.pinged(roundTripMs),
      reported: events.reported.bind(events),
    };
    this.#other = fallback(runtime, address, {
      ...common,
      opened: () => {
        this.#otherLeg = "open";
        this.#openIfKnown();
      },
      draining: (why, reconnect) => events.draining(why, reconnect),
      closed: (error) => this.#closed("other", error),
    }, attributes);
    this.#udp = new UdpConnection(runtime, address, {
      ...common,
      opened: () => {
        this.#udpLeg = "open";
        this.#openIfKnown();
      },
      draining: (why, reconnect) => events.draining(why, reconnect),
      closed: (error) => this.#closed("udp", error),
    }, { ...options, otherwise: (...call) => this.#other.call(...call) });
  }

  #openIfKnown(): void {
    if (this.#isOpen || this.#otherLeg !== "open" || this.#udpLeg === "opening") return;
    this.#isOpen = true;
    this.#events.opened();
  }

  #closed(leg: "udp" | "other", error: RpcError | undefined): void {
    this.#error ??= error;
    if (leg === "udp") {
      const wasOpen = this.#udpLeg === "open";
      this.#udpLeg = "closed";
      // Where no datagram gets through, all goes by the other.
      if (!wasOpen) this.#openIfKnown();
      else if (this.#otherLeg !== "closed" && !this.#isClosing) {
        this.#isClosing = true;
        this.#events.draining(`its UDP session is over: ${error?.message ?? "closed"}`, true);
        this.#other.close(Infinity);
      }
    } else {
      this.#otherLeg = "closed";
      if (this.#udpLeg !== "closed") {
        this.#udp.abort(error ?? expected("unavailable", "the connection beside it was closed"));
      }
    }
    if (this.#udpLeg === "closed" && this.#otherLeg === "closed") this.#events.closed(this.#error);
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    return (this.#udpLeg === "open" ? this.#udp : this.#other).call(request, context, observer);
  }

  get inFlight(): number {
    return this.#udp.inFlight + this.#other.inFlight;
  }

  get lastReceivedMs(): number {
    return Math.max(this.#udp.lastReceivedMs, this.#other.lastReceivedMs);
  }

  get pingsSparingly(): boolean {
    return this.#other.pingsSparingly;
  }

  ping(): boolean {
    return this.#other.ping();
  }

  failRepeatable(error: RpcError): void {
    this.#udp.failRepeatable(error);
    this.#other.failRepeatable(error);
  }

  abort(error: RpcError): void {
    this.#isClosing = true;
    this.#udp.abort(error);
    this.#other.abort(error);
  }

  close(graceMs: number): void {
    this.#isClosing = true;
    this.#udp.close(graceMs);
    this.#other.close(graceMs);
  }
}
