/** Bytes without I/O: writers, text, varints and frames that codecs and protocols share. */
export { fromAnyBase64, fromBase64, toBase64, toBase64Unpadded, toBase64Url } from "./base64.ts";
export type { Compression } from "./compression.ts";
export { Cursor } from "./cursor.ts";
export { FrameOutbox } from "./frame-outbox.ts";
export { frameHeaderBytes, frameLengthLimit, FrameReader, type FrameSink } from "./frame-reader.ts";
export { Outbox } from "./outbox.ts";
export { allocateBytes, latin1Text, readText, writeLongText, writeText } from "./text.ts";
export { Writer } from "./writer.ts";
