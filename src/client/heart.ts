/**
 * A Heart watches one connection for signs of life: traffic first, pings where there is none.
 *
 * Silence makes the server *suspect* within a few hundred milliseconds: it is not picked, and calls that bear
 * a repeat go elsewhere at once. Only much longer silence makes it *dead*. A suspicion that proves wrong thus
 * costs next to nothing, so it may be raised early.
 */
import { Alarm } from "../core/alarm.ts";
import type { Connection } from "../core/connection.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Load } from "../core/load.ts";
import type { Clock } from "../core/runtime.ts";

export interface HeartOptions {
  /** While calls are in flight, silence of so long is answered by a ping, in milliseconds. Default 100. */
  readonly heartbeatMs?: number | undefined;
  /** Silence of so long, plus two round trips, makes a server with calls in flight suspect. Default 300. */
  readonly suspectAfterMs?: number | undefined;
  /** Silence of so long, plus two round trips, ends the connection. Default 3,000. */
  readonly deadAfterMs?: number | undefined;
  /** A connection without calls is pinged so often. Default 5,000. */
  readonly idleHeartbeatMs?: number | undefined;
}

/** What the heart's owner does about its findings. */
export interface HeartOwner {
  suspected(error: RpcError): void;
  recovered(): void;
  dead(error: RpcError): void;
}

export class Heart extends Alarm {
  override keepsAlive = false;
  readonly #clock: Clock;
  readonly #load: Load;
  readonly #owner: HeartOwner;
  readonly #heartbeatMs: number;
  readonly #suspectAfterMs: number;
  readonly #deadAfterMs: number;
  readonly #idleHeartbeatMs: number;
  #connection: Connection | undefined = undefined;
  /** No evidence from before this moment counts. */
  #sinceMs = 0;
  #quick = false;
  #pinging = false;
  #suspect = false;

  constructor(clock: Clock, options: HeartOptions, load: Load, owner: HeartOwner) {
    super();
    this.#clock = clock;
    this.#load = load;
    this.#owner = owner;
    this.#heartbeatMs = options.heartbeatMs ?? 100;
    this.#suspectAfterMs = options.suspectAfterMs ?? 300;
    this.#deadAfterMs = options.deadAfterMs ?? 3_000;
    this.#idleHeartbeatMs = options.idleHeartbeatMs ?? 5_000;
  }

  start(connection: Connection): void {
    this.#connection = connection;
    this.#sinceMs = this.#clock.now();
    this.#suspect = false;
    connection.ping();
    this.#pinging = true;
    this.#beatIn(this.#heartbeatMs);
  }

  stop(): void {
    this.#connection = undefined;
    this.#clock.clear(this);
  }

  /** Calls begin on a connection that had none: what was not heard while nobody spoke is no evidence. */
  quicken(nowMs: number): void {
    if (this.#quick) return;
    this.#sinceMs = nowMs;
    this.#beatIn(this.#heartbeatMs);
  }

  answered(roundTripMs: number): void {
    this.#pinging = false;
    const { pingMs } = this.#load;
    this.#load.pingMs = pingMs === 0 ? roundTripMs : pingMs + (roundTripMs - pingMs) * 0.2;
    if (roundTripMs < this.#load.leastRoundTripMs) this.#load.leastRoundTripMs = roundTripMs;
    if (this.#suspect) {
      this.#suspect = false;
      this.#owner.recovered();
    }
  }

  #beatIn(delayMs: number): void {
    this.#quick = delayMs === this.#heartbeatMs;
    this.#clock.set(this, this.#clock.now() + delayMs);
  }

  ring(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const nowMs = this.#clock.now();
    // Whoever is late himself has no business judging others: what he did not hear may be waiting unread.
    if (nowMs - this.ringsAtMs > this.#heartbeatMs) this.#sinceMs = nowMs;
    const silentMs = nowMs - Math.max(connection.lastReceivedMs, this.#sinceMs);
    const roundTripsMs = 2 * this.#load.pingMs;
    if (this.#pinging && silentMs >= this.#deadAfterMs + roundTripsMs) {
      this.#owner.dead(silence(silentMs));
      return;
    }
    if (this.#pinging && silentMs >= this.#suspectAfterMs + roundTripsMs && !this.#suspect) {
      this.#suspect = true;
      this.#owner.suspected(silence(silentMs));
    }
    if (this.#load.inFlight === 0 && !this.#pinging) {
      if (this.#quick) {
        this.#beatIn(this.#idleHeartbeatMs);
        return;
      }
      this.#sinceMs = nowMs;
    }
    if (!this.#pinging || silentMs >= this.#heartbeatMs) {
      if (silentMs >= this.#heartbeatMs || this.#load.inFlight === 0) {
        connection.ping();
        this.#pinging = true;
      }
    }
    this.#beatIn(this.#heartbeatMs);
  }
}

function silence(silentMs: number): RpcError {
  return expected("unavailable", `nothing was heard from the server for ${Math.round(silentMs)} ms`,
    { phase: "network", retryable: true });
}
