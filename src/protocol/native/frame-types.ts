/** The numbers of the native wire, version 1; docs/protocol.md explains each. */

export const FrameType = {
  hello: 1,
  bind: 2,
  request: 3,
  response: 4,
  data: 5,
  end: 6,
  error: 7,
  cancel: 8,
  credit: 9,
  ping: 10,
  pong: 11,
  goAway: 12,
  header: 13,
} as const;

/** What a message calls a frame type. */
export function frameName(type: number): string {
  return Object.entries(FrameType).find(([, number]) => number === type)?.[0] ?? `type ${type}`;
}

export const Flag = {
  /** The message goes on in the next data frame of this call. */
  more: 1,
  /** The message is compressed by the algorithm agreed in the hellos. */
  compressed: 2,
  /** A block of extras stands before the message. */
  extras: 4,
} as const;

/** Bits of the flags byte of an error frame. */
export const ErrorFlag = { retryable: 1, neverStarted: 2 } as const;

/** Index is the wire's number, in the shape byte of a bind frame: two bits each, least significant first. */
export const kindsByNumber = ["unary", "server_stream", "client_stream", "bidi_stream"] as const;
export const idempotencyByNumber = [false, true, "keyed"] as const;
export const criticalityByNumber = ["default", "critical", "sheddable"] as const;

export const minVersion = 1;
export const maxVersion = 1;

/** Both sides open with these six bytes and two version numbers: least and most (client), chosen twice (server). */
export const prefaceBytes = 8;
export const prefaceMagic: readonly number[] = [0x4d, 0x52, 0x44, 0x4e, 0x0d, 0x0a]; // "MRDN\r\n"
