/** Apache Thrift as a language: `.thrift` files from contracts, and contracts from them. */
export { type ExportedThrift, exportThrift, type ExportThriftOptions } from "./export.ts";
export { type ImportedThrift, importThrift } from "./import.ts";
export type { ThriftResolver } from "./link.ts";
export type { ThriftSourceOptions } from "./source.ts";
