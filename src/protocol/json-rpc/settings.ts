/** Limits on calls by JSON-RPC, over HTTP and over WebSocket alike. */
import { numberOption } from "../../core/option.ts";

export interface JsonRpcSettings {
  /** The path at which calls are posted. Default `/jsonrpc`. A WebSocket may be asked for at any. */
  readonly path: string;
  /** Largest message, a batch as a whole, in bytes. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Most messages in one batch. Default 1,000. */
  readonly maxBatch: number;
  /** Handlers at work at once for one connection. Default 4,096. */
  readonly maxConcurrentCalls: number;
}

export const defaultJsonRpcSettings: JsonRpcSettings = {
  path: "/jsonrpc", maxMessageBytes: 4_194_304, maxBatch: 1_000, maxConcurrentCalls: 4_096,
};

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is no limit. */
export function resolveJsonRpcSettings(given: Partial<JsonRpcSettings> = {}): JsonRpcSettings {
  const settings = { ...defaultJsonRpcSettings, ...given };
  for (const name of ["maxMessageBytes", "maxBatch", "maxConcurrentCalls"] as const) {
    numberOption(name, settings[name], { least: 1, most: 0x7fff_ffff, whole: true });
  }
  return settings;
}
