/**
 * The text of a cache: a line that says what it is, with a checksum of the rest, and the sets as JSON.
 *
 * A disk that lies, a file cut off by hand or one of another version is thus known for what it is before anybody is
 * called on its word.
 */
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { encodeEntry, readEntryValue } from "./entry.ts";

/** A set as it was told, and when that was last true, in milliseconds since 1970. */
export interface CachedSet {
  readonly endpoints: readonly EndpointAddress[];
  readonly atWallMs: number;
}

const format = "meridian.discovery.cache";
const version = 1;

/** Names that come last count most: when all do not fit into `maxBytes`, the first are left out. */
export function encodeCache(sets: ReadonlyMap<string, CachedSet>, maxBytes: number): string {
  const members: string[] = [];
  // A character takes up to three bytes; the line before them is short.
  let left = maxBytes / 3 - 256;
  for (const [name, { endpoints, atWallMs }] of [...sets].toReversed()) {
    const member = `${JSON.stringify(name)}:{"at":${Math.round(atWallMs)},"endpoints":[` +
      `${endpoints.map(encodeEntry).join()}]}`;
    left -= member.length + 1;
    if (left < 0) break;
    members.push(member);
  }
  const body = `{${members.toReversed().join(",\n")}}\n`;
  return `${JSON.stringify({ format, version, chars: body.length, checksum: checksum(body) })}\n${body}`;
}

/** Throws `data_loss` or `invalid_argument` saying what is wrong. */
export function decodeCache(text: string, maxNames: number): Map<string, CachedSet> {
  const end = text.indexOf("\n");
  const head = parse(text.slice(0, Math.max(0, end))) as Readonly<Record<string, unknown>> | null;
  if (typeof head !== "object" || head === null || head["format"] !== format) refuse("it is no cache of discovery");
  if (head["version"] !== version) refuse(`it is of version ${String(head["version"])}, not ${version}`);
  const body = text.slice(end + 1);
  if (head["chars"] !== body.length || head["checksum"] !== checksum(body)) {
    throw new RpcError("data_loss", "it was cut off or changed: its checksum is not that of its contents");
  }
  const value = parse(body);
  if (typeof value !== "object" || value === null) refuse("it has no names");
  const sets = new Map<string, CachedSet>();
  for (const [name, one] of Object.entries(value as Record<string, { at?: unknown; endpoints?: unknown }>)) {
    if (sets.size >= maxNames) break;
    if (typeof one?.at !== "number" || !Array.isArray(one.endpoints)) refuse(`"${name}" is no set of endpoints`);
    sets.set(name, { atWallMs: one.at, endpoints: one.endpoints.map(readEntryValue) });
  }
  return sets;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse("it is not JSON");
  }
}

function refuse(why: string): never {
  throw new RpcError("invalid_argument", why);
}

/** FNV-1a over characters in two lanes: against accidents, not against forgers, who could write the file anyway. */
function checksum(text: string): string {
  let high = 0x811c9dc5;
  let low = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ (code + i), 0x01000193);
  }
  return [high, low].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}
