/**
 * What of a call travels in THeader's pairs: the caller's metadata, and keys of our own beside it, under the names that
 * HTTP has for them.
 */
import type { Context, ContextFields, ReplyMetadata } from "../../core/context.ts";
import { emptyMetadata, type Metadata, metadataName } from "../../core/metadata.ts";
import { metadataOf, readCallHeaders, writeCallHeaders, writeSendableMetadata } from "../call-headers.ts";

/** What is left of the deadline, in milliseconds: the name that fbthrift has for it. */
const timeoutKey = "client_timeout";
/** Trailing metadata: a reply has one set of pairs. */
const trailerPrefix = "trailer-";

export function readCallFields(fields: Metadata): { fields: ContextFields; timeoutMs: number | undefined } {
  const timeout = Number(fields[timeoutKey] ?? "");
  const timeoutMs = timeout >= 1 && timeout <= Number.MAX_SAFE_INTEGER ? timeout : undefined;
  return { fields: readCallHeaders(without(fields)), timeoutMs };
}

function without(fields: Metadata): Metadata {
  if (!(timeoutKey in fields)) return fields;
  const copy = Object.assign(Object.create(null) as Record<string, string>, fields);
  delete copy[timeoutKey];
  return copy;
}

/** Throws `invalid_argument` for metadata that cannot be sent. */
export function writeCallFields(context: Context, timeoutMs: number | undefined): Metadata {
  const fields = Object.create(null) as Record<string, string>;
  writeCallHeaders(fields, context);
  if (timeoutMs !== undefined) fields[timeoutKey] = String(timeoutMs);
  return fields;
}

/** Leaves out what cannot be sent. */
export function writeReplyFields(reply: ReplyMetadata | undefined, trailer: Metadata | undefined): Metadata {
  if (reply === undefined && trailer === undefined) return emptyMetadata;
  const fields = Object.create(null) as Record<string, string>;
  writeSendableMetadata(fields, reply?.header, "");
  writeSendableMetadata(fields, reply?.trailer ?? trailer, trailerPrefix);
  return fields;
}

export function readReplyFields(fields: Metadata): { header: Metadata; trailer: Metadata } {
  if (fields === emptyMetadata) return { header: emptyMetadata, trailer: emptyMetadata };
  const header = Object.create(null) as Record<string, string>;
  const trailer = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(metadataOf(fields))) {
    if (!name.startsWith(trailerPrefix)) header[name] = value;
    else if (metadataName.test(name.slice(trailerPrefix.length))) trailer[name.slice(trailerPrefix.length)] = value;
  }
  return { header, trailer };
}
