/** Settings are one side's limits on HTTP/2: what the peer may do, how long it may take, and what we keep for it. */
import { RpcError } from "../../core/error.ts";
import { leastMaxFrameBytes, mostMaxFrameBytes, mostWindowBytes } from "./constants.ts";

export interface Http2Settings {
  /**
   * Streams that may be open at once on one connection: on a server, those its clients may open; on a client, those
   * it opens itself, even if the server would take more. Default 1,024.
   */
  readonly maxConcurrentStreams: number;
  /** Largest payload of a frame accepted, in bytes; 16,384 to 16,777,215. Default 16,384. */
  readonly maxFrameBytes: number;
  /** Bytes of a body that the peer may send ahead on one stream. Default 1 MiB. */
  readonly streamWindowBytes: number;
  /** The same over all streams of the connection; at least 65,535. Default 16 MiB. */
  readonly connectionWindowBytes: number;
  /** Bytes of the peer's dynamic table of fields that we keep (RFC 7541). Default 4,096. */
  readonly headerTableBytes: number;
  /** Bytes of our own dynamic table that the peer keeps, if it lets us. Default 4,096. */
  readonly encoderTableBytes: number;
  /** Bytes of a head's names and values, with 32 for each field. Default 32,768. */
  readonly maxHeaderListBytes: number;
  /** Fields of a head. Default 256. */
  readonly maxHeaderFields: number;
  /** Bytes of a head as it comes, compressed. Default 65,536. */
  readonly maxHeaderBlockBytes: number;
  /** CONTINUATION frames behind one HEADERS frame (CVE-2024-27316). Default 16. */
  readonly maxContinuations: number;
  /** Informational responses (1xx) to one request, on a client. Default 16. */
  readonly maxInformational: number;
  /** Bytes of bodies that wait here for the peer to take them, over all streams of a connection. Default 64 MiB. */
  readonly maxQueuedBytes: number;
  /** Time for the peer to say its preface and first settings, in milliseconds. Default 10,000. */
  readonly openingTimeoutMs: number;
  /** Time for the peer to acknowledge our settings, in milliseconds. Default 20,000. */
  readonly settingsTimeoutMs: number;
  /**
   * Time for a frame or a head that has begun to go on, for a peer that reads nothing to read, and for it to let out
   * the next KiB of a response that is complete here, in milliseconds. Default 20,000.
   */
  readonly stallTimeoutMs: number;
  /** Time that a server which drains waits for streams that are on their way, in milliseconds. Default 1,000. */
  readonly drainWaitMs: number;
  /**
   * Streams that a client may reset before their response is complete ("rapid reset", CVE-2023-44487): so many at
   * once (default 1,000), ...
   */
  readonly resetBurst: number;
  /** ... and so many more each second (default 100), and one for each exchange that came to its end. */
  readonly resetsPerSecond: number;
  /**
   * Mistakes of a peer that cost a stream, after which we reset it ("made you reset", CVE-2025-8671), and frames for
   * streams that are over: so many at once (default 200), ...
   */
  readonly mistakeBurst: number;
  /** ... and so many more each second. Default 20. */
  readonly mistakesPerSecond: number;
  /** PING frames a second (CVE-2019-9512), and as many at once. Default 10,000. */
  readonly pingsPerSecond: number;
  /** SETTINGS frames a second (CVE-2019-9515). Default 10. */
  readonly settingsPerSecond: number;
  /** SETTINGS frames at once. Default 100. */
  readonly settingsBurst: number;
  /**
   * Frames a second that carry nothing: empty DATA, HEADERS and CONTINUATION frames that end nothing (CVE-2019-9518),
   * PRIORITY (CVE-2019-9513) and frames of unknown types. Default 1,000, and as many at once.
   */
  readonly idleFramesPerSecond: number;
  /**
   * WINDOW_UPDATE frames a second, beside four for each DATA frame of ours, and as many at once. Default 1,000.
   */
  readonly windowUpdatesPerSecond: number;
  /**
   * DATA frames a second that the peer's window keeps below 256 bytes although more is waiting (CVE-2019-9511,
   * CVE-2019-9517), and as many at once. Default 1,000.
   */
  readonly smallPiecesPerSecond: number;
}

export const defaultHttp2Settings: Http2Settings = {
  maxConcurrentStreams: 1_024,
  maxFrameBytes: 16_384,
  streamWindowBytes: 1_048_576,
  connectionWindowBytes: 16_777_216,
  headerTableBytes: 4_096,
  encoderTableBytes: 4_096,
  maxHeaderListBytes: 32_768,
  maxHeaderFields: 256,
  maxHeaderBlockBytes: 65_536,
  maxContinuations: 16,
  maxInformational: 16,
  maxQueuedBytes: 67_108_864,
  openingTimeoutMs: 10_000,
  settingsTimeoutMs: 20_000,
  stallTimeoutMs: 20_000,
  drainWaitMs: 1_000,
  resetBurst: 1_000,
  resetsPerSecond: 100,
  mistakeBurst: 200,
  mistakesPerSecond: 20,
  pingsPerSecond: 10_000,
  settingsPerSecond: 10,
  settingsBurst: 100,
  idleFramesPerSecond: 1_000,
  windowUpdatesPerSecond: 1_000,
  smallPiecesPerSecond: 1_000,
};

/** Least and most of those that the protocol bounds; of all others the least is 1. */
const bounds: { readonly [Name in keyof Http2Settings]?: readonly [number, number] } = {
  maxFrameBytes: [leastMaxFrameBytes, mostMaxFrameBytes],
  streamWindowBytes: [1, mostWindowBytes],
  connectionWindowBytes: [65_535, mostWindowBytes],
  headerTableBytes: [0, 0xff_ffff],
  encoderTableBytes: [0, 0xff_ffff],
  maxConcurrentStreams: [1, 0x7fff_ffff],
  maxHeaderListBytes: [1, 0x7fff_ffff],
};

type Writable = { -readonly [Name in keyof Http2Settings]: Http2Settings[Name] };

/** Fills in the defaults. Throws `invalid_argument` naming a setting that is no limit; cuts what is too large. */
export function resolveHttp2Settings(given: Partial<Http2Settings> | undefined): Http2Settings {
  const settings: Writable = { ...defaultHttp2Settings };
  for (const name of Object.keys(defaultHttp2Settings) as (keyof Http2Settings)[]) {
    const value = given?.[name] ?? defaultHttp2Settings[name];
    const [least, most] = bounds[name] ?? [1, Number.MAX_SAFE_INTEGER];
    if (!(typeof value === "number" && value >= least)) {
      throw new RpcError("invalid_argument", `${name} is ${String(value)}, expected a number of at least ${least}`);
    }
    settings[name] = Math.min(Math.floor(value), most);
  }
  return settings;
}
