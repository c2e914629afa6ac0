/** Extras are the optional fields of a frame or datagram: numbered entries in a block before the message. */
import { RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import { type Metadata, metadataLimits, metadataName } from "../core/metadata.ts";
import type { Cursor } from "../wire/cursor.ts";
import { writeText } from "../wire/text.ts";
import { Writer } from "../wire/writer.ts";

/** Keys of the entries in a block of extras. Unknown keys are skipped. */
export const Extra = {
  header: 1,
  trailer: 2,
  routeKey: 3,
  idempotencyKey: 4,
  hops: 5,
  attempt: 6,
  load: 7,
  reason: 8,
  data: 9,
  retryAfterMs: 10,
  priorAttempts: 11,
} as const;

export interface Extras {
  header?: Metadata | undefined;
  trailer?: Metadata | undefined;
  routeKey?: string | undefined;
  idempotencyKey?: string | undefined;
  hops?: number | undefined;
  attempt?: number | undefined;
  load?: LoadReport | undefined;
  reason?: string | undefined;
  data?: Uint8Array | undefined;
  retryAfterMs?: number | undefined;
  priorAttempts?: number | undefined;
}

const maxKeyBytes = 1_024;
/** Larger than metadata may be, smaller than the least frame. */
const maxBlockBytes = 65_536;

/**
 * Where blocks are put together, again and again: fresh memory would cost more than all the rest. One for the block,
 * one for the entry being written, one for a text within it, since lengths stand before what they measure.
 */
const block = new Writer(1_024);
const body = new Writer(1_024);
const scratch = new Writer(256);

/** Appends the length of the block and the block. */
export function writeExtras(writer: Writer, extras: Extras): void {
  block.position = body.position = 0;
  if (extras.header !== undefined) entry(Extra.header, metadata(extras.header));
  if (extras.trailer !== undefined) entry(Extra.trailer, metadata(extras.trailer));
  if (extras.routeKey !== undefined) entry(Extra.routeKey, text(body, extras.routeKey));
  if (extras.idempotencyKey !== undefined) entry(Extra.idempotencyKey, text(body, extras.idempotencyKey));
  if (extras.hops !== undefined) entry(Extra.hops, varint(extras.hops));
  if (extras.attempt !== undefined) entry(Extra.attempt, varint(extras.attempt));
  if (extras.load !== undefined) {
    writeLoad(body, extras.load);
    // Without the length of a block of its own.
    block.writeBytes(body.bytes.subarray(1, body.position));
    body.position = 0;
  }
  if (extras.reason !== undefined) entry(Extra.reason, text(body, extras.reason));
  if (extras.data !== undefined) {
    body.writeBytes(extras.data);
    entry(Extra.data, body);
  }
  if (extras.retryAfterMs !== undefined) {
    const delayMs = Math.round(extras.retryAfterMs);
    entry(Extra.retryAfterMs, varint(delayMs < 0 ? 0 : delayMs + 1));
  }
  if (extras.priorAttempts !== undefined) entry(Extra.priorAttempts, varint(extras.priorAttempts));
  writer.writeVarint(block.position);
  writer.writeBytes(block.bytes.subarray(0, block.position));
}

/**
 * The same of a load report alone, which replies carry hundreds of times a second: straight to where it goes. Seven
 * numbers of at most eight bytes are so short that their lengths are a byte.
 */
export function writeLoad(writer: Writer, report: LoadReport): void {
  writer.ensure(64);
  const start = writer.position;
  writer.position += 3;
  writer.writeVarint(permille(report.cpu));
  writer.writeVarint(permille(report.memory));
  writer.writeVarint(whole(report.inFlight));
  writer.writeVarint(whole(report.callsPerSecond));
  writer.writeVarint(whole(report.errorsPerSecond));
  writer.writeVarint(whole(report.loopLagMs));
  writer.writeVarint(whole((report.latencyMs ?? 0) * 1_000));
  const length = writer.position - start - 3;
  writer.bytes[start] = length + 2;
  writer.bytes[start + 1] = Extra.load;
  writer.bytes[start + 2] = length;
}

/** Moves what is in the body to the block. */
function entry(key: number, { bytes, position }: Writer): void {
  block.writeByte(key);
  block.writeVarint(position);
  block.writeBytes(bytes.subarray(0, position));
  body.position = 0;
}

function text(to: Writer, value: string): Writer {
  to.ensure(value.length * 3);
  to.position += writeText(to.bytes, to.position, value);
  return to;
}

/** What is no number, or none that a varint can hold, may come from a user's load report or push-back. */
function whole(value: number): number {
  return value > 0 ? Math.min(Math.round(value), Number.MAX_SAFE_INTEGER) : 0;
}

function varint(value: number): Writer {
  body.writeVarint(whole(value));
  return body;
}

function metadata(entries: Metadata): Writer {
  for (const name in entries) {
    entryText(name);
    entryText(entries[name] as string);
  }
  return body;
}

function entryText(value: string): void {
  scratch.position = 0;
  text(scratch, value);
  body.writeVarint(scratch.position);
  body.writeBytes(scratch.bytes.subarray(0, scratch.position));
}

function permille(share: number): number {
  return whole(Math.min(1_000, share * 1_000));
}

/** Reads the block at the cursor and moves behind it. */
export function readExtras(cursor: Cursor): Extras {
  const length = cursor.varint();
  const blockEnd = cursor.position + length;
  if (length > maxBlockBytes || blockEnd > cursor.end) {
    throw new RpcError("invalid_argument", `a block of extras of ${length} bytes does not fit its frame`);
  }
  const extras: Extras = {};
  const frameEnd = cursor.end;
  while (cursor.position < blockEnd) {
    const key = cursor.byte();
    const entryEnd = cursor.varint() + cursor.position;
    if (entryEnd > blockEnd) throw new RpcError("invalid_argument", "an extras entry does not fit its block");
    cursor.end = entryEnd;
    readEntry(cursor, key, extras);
    cursor.position = entryEnd;
    cursor.end = frameEnd;
  }
  return extras;
}

function readEntry(cursor: Cursor, key: number, extras: Extras): void {
  switch (key) {
    case Extra.header: extras.header = readMetadata(cursor); break;
    case Extra.trailer: extras.trailer = readMetadata(cursor); break;
    case Extra.routeKey: extras.routeKey = rest(cursor); break;
    case Extra.idempotencyKey: extras.idempotencyKey = rest(cursor); break;
    case Extra.hops: extras.hops = cursor.varint(); break;
    case Extra.attempt: extras.attempt = cursor.varint(); break;
    case Extra.load: extras.load = readLoad(cursor); break;
    case Extra.reason: extras.reason = rest(cursor); break;
    case Extra.data: extras.data = cursor.bytes.slice(cursor.position, cursor.end); break;
    case Extra.retryAfterMs: extras.retryAfterMs = cursor.varint() - 1; break;
    case Extra.priorAttempts: extras.priorAttempts = cursor.varint(); break;
  }
}

function rest(cursor: Cursor): string {
  if (cursor.end - cursor.position > maxKeyBytes) {
    throw new RpcError("invalid_argument", `a key of ${cursor.end - cursor.position} bytes exceeds ${maxKeyBytes}`);
  }
  return cursor.restText();
}

/** Each entry has two lengths beside its text: one of at most two bytes, one of at most three. */
const maxMetadataBytes = metadataLimits.maxBytes + 5 * metadataLimits.maxEntries;

function readMetadata(cursor: Cursor): Metadata {
  if (cursor.end - cursor.position > maxMetadataBytes) {
    throw new RpcError("resource_exhausted", `metadata exceeds ${metadataLimits.maxBytes} bytes`);
  }
  const entries = Object.create(null) as Record<string, string>;
  let count = 0;
  while (!cursor.atEnd) {
    if (++count > metadataLimits.maxEntries) {
      throw new RpcError("resource_exhausted", `metadata has more than ${metadataLimits.maxEntries} entries`);
    }
    const name = cursor.text(128);
    if (!metadataName.test(name)) {
      throw new RpcError("invalid_argument",
        `metadata name ${JSON.stringify(name.slice(0, 64))} is not 1 to 128 of a-z 0-9 _ . -`, { phase: "decode" });
    }
    entries[name] = cursor.text(metadataLimits.maxBytes);
  }
  return entries;
}

/** Peers of before do not tell the latency; those to come may tell more. */
function readLoad(cursor: Cursor): LoadReport {
  return {
    cpu: cursor.varint() / 1_000, memory: cursor.varint() / 1_000, inFlight: cursor.varint(),
    callsPerSecond: cursor.varint(), errorsPerSecond: cursor.varint(), loopLagMs: cursor.varint(),
    latencyMs: cursor.atEnd ? 0 : cursor.varint() / 1_000,
  };
}
