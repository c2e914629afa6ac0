/** An upgrade hands a connection of HTTP/1.1 to another protocol at a request (RFC 9110, section 7.8). */
import type { Accepted, AcceptOwner } from "../../core/connection.ts";
import type { ByteStream } from "../../core/runtime.ts";
import type { Head } from "../message.ts";

/** Whether a request is granted another protocol: undefined if it is to be answered as any other. */
export type Upgrade = (request: Head) => Upgraded | UpgradeRefused | undefined;

export interface Upgraded {
  /** The whole head of the response, `101`. */
  readonly response: string;
  /** Takes the connection over; what it hears begins behind the request. */
  readonly accept: (stream: ByteStream, owner: AcceptOwner) => Accepted;
}

export interface UpgradeRefused {
  readonly status: number;
  readonly why: string;
}
