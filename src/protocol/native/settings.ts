/** Settings are one side's limits on the native wire and what it says of itself in its hello. */

import { RpcError } from "../../core/error.ts";
import type { Compression } from "../../wire/compression.ts";
import { frameLengthLimit } from "../../wire/frame-reader.ts";

export interface NativeSettings {
  /** Largest frame accepted, without its header. Default 65,536; at least 32,768. */
  readonly maxFrameBytes: number;
  /** Largest message accepted, in its compressed and its decompressed form. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /**
   * On a server, bytes of requests that have begun to arrive and are not complete, and of replies that wait for
   * the caller to take them, each over all calls of a connection. Default 256 MiB.
   */
  readonly maxUnfinishedBytes: number;
  /** Calls that the peer may have open at once on one connection. Default 4,096. */
  readonly maxConcurrentCalls: number;
  /** Bytes of data frames that the peer may send ahead on one call. Default 256 KiB. */
  readonly streamWindowBytes: number;
  /** The same over all calls of the connection. Default 16 MiB. */
  readonly connectionWindowBytes: number;
  /** Time for the peer to complete preface and hello, in milliseconds. Default 5,000. */
  readonly helloTimeoutMs: number;
  /** Time for a frame or message that has begun to go on, and for a peer that reads nothing to read. 20,000. */
  readonly stallTimeoutMs: number;
  /** Algorithms offered, best first. The first of the client's that the server has too is used. Default none. */
  readonly compressions: readonly Compression[];
  /** Messages of fewer bytes are not worth compressing. Default 1,024. */
  readonly compressAboveBytes: number;
  /** Name and version of the software, for the peer's logs. */
  readonly agent: string;
  readonly region: string;
  readonly zone: string;
}

export const defaultSettings: NativeSettings = {
  maxFrameBytes: 65_536,
  maxMessageBytes: 4_194_304,
  maxUnfinishedBytes: 268_435_456,
  maxConcurrentCalls: 4_096,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 16_777_216,
  helloTimeoutMs: 5_000,
  stallTimeoutMs: 20_000,
  compressions: [],
  compressAboveBytes: 1_024,
  agent: "meridian-rpc",
  region: "",
  zone: "",
};

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is no limit, or too small to work with. */
export function resolveSettings(given: Partial<NativeSettings> | undefined): NativeSettings {
  const settings: Writable = { ...defaultSettings, ...given };
  for (const name of limits) {
    const value = settings[name];
    const least = name === "maxFrameBytes" ? leastMaxFrameBytes : 1;
    if (!(typeof value === "number" && value >= least)) {
      throw new RpcError("invalid_argument", `${name} is ${String(value)}, expected a number of at least ${least}`);
    }
    // What the wire can say: Infinity has no varint, and a frame's length has 24 bits.
    const most = name === "maxFrameBytes" ? frameLengthLimit : Number.MAX_SAFE_INTEGER;
    settings[name] = Math.min(Math.floor(value), most);
  }
  return settings;
}

type Writable = { -readonly [Name in keyof NativeSettings]: NativeSettings[Name] };

const limits = [
  "maxFrameBytes", "maxMessageBytes", "maxUnfinishedBytes", "maxConcurrentCalls", "streamWindowBytes",
  "connectionWindowBytes", "helloTimeoutMs", "stallTimeoutMs",
] as const;

/** No peer may ask for less: bind frames and error texts must fit. */
export const leastMaxFrameBytes = 32_768;
