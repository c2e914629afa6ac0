/**
 * Metadata is what travels beside a message: small text entries under lower-case names.
 *
 * A plain object without prototype: fifteen times cheaper than a Map of the same five entries. Several
 * values of one name are joined by ", " as in HTTP; names ending in `-bin` hold base64 (as in gRPC).
 */
import { RpcError } from "./error.ts";

export type Metadata = Readonly<Record<string, string>>;

export const emptyMetadata: Metadata = Object.freeze(Object.create(null) as Record<string, string>);

/** Most entries in one block, and most bytes of names and values together. */
export const metadataLimits = { maxEntries: 128, maxBytes: 16_384 } as const;

/** What a name may be. */
export const metadataName = /^[0-9a-z_.-]{1,128}$/;

/** Copies and checks metadata given by a user; throws `invalid_argument` naming the entry that is wrong. */
export function createMetadata(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = Object.create(null) as Record<string, string>;
  let bytes = 0;
  let count = 0;
  for (const name of Object.keys(entries)) {
    const value: unknown = entries[name];
    if (value === undefined) continue;
    if (!metadataName.test(name)) {
      throw new RpcError("invalid_argument",
        `metadata name ${JSON.stringify(name.slice(0, 64))} is not 1 to 128 of a-z 0-9 _ . -`, { phase: "encode" });
    }
    if (typeof value !== "string") {
      throw new RpcError("invalid_argument", `metadata "${name}" is ${typeof value}, expected a string`,
        { phase: "encode" });
    }
    bytes += name.length + utf8Bytes(value);
    count++;
    metadata[name] = value;
  }
  if (count > metadataLimits.maxEntries || bytes > metadataLimits.maxBytes) {
    throw new RpcError("invalid_argument",
      `metadata has ${count} entries and ${bytes} bytes; at most ${metadataLimits.maxEntries} entries and ` +
      `${metadataLimits.maxBytes} bytes are allowed`, { phase: "encode" });
  }
  return metadata;
}

/** How long `text` is on a wire; a lone surrogate, which becomes U+FFFD, counts a byte short. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1;
  }
  return bytes;
}
