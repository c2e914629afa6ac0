/** One side's limits on calls over HTTP, whatever the dialect; those of HTTP itself are its connection's. */
import { RpcError } from "../core/error.ts";

export interface HttpProtocolSettings {
  /** Largest message accepted, in its compressed and its decompressed form. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /**
   * On a server, bytes of requests that have begun to arrive and are not complete, and of replies that wait for
   * the caller to take them, each over all calls of a connection. Default 256 MiB.
   */
  readonly maxUnfinishedBytes: number;
  /** On a server, handlers at work at once for one connection. Default 4,096. */
  readonly maxConcurrentCalls: number;
  /**
   * Messages of fewer bytes are not worth compressing: they fit a few packets as they are. 0 compresses all, also in
   * vain. Default 4,096.
   */
  readonly compressAboveBytes: number;
  /**
   * On a server, time for the one message of a call to begin, for a message that has begun to grow by a KiB, and for
   * what we sent to be read, in milliseconds. Default 20,000.
   */
  readonly stallTimeoutMs: number;
  /** On a client, calls that wait while the peer takes no more at once (its limit of streams). Default 10,000. */
  readonly maxWaitingCalls: number;
}

export const defaultHttpProtocolSettings: HttpProtocolSettings = {
  maxMessageBytes: 4_194_304,
  maxUnfinishedBytes: 268_435_456,
  maxConcurrentCalls: 4_096,
  compressAboveBytes: 4_096,
  stallTimeoutMs: 20_000,
  maxWaitingCalls: 10_000,
};

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is no limit. */
export function resolveHttpProtocolSettings(given: Partial<HttpProtocolSettings> | undefined): HttpProtocolSettings {
  const settings: Writable = { ...defaultHttpProtocolSettings };
  for (const name of Object.keys(settings) as (keyof HttpProtocolSettings)[]) {
    const value = given?.[name];
    if (value === undefined) continue;
    if (!(typeof value === "number" && value >= (name === "compressAboveBytes" ? 0 : 1))) {
      throw new RpcError("invalid_argument", `${name} is ${String(value)}, expected a number of at least 1`);
    }
    // An envelope's length has 32 bits, and a timer needs a finite time.
    settings[name] = Math.min(Math.floor(value), 0xffff_ffff);
  }
  return settings;
}

type Writable = { -readonly [Name in keyof HttpProtocolSettings]: HttpProtocolSettings[Name] };
