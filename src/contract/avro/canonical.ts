/**
 * Parsing canonical form and fingerprints of schemas (Avro 1.12, section "Transforming into Parsing Canonical
 * Form").
 */
import { md5 } from "./md5.ts";
import type { AvroSchema } from "./schema.ts";

/** The canonical form: two schemas that read the same data alike have the same one. Named types stand in full once. */
export function canonicalForm(schema: AvroSchema): string {
  return write(schema, new Set());
}

function write(schema: AvroSchema, seen: Set<string>): string {
  switch (schema.type) {
    case "array": return `{"type":"array","items":${write(schema.items, seen)}}`;
    case "map": return `{"type":"map","values":${write(schema.values, seen)}}`;
    case "union": return `[${schema.branches.map((branch) => write(branch, seen)).join(",")}]`;
    case "record": case "enum": case "fixed": break;
    default: return `"${schema.type}"`;
  }
  const name = JSON.stringify(schema.name);
  if (seen.has(schema.name)) return name;
  seen.add(schema.name);
  if (schema.type === "fixed") return `{"name":${name},"type":"fixed","size":${schema.size}}`;
  if (schema.type === "enum") {
    return `{"name":${name},"type":"enum","symbols":[${schema.symbols.map((one) => JSON.stringify(one)).join(",")}]}`;
  }
  const fields = schema.fields.map((field) =>
    `{"name":${JSON.stringify(field.name)},"type":${write(field.type, seen)}}`);
  return `{"name":${name},"type":"${schema.isError ? "error" : "record"}","fields":[${fields.join(",")}]}`;
}

/** The 64-bit Rabin fingerprint of a schema's canonical form, unsigned (CRC-64-AVRO). */
export function fingerprint64(schema: AvroSchema): bigint {
  return crc64(new TextEncoder().encode(canonicalForm(schema)));
}

/** The MD5 fingerprint of a schema's canonical form. */
export function fingerprintMd5(schema: AvroSchema): Uint8Array {
  return md5(new TextEncoder().encode(canonicalForm(schema)));
}

const empty = 0xc15d_213a_a4d7_a795n;
let table: BigUint64Array | undefined;

function crc64(bytes: Uint8Array): bigint {
  table ??= BigUint64Array.from({ length: 256 }, (_, i) => {
    let entry = BigInt(i);
    for (let bit = 0; bit < 8; bit++) entry = (entry >> 1n) ^ (empty & -(entry & 1n) & 0xffff_ffff_ffff_ffffn);
    return entry;
  });
  let crc = empty;
  for (const byte of bytes) crc = (crc >> 8n) ^ (table[Number((crc ^ BigInt(byte)) & 0xffn)] as bigint);
  return crc;
}
