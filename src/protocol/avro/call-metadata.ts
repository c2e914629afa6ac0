/**
 * What of a call travels in the metadata of Avro's messages: the caller's own, under its names, and what a deadline, a
 * key or a status is, under names of ours (docs/avro.md has the table).
 */
import type { Context, ContextFields, ReplyMetadata } from "../../core/context.ts";
import { emptyMetadata, type Metadata, metadataLimits, metadataName } from "../../core/metadata.ts";
import { readText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { type AvroCursor, malformed, writeLong, writeMap, writeString } from "./binary.ts";

export const names = {
  timeoutMs: "meridian-timeout-ms",
  idempotencyKey: "idempotency-key",
  routeKey: "meridian-route-key",
  hops: "meridian-hops",
  attempt: "meridian-attempt",
  priorAttempts: "meridian-prior-attempts",
  code: "meridian-code",
  message: "meridian-message",
  reason: "meridian-reason",
  retryable: "meridian-retryable",
  neverStarted: "meridian-never-started",
  retryAfterMs: "meridian-retry-after-ms",
} as const;

/** What stands before the names of trailing metadata, since a response has but one map. */
const trailerPrefix = "trailer-";

/** Of the map: names of ours and the user's together. */
const maxEntries = metadataLimits.maxEntries + 16;
const maxBytes = metadataLimits.maxBytes * 2;

/** A message's metadata by name; undefined where there is none. */
export function readMetadata(cursor: AvroCursor): Record<string, string> | undefined {
  let entries: Record<string, string> | undefined;
  cursor.map(maxEntries, maxBytes, (name, start, end) => {
    entries ??= Object.create(null) as Record<string, string>;
    try {
      entries[name] = readText(cursor.bytes, start, end);
    } catch {
      // Bytes of somebody else, under a name of theirs.
      if (name.startsWith("meridian-")) throw malformed(`the metadata "${name}" is not UTF-8`);
    }
  });
  return entries;
}

/** What a context takes from a request's metadata. */
export interface CallMetadata {
  readonly timeoutMs: number | undefined;
  readonly fields: ContextFields | undefined;
}

const maxKeyChars = 256;
const maxCount = 1_000_000;
const nothingSaid: CallMetadata = { timeoutMs: undefined, fields: undefined };

export function readCallMetadata(cursor: AvroCursor): CallMetadata {
  const alone = readDeadline(cursor);
  if (alone !== undefined) return { timeoutMs: alone, fields: undefined };
  const entries = readMetadata(cursor);
  if (entries === undefined) return nothingSaid;
  const timeout = Number(entries[names.timeoutMs]);
  return {
    timeoutMs: timeout > 0 && timeout <= Number.MAX_SAFE_INTEGER ? timeout : undefined,
    fields: {
      metadata: own(entries), idempotencyKey: key(entries[names.idempotencyKey]),
      routeKey: key(entries[names.routeKey]), hops: count(entries[names.hops]),
      attempt: count(entries[names.attempt]), priorAttempts: count(entries[names.priorAttempts]),
    },
  };
}

function isOurs(name: string): boolean {
  return name.startsWith("meridian-") || name === names.idempotencyKey;
}

/** The user's entries, whose names begin with `prefix` or, without one, with no prefix of ours. */
function own(entries: Readonly<Record<string, string>>, prefix = ""): Metadata {
  let metadata: Record<string, string> | undefined;
  let left: number = metadataLimits.maxEntries;
  for (const full in entries) {
    if (prefix === "" ? isOurs(full) : !full.startsWith(prefix)) continue;
    const name = full.slice(prefix.length);
    if (!metadataName.test(name) || left-- <= 0) continue;
    metadata ??= Object.create(null) as Record<string, string>;
    metadata[name] = entries[full] as string;
  }
  return metadata ?? emptyMetadata;
}

function key(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value.slice(0, maxKeyChars);
}

function count(value: string | undefined): number {
  const number = Number(value ?? 0);
  return Number.isInteger(number) && number >= 0 ? Math.min(number, maxCount) : 0;
}

/** A map of one entry, the deadline's: as most calls have it, which is written and read without a map in between. */
const deadlineHead = (() => {
  const writer = new Writer(64);
  writeLong(writer, 1);
  writeString(writer, names.timeoutMs);
  return writer.finish();
})();

/** Whether a request says nothing but perhaps its deadline. */
export function isPlain(context: Context): boolean {
  return context.metadata === emptyMetadata && context.idempotencyKey === undefined &&
    context.routeKey === undefined && context.hops === 0 && context.attempt === 0 && context.priorAttempts === 0;
}

/** Writes the metadata of a request that has a deadline and nothing else. */
export function writeDeadline(writer: Writer, leftMs: number): void {
  writer.writeBytes(deadlineHead);
  writeString(writer, String(Math.max(1, Math.ceil(leftMs))));
  writer.writeByte(0);
}

/** Reads what {@link writeDeadline} wrote; undefined, at the same position, for anything else. */
function readDeadline(cursor: AvroCursor): number | undefined {
  const { bytes, position, end } = cursor;
  let at = position;
  if (end - at < deadlineHead.length + 3) return undefined;
  for (const byte of deadlineHead) if (bytes[at++] !== byte) return undefined;
  const length = (bytes[at++] as number) >>> 1;
  if (length === 0 || length > 15 || at + length >= end) return undefined;
  let value = 0;
  for (const stop = at + length; at < stop; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (bytes[at++] !== 0 || value === 0) return undefined;
  cursor.position = at;
  return value;
}

/** Writes a request's metadata; `leftMs` is what is left of its deadline. */
export function writeCallMetadata(writer: Writer, context: Context, leftMs: number): void {
  const entries: Record<string, string> = {};
  for (const name in context.metadata) entries[name] = context.metadata[name] as string;
  if (leftMs < Number.MAX_SAFE_INTEGER) entries[names.timeoutMs] = String(Math.max(1, Math.ceil(leftMs)));
  if (context.idempotencyKey !== undefined) entries[names.idempotencyKey] = context.idempotencyKey;
  if (context.routeKey !== undefined) entries[names.routeKey] = context.routeKey;
  if (context.hops > 0) entries[names.hops] = String(context.hops);
  if (context.attempt > 0) entries[names.attempt] = String(context.attempt);
  if (context.priorAttempts > 0) entries[names.priorAttempts] = String(context.priorAttempts);
  writeMap(writer, entries);
}

/** Writes a response's metadata: leading, trailing, and what else is said in it. */
export function writeReplyMetadata(
  writer: Writer, reply: ReplyMetadata | undefined, trailer: Metadata | undefined,
  more?: Readonly<Record<string, string>>,
): void {
  if (reply === undefined && trailer === undefined && more === undefined) {
    writer.writeByte(0);
    return;
  }
  const entries: Record<string, string> = { ...reply?.header };
  for (const name in trailer) entries[trailerPrefix + name] = trailer[name] as string;
  writeMap(writer, { ...entries, ...more });
}

/** A response's metadata: the user's, leading and trailing. */
export function splitReply(
  entries: Readonly<Record<string, string>>,
): { readonly header: Metadata; readonly trailer: Metadata } {
  const trailer = own(entries, trailerPrefix);
  const rest: Record<string, string> = {};
  for (const name in entries) if (!name.startsWith(trailerPrefix)) rest[name] = entries[name] as string;
  return { header: own(rest), trailer };
}
