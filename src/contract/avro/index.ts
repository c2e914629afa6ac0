/** Contracts as Avro protocols and back, and Avro's schemas as data. */
export { canonicalForm, fingerprint64, fingerprintMd5 } from "./canonical.ts";
export { exportAvro, type ExportAvroOptions } from "./export.ts";
export { importAvro, type ImportAvroOptions } from "./import.ts";
export { type AvroLimits, avroLimits, parseAvroProtocol, parseAvroSchema } from "./parse.ts";
export type { PrintedContract } from "./print.ts";
export type {
  AvroArray, AvroEnum, AvroField, AvroFixed, AvroMap, AvroMessage, AvroPrimitive, AvroPrimitiveSchema, AvroProtocol,
  AvroRecord, AvroSchema, AvroUnion,
} from "./schema.ts";
