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

const namePattern = /^[0-9a-z_.-]{1,128}$/;

/** Copies and checks metadata given by a user; throws `invalid_argument` naming the entry that is wrong. */
export function createMetadata(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = Object.create(null) as Record<string, string>;
  let bytes = 0;
  let count = 0;
  for (const name of Object.keys(entries)) {
    const value: unknown = entries[name];
    if (value === undefined) continue;
    if (!namePattern.test(name)) {
      throw new RpcError("invalid_argument",
        `metadata name ${JSON.stringify(name.slice(0, 64))} is not 1 to 128 of a-z 0-9 _ . -`, { phase: "encode" });
    }
    if (typeof value !== "string") {
      throw new RpcError("invalid_argument", `metadata "${name}" is ${typeof value}, expected a string`,
        { phase: "encode" });
    }
    bytes += name.length + value.length;
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
