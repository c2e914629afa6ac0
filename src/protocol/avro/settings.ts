/** Settings are one side's limits on Avro's RPC. */
import { numberOption } from "../../core/option.ts";

export interface AvroSettings {
  /** Largest message accepted, handshake and metadata included. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Longest protocol document accepted in a handshake, in characters. Default 1,048,576. */
  readonly maxProtocolChars: number;
  /** Protocols of other sides that are kept, by their MD5; the one unused longest goes first. Default 256. */
  readonly maxProtocols: number;
  /** On a server, handlers at work at once for one connection; on a client, calls in flight on one. Default 4,096. */
  readonly maxConcurrentCalls: number;
  /** On a client, time for a connection's handshake, in milliseconds. Default 5,000. */
  readonly handshakeTimeoutMs: number;
  /** Time for a message that has begun to go on, and for a peer that reads nothing to read. Default 20,000. */
  readonly stallTimeoutMs: number;
}

export const defaultAvroSettings: AvroSettings = {
  maxMessageBytes: 4_194_304,
  maxProtocolChars: 1_048_576,
  maxProtocols: 256,
  maxConcurrentCalls: 4_096,
  handshakeTimeoutMs: 5_000,
  stallTimeoutMs: 20_000,
};

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is none. */
export function resolveAvroSettings(given: Partial<AvroSettings> = {}): AvroSettings {
  const settings: { -readonly [Name in keyof AvroSettings]: AvroSettings[Name] } = { ...defaultAvroSettings };
  for (const name of Object.keys(settings) as (keyof AvroSettings)[]) {
    const value = given[name];
    if (value !== undefined) settings[name] = numberOption(`avro: ${name}`, value, { least: 1, most: 0x7fff_ffff });
  }
  return settings;
}
