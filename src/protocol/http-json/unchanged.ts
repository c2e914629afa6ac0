/** Replies to GET that their caller has already: entity tags, `If-None-Match` and 304 (RFC 9110, 8.8.3 and 13.1.2). */
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../../http/message.ts";
import { contentTag } from "../../wire/content-tag.ts";

const tagPattern = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
const tagsPattern = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/**
 * The head with the tag of its body: that of the handler's own `etag`, else a weak one of the bytes, since proxies may
 * compress them on the way. If the caller has just this already, the head that says so, which no body follows.
 *
 * `head` is this reply's alone.
 */
export function tagged(head: Head, asked: string | undefined, bytes: Uint8Array, length: number): Head {
  const fields = head.fields as Record<string, string>;
  // What nobody may keep, nobody asks for again.
  if (fields["cache-control"]?.includes("no-store") === true) return head;
  const own = fields["etag"];
  if (own !== undefined && !tagPattern.test(own)) return head;
  const tag = own ?? (fields["etag"] = `W/"${contentTag(bytes, 0, length)}"`);
  return asked !== undefined && isAmong(tag, asked) ? notModified(fields) : head;
}

/** Weakly: whether two tags are strong does not matter to who only wants to know whether to read again. */
function isAmong(tag: string, asked: string): boolean {
  if (asked.trim() === "*") return true;
  const opaque = opaqueOf(tag);
  return asked.match(tagsPattern)?.some((one) => opaqueOf(one) === opaque) === true;
}

function opaqueOf(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}

/** All that 200 would have said but what is about the body. */
function notModified(said: Metadata): Head {
  const fields = Object.create(null) as Record<string, string>;
  for (const name in said) {
    if (!name.startsWith("content-") || name === "content-location") fields[name] = said[name] as string;
  }
  return new Head(fields, 304);
}
