/**
 * What of a call travels in HTTP headers in every dialect alike: the caller's metadata, and the keys of our own beside
 * it. Which headers belong to HTTP or to a protocol, and are nobody's metadata, is said here once.
 */
import type { Context } from "../core/context.ts";
import { RpcError } from "../core/error.ts";
import { emptyMetadata, type Metadata, metadataName } from "../core/metadata.ts";
import { loadWantedName } from "./orca.ts";
import { neverStartedHeader, retryableHeader } from "./error-marks.ts";
import { percentDecode, percentEncode } from "./percent.ts";

/** By what name each thing goes; that of attempts is gRPC's (gRFC A6), that of keys the IETF's draft. */
export const idempotencyKeyHeader = "idempotency-key";
export const routeKeyHeader = "meridian-route-key";
export const hopsHeader = "meridian-hops";
export const attemptHeader = "grpc-previous-rpc-attempts";
export const priorAttemptsHeader = "meridian-prior-attempts";
/** When a caller may try again, in milliseconds; below 0 never (gRFC A6). Trailing metadata. */
export const pushbackHeader = "grpc-retry-pushback-ms";

/** Headers of HTTP itself, and of servers and proxies on the way. */
const httpHeaders = new Set([
  "accept", "accept-encoding", "accept-post", "alt-svc", "connection", "content-encoding", "content-length",
  "content-type", "date", "expect", "host", "keep-alive", "proxy-connection", "server", "te", "trailer",
  "transfer-encoding", "upgrade", "user-agent", "vary", "via", idempotencyKeyHeader,
  routeKeyHeader, hopsHeader, priorAttemptsHeader, neverStartedHeader, retryableHeader, loadWantedName,
]);

/** Whether a name is not the users': it is HTTP's, a protocol's or ours. */
export function isReservedHeader(name: string): boolean {
  return httpHeaders.has(name) || name.startsWith("grpc-") || name.startsWith("connect-") ||
    name.startsWith("access-control-") || name === "x-grpc-web";
}

/** The users' entries among the fields of a head. */
export function metadataOf(fields: Metadata): Metadata {
  let metadata: Record<string, string> | undefined;
  for (const name in fields) {
    if (isReservedHeader(name) || !metadataName.test(name)) continue;
    metadata ??= Object.create(null) as Record<string, string>;
    metadata[name] = fields[name] as string;
  }
  return metadata ?? emptyMetadata;
}

/** What a request's head says of its call in every dialect alike. */
export interface CallHeaders {
  readonly metadata: Metadata;
  readonly idempotencyKey: string | undefined;
  readonly routeKey: string | undefined;
  readonly hops: number;
  readonly attempt: number;
  readonly priorAttempts: number;
}

/** Keys are at most so long, as on the native wire. */
const maxKeyChars = 256;
const maxCount = 1_000_000;

export function readCallHeaders(fields: Metadata): CallHeaders {
  return {
    metadata: metadataOf(fields),
    idempotencyKey: readKey(fields[idempotencyKeyHeader]),
    routeKey: readKey(fields[routeKeyHeader]),
    hops: readCount(fields[hopsHeader]),
    attempt: readCount(fields[attemptHeader]),
    priorAttempts: readCount(fields[priorAttemptsHeader]),
  };
}

/** Whether {@link writeCallHeaders} would add nothing: such calls can share a head. */
export function isPlainCall(context: Context): boolean {
  return context.metadata === emptyMetadata && context.idempotencyKey === undefined &&
    context.routeKey === undefined && context.hops === 0 && context.attempt === 0 && context.priorAttempts === 0;
}

/** Adds to `fields` what the context of a call says. Throws `invalid_argument` for metadata that cannot be sent. */
export function writeCallHeaders(fields: Record<string, string>, context: Context): void {
  writeMetadata(fields, context.metadata, "");
  if (context.idempotencyKey !== undefined) fields[idempotencyKeyHeader] = percentEncode(context.idempotencyKey);
  if (context.routeKey !== undefined) fields[routeKeyHeader] = percentEncode(context.routeKey);
  if (context.hops > 0) fields[hopsHeader] = String(context.hops);
  if (context.attempt > 0) fields[attemptHeader] = String(context.attempt);
  if (context.priorAttempts > 0) fields[priorAttemptsHeader] = String(context.priorAttempts);
}

/** Spaces at either end would be lost on the way, and anything beyond printable ASCII refused there. */
const sendable = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;

/** Adds metadata under `prefix`. Throws `invalid_argument` naming an entry that cannot be sent. */
export function writeMetadata(fields: Record<string, string>, metadata: Metadata | undefined, prefix: string): void {
  if (metadata === undefined) return;
  for (const name in metadata) {
    const why = unsendable(name, metadata[name] as string);
    if (why !== undefined) throw new RpcError("invalid_argument", why, { phase: "encode" });
    fields[prefix + name] = metadata[name] as string;
  }
}

/** The same, leaving out what cannot be sent: beside an error, which matters more. */
export function writeSendableMetadata(
  fields: Record<string, string>, metadata: Metadata | undefined, prefix: string,
): void {
  if (metadata === undefined) return;
  for (const name in metadata) {
    if (unsendable(name, metadata[name] as string) === undefined) fields[prefix + name] = metadata[name] as string;
  }
}

function unsendable(name: string, value: string): string | undefined {
  if (!metadataName.test(name) || isReservedHeader(name)) return `metadata "${name}" is HTTP's or the protocol's own`;
  if (sendable.test(value)) return undefined;
  return `metadata "${name}" is not printable ASCII without spaces at its ends; put base64 under a name ending in -bin`;
}

function readKey(value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  const key = percentDecode(value);
  return key.length > maxKeyChars ? key.slice(0, maxKeyChars) : key;
}

function readCount(value: string | undefined): number {
  if (value === undefined) return 0;
  const count = Number(value);
  return Number.isInteger(count) && count >= 0 ? Math.min(count, maxCount) : 0;
}
