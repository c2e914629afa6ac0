/** Limits of calls by UDP, of clients and of servers. */
import { badOption, numberOption } from "../../core/option.ts";
import type { Protocol } from "../protocol.ts";

export interface UdpOptions {
  /**
   * Largest datagram, in bytes, with all that is around a request. Default 1,200, which crosses every path whole
   * (RFC 9000, section 14); up to 65,507 where the network's frames are known to bear them.
   */
  readonly maxDatagramBytes?: number | undefined;
  /**
   * Whether datagrams are sealed, under keys that are fetched by TLS from the same port. Default: where the client has
   * `tls`.
   */
  readonly encrypted?: boolean | undefined;
  /** Most transmissions of a call without a sign of the server, 1 to 20. Default 6. */
  readonly maxTransmissions?: number | undefined;
  /**
   * Whether a one-way call is over once the server acknowledged that it runs, rather than once it was sent. Either way
   * it is repeated until it is acknowledged, and runs once at most. Default false.
   */
  readonly acknowledgeOneway?: boolean | undefined;
  /** Calls open at once on one connection; the server's limit holds too. Default 1,024. */
  readonly maxConcurrentCalls?: number | undefined;
  /**
   * What carries the calls that UDP cannot: streams, methods that are not idempotent, large requests; and all of them
   * while no datagram gets through. Default: they are refused.
   */
  readonly fallback?: Protocol | undefined;
}

export interface UdpSettings {
  readonly maxDatagramBytes: number;
  readonly maxTransmissions: number;
  readonly acknowledgeOneway: boolean;
  readonly maxConcurrentCalls: number;
}

export interface UdpServerOptions {
  /** As of {@link UdpOptions}: of answers, and of what is taken. Default 1,200. */
  readonly maxDatagramBytes?: number | undefined;
  /** Whether only sealed datagrams are served. Default: where the server has `tls` and not `plaintext`. */
  readonly encrypted?: boolean | undefined;
  /** Most sessions; further ones are refused. Default 10,000. */
  readonly maxSessions?: number | undefined;
  /** Handlers at work at once for one session. Default 1,024. */
  readonly maxConcurrentCalls?: number | undefined;
  /** Calls of a session that are remembered with their answers, so that none runs twice. Default 4,096. */
  readonly maxRemembered?: number | undefined;
  /** Bytes of answers that are remembered, over all sessions. Default 64 MiB. */
  readonly maxRememberedBytes?: number | undefined;
  /** A session from which nothing came for so long is forgotten, in milliseconds. Default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
}

export type UdpServerSettings = {
  readonly [Name in keyof UdpServerOptions]-?: Exclude<UdpServerOptions[Name], undefined>;
};

/** A datagram has at least room for an error that says why there is no answer. */
const leastDatagramBytes = 512;
export const defaultDatagramBytes = 1_200;
const mostDatagramBytes = 65_507;

/** Fills in the defaults. Throws `invalid_argument` naming a limit that is no limit. */
export function resolveUdp(options: UdpOptions): UdpSettings {
  const { maxDatagramBytes = defaultDatagramBytes, maxTransmissions = 6, maxConcurrentCalls = 1_024 } = options;
  const { acknowledgeOneway = false, encrypted } = options;
  flag("acknowledgeOneway", acknowledgeOneway);
  if (encrypted !== undefined) flag("encrypted", encrypted);
  return {
    maxDatagramBytes: datagramBytes(maxDatagramBytes),
    maxTransmissions: numberOption("maxTransmissions", maxTransmissions, { least: 1, most: 20, whole: true }),
    acknowledgeOneway,
    maxConcurrentCalls: count("maxConcurrentCalls", maxConcurrentCalls),
  };
}

export function resolveUdpServer(
  options: UdpServerOptions, isSecured: boolean, mayBeClear: boolean,
): UdpServerSettings {
  const { encrypted = isSecured && !mayBeClear } = options;
  flag("udp.encrypted", encrypted);
  if (encrypted && !isSecured) throw badOption("udp.encrypted", true, "keys are agreed by TLS: give the server `tls`");
  return {
    encrypted,
    maxDatagramBytes: datagramBytes(options.maxDatagramBytes ?? defaultDatagramBytes),
    maxSessions: count("maxSessions", options.maxSessions ?? 10_000),
    maxConcurrentCalls: count("maxConcurrentCalls", options.maxConcurrentCalls ?? 1_024),
    maxRemembered: count("maxRemembered", options.maxRemembered ?? 4_096),
    maxRememberedBytes: numberOption("maxRememberedBytes", options.maxRememberedBytes ?? 64 << 20,
      { least: 65_536, most: 2 ** 40, whole: true, unit: "bytes" }),
    idleTimeoutMs: numberOption("idleTimeoutMs", options.idleTimeoutMs ?? 60_000,
      { least: 1_000, most: 86_400_000, unit: "milliseconds" }),
  };
}

function datagramBytes(value: number): number {
  return numberOption("maxDatagramBytes", value,
    { least: leastDatagramBytes, most: mostDatagramBytes, whole: true, unit: "bytes" });
}

function count(name: string, value: number): number {
  return numberOption(name, value, { least: 1, most: 1_000_000, whole: true });
}

function flag(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw badOption(name, value, "expected true or false");
}
