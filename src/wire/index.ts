/** Bytes without I/O: writers, text and varints that codecs and protocols share. */
export { allocateBytes, readText, writeText } from "./text.ts";
export { Writer } from "./writer.ts";
