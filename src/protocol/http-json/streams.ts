/**
 * Streams of plain HTTP: a line of JSON for each message (https://github.com/ndjson/ndjson-spec), or server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html), which browsers read by `EventSource`.
 */
import type { Coder } from "../../contract/codec.ts";
import type { Writer } from "../../wire/writer.ts";
import { writeText } from "../../wire/text.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { StatusJson } from "./status.ts";

const utf8 = new TextEncoder();

/** A comment: it keeps proxies from closing what is silent, and shows early that the caller is gone. */
export const heartbeat = utf8.encode(":\n\n");

/** The id of a stream's last event. Who asks again with it is told that there is no more. */
export const lastId = "end";

/** Ends each message with a line feed. JSON has none inside. */
export function lineCoder(inner: Coder): Coder {
  return {
    encode(value, writer) {
      inner.encode(value, writer);
      writer.writeByte(0x0a);
    },
    decode: (bytes, start, end) => inner.decode(bytes, start, end),
  };
}

/** Each message an event, whose id is its number; `from` is the number of the last one that the caller has. */
export function eventCoder(inner: Coder, from: number): Coder {
  let id = from;
  return {
    encode(value, writer) {
      writeAscii(writer, `id: ${id + 1}\ndata: `);
      inner.encode(value, writer);
      writeAscii(writer, "\n\n");
      id++;
    },
    decode: (bytes, start, end) => inner.decode(bytes, start, end),
  };
}

function writeAscii(writer: Writer, text: string): void {
  writer.ensure(3 * text.length);
  writer.position += writeText(writer.bytes, writer.position, text);
}

/** The number of the last event that a caller has, by `Last-Event-ID`; 0 for none. */
export function lastEventNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** The last event: that all is said, with trailing metadata if there are any, or what went wrong. */
export function eventsEnd(error: StatusJson | undefined, trailer: Metadata | undefined): Uint8Array {
  const data = error ?? (trailer === undefined ? {} : { metadata: trailer });
  const name = error === undefined ? "end" : "error";
  return utf8.encode(`event: ${name}\nid: ${lastId}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Lines end with the last of them, or with one that says what went wrong. */
export function linesEnd(error: StatusJson | undefined): Uint8Array {
  return error === undefined ? nothing : utf8.encode(`${JSON.stringify(error)}\n`);
}

const nothing = new Uint8Array(0);
