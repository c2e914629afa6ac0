/**
 * A Leg is one connection of an endpoint, from its making to its end: an endpoint whose connection is being replaced
 * has two, and must not take what one says for the other's.
 */
import type { Connection, ConnectionEvents } from "../core/connection.ts";
import type { RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";

/** The endpoint, which hears which of its connections something is about. */
export interface LegOwner {
  opened(leg: Leg): void;
  draining(leg: Leg, why: string, reconnect: boolean): void;
  closed(leg: Leg, error: RpcError | undefined): void;
  pinged(leg: Leg, roundTripMs: number): void;
  reported(report: LoadReport): void;
}

export class Leg implements ConnectionEvents {
  readonly #owner: LegOwner;
  /** Set as soon as it is made, before any event. */
  connection!: Connection;

  constructor(owner: LegOwner) {
    this.#owner = owner;
  }

  opened(): void {
    this.#owner.opened(this);
  }

  draining(why: string, reconnect = false): void {
    this.#owner.draining(this, why, reconnect);
  }

  closed(error: RpcError | undefined): void {
    this.#owner.closed(this, error);
  }

  pinged(roundTripMs: number): void {
    this.#owner.pinged(this, roundTripMs);
  }

  reported(report: LoadReport): void {
    this.#owner.reported(report);
  }
}
