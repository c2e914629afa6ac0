/** Settings are the limits that each side of HTTP/1.1 holds its peers to. */
import { RpcError } from "../../core/error.ts";

/** What both sides limit. */
export interface Http1Limits {
  /** Largest head or trailer section, start line included. A request beyond it is answered 431. Default 32,768. */
  readonly maxHeadBytes: number;
  /** Most fields in one head or trailer section. Default 128. */
  readonly maxFields: number;
  /** Most bytes of chunk extensions in one body; they are ignored. Default 4,096. */
  readonly maxChunkExtensionBytes: number;
  /** Body bytes that may be delivered and not yet consumed before the peer is held back. Default 262,144. */
  readonly windowBytes: number;
  /** Output that the peer has not taken at which the next piece ends the connection instead. Default 16 MiB. */
  readonly maxQueuedBytes: number;
}

export interface Http1ServerSettings extends Http1Limits {
  /** Longest request target. A longer one is answered 414. Default 16,384. */
  readonly maxTargetBytes: number;
  /** Largest request body. A larger one is answered 413. Default none: protocols limit their messages. */
  readonly maxBodyBytes: number;
  /** Of a body that nobody wants any more, so much is read to keep the connection. Default 65,536. */
  readonly maxDiscardedBytes: number;
  /** Bytes of further requests that are held while one is answered; then the peer is held back. Default 65,536. */
  readonly maxPipelinedBytes: number;
  /** Requests answered on one connection before it is closed. Default Infinity. */
  readonly maxRequests: number;
  /** Time for a head to arrive whole, and for the first one to begin, in milliseconds. Default 10,000. */
  readonly headTimeoutMs: number;
  /** Time for a body to go on, and for a peer that reads nothing to read, in milliseconds. Default 20,000. */
  readonly stallTimeoutMs: number;
  /** Time between two requests, in milliseconds. Default 75,000. */
  readonly idleTimeoutMs: number;
}

export interface Http1ClientSettings extends Http1Limits {
  /** Most sockets to the address, each carrying one exchange at a time. Default 256. */
  readonly maxSockets: number;
  /** How long an unused socket is kept, unless the server names less, in milliseconds. Default 30,000. */
  readonly keepAliveMs: number;
}

const defaultLimits: Http1Limits = {
  maxHeadBytes: 32_768,
  maxFields: 128,
  maxChunkExtensionBytes: 4_096,
  windowBytes: 262_144,
  maxQueuedBytes: 16_777_216,
};

export const defaultServerSettings: Http1ServerSettings = {
  ...defaultLimits,
  maxTargetBytes: 16_384,
  maxBodyBytes: Infinity,
  maxDiscardedBytes: 65_536,
  maxPipelinedBytes: 65_536,
  maxRequests: Infinity,
  headTimeoutMs: 10_000,
  stallTimeoutMs: 20_000,
  idleTimeoutMs: 75_000,
};

export const defaultClientSettings: Http1ClientSettings = {
  ...defaultLimits,
  maxSockets: 256,
  keepAliveMs: 30_000,
};

/** Fills in a server's defaults. Throws `invalid_argument` naming a limit that is none. */
export function resolveServerSettings(given: Partial<Http1ServerSettings> | undefined): Http1ServerSettings {
  return resolve(defaultServerSettings, given);
}

/** Fills in a client's defaults. Throws `invalid_argument` naming a limit that is none. */
export function resolveClientSettings(given: Partial<Http1ClientSettings> | undefined): Http1ClientSettings {
  return resolve(defaultClientSettings, given);
}

function resolve<T extends Http1Limits>(defaults: T, given: Partial<T> | undefined): T {
  const settings = { ...defaults } as Record<string, unknown>;
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined || !(name in defaults)) continue;
    if (!(typeof value === "number" && value >= 1)) {
      throw new RpcError("invalid_argument", `${name} is ${String(value)}, expected a number of at least 1`);
    }
    settings[name] = value;
  }
  return settings as unknown as T;
}
