/** A Parcel is one request on its way: what is sent again until there is a sign of it, and when. */
import { Alarm } from "../../core/alarm.ts";
import type { OpenCall } from "../open-call.ts";
import type { MethodName } from "./request.ts";

/** A method as this connection numbers it. */
export interface Numbered {
  readonly number: number;
  readonly name: MethodName;
  /** The server has answered a request that named it: it knows its number. */
  isKnown: boolean;
}

/** What sends parcels. */
export interface ParcelOwner {
  /** No sign came in time. */
  overdue(parcel: Parcel): void;
}

export class Parcel extends Alarm {
  readonly #owner: ParcelOwner;
  readonly call: OpenCall;
  readonly method: Numbered;
  /** Extras and message. */
  readonly body: Uint8Array;
  readonly hasExtras: boolean;
  readonly isOneway: boolean;
  /** Waiting for room in the window; sent; known to be accepted; done with. */
  state: "queued" | "sent" | "accepted" | "over" = "queued";
  /** How often it was sent, and how often since the server's last sign of it. */
  transmissions = 0;
  silent = 0;
  sentMs = 0;
  /** Whether its caller waits for nothing any more: it is sent until it is acknowledged all the same. */
  isDetached = false;

  constructor(
    owner: ParcelOwner, call: OpenCall, method: Numbered, body: Uint8Array, hasExtras: boolean, isOneway: boolean,
  ) {
    super();
    this.#owner = owner;
    this.call = call;
    this.method = method;
    this.body = body;
    this.hasExtras = hasExtras;
    this.isOneway = isOneway;
  }

  ring(): void {
    this.#owner.overdue(this);
  }
}
