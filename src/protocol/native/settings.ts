/** Settings are one side's limits on the native wire and what it says of itself in its hello. */

import type { Compression } from "../../wire/compression.ts";

export interface NativeSettings {
  /** Largest frame accepted, without its header. Default 65,536; at least 32,768. */
  readonly maxFrameBytes: number;
  /** Largest message accepted, in its compressed and its decompressed form. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Calls that the peer may have open at once on one connection. Default 4,096. */
  readonly maxConcurrentCalls: number;
  /** Bytes of data frames that the peer may send ahead on one call. Default 256 KiB. */
  readonly streamWindowBytes: number;
  /** The same over all calls of the connection. Default 16 MiB. */
  readonly connectionWindowBytes: number;
  /** Time for the peer to complete preface and hello, in milliseconds. Default 5,000. */
  readonly helloTimeoutMs: number;
  /** Time for a frame that has begun to arrive, and for a peer that reads nothing to read on. Default 20,000. */
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

/** No peer may ask for less: bind frames and error texts must fit. */
export const leastMaxFrameBytes = 32_768;
