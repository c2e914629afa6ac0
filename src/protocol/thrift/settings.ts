/** Settings are one side's limits on Thrift connections. */
import { numberOption } from "../../core/option.ts";
import type { Compression } from "../../wire/compression.ts";

export interface ThriftSettings {
  /** Largest message accepted, its frame and header included, compressed or not. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** On a server: calls of one connection that are at work or wait for their turn to be answered. Default 4,096. */
  readonly maxConcurrentCalls: number;
  /** Time for a message that has begun to go on, and for a peer that reads nothing to read, in ms. Default 20,000. */
  readonly stallTimeoutMs: number;
  /** What compresses THeader's messages (its transform `zlib`): `zlib()` of the runtime. Default none. */
  readonly zlib: Compression | undefined;
}

export const defaultThriftSettings: ThriftSettings = {
  maxMessageBytes: 4_194_304, maxConcurrentCalls: 4_096, stallTimeoutMs: 20_000, zlib: undefined,
};

/** Most bytes of a frame: what THeader allows. */
const mostMessageBytes = 0x3fff_ffff;

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is none. */
export function resolveSettings(given: Partial<ThriftSettings> | undefined): ThriftSettings {
  const settings = { ...defaultThriftSettings, ...given };
  numberOption("maxMessageBytes", settings.maxMessageBytes, { least: 1_024, most: mostMessageBytes, whole: true });
  numberOption("maxConcurrentCalls", settings.maxConcurrentCalls, { least: 1, most: 1_000_000, whole: true });
  numberOption("stallTimeoutMs", settings.stallTimeoutMs, { least: 1, most: 2 ** 31 - 1 });
  return settings;
}
