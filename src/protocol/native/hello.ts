/** A hello is the first frame of each side: its limits and who it is, as numbered entries. */
import { RpcError } from "../../core/error.ts";
import type { Cursor } from "../../wire/cursor.ts";
import { frameLengthLimit } from "../../wire/frame-reader.ts";
import { Writer } from "../../wire/writer.ts";
import { writeText } from "../../wire/text.ts";
import { leastMaxFrameBytes, type NativeSettings } from "./settings.ts";

/** What the other side announced. */
export interface Peer {
  maxFrameBytes: number;
  maxMessageBytes: number;
  maxConcurrentCalls: number;
  streamWindowBytes: number;
  connectionWindowBytes: number;
  compressions: readonly string[];
  agent: string;
  region: string;
  zone: string;
}

const Key = {
  maxFrameBytes: 1, maxMessageBytes: 2, maxConcurrentCalls: 3, streamWindowBytes: 4, connectionWindowBytes: 5,
  compressions: 6, agent: 7, region: 8, zone: 9,
} as const;

const maxTextBytes = 256;

export function writeHello(writer: Writer, settings: NativeSettings): void {
  number(writer, Key.maxFrameBytes, settings.maxFrameBytes);
  number(writer, Key.maxMessageBytes, settings.maxMessageBytes);
  number(writer, Key.maxConcurrentCalls, settings.maxConcurrentCalls);
  number(writer, Key.streamWindowBytes, settings.streamWindowBytes);
  number(writer, Key.connectionWindowBytes, settings.connectionWindowBytes);
  text(writer, Key.compressions, settings.compressions.map((compression) => compression.name).join(","));
  text(writer, Key.agent, settings.agent);
  text(writer, Key.region, settings.region);
  text(writer, Key.zone, settings.zone);
}

function number(writer: Writer, key: number, value: number): void {
  const body = new Writer(16);
  body.writeVarint(value);
  writer.writeByte(key);
  writer.writeVarint(body.position);
  writer.writeBytes(body.finish());
}

function text(writer: Writer, key: number, value: string): void {
  const bytes = new Uint8Array(value.length * 3);
  let length = writeText(bytes, 0, value);
  // Never cut within a character: continuation bytes begin with 10.
  if (length > maxTextBytes) for (length = maxTextBytes; ((bytes[length] as number) & 0xc0) === 0x80;) length--;
  writer.writeByte(key);
  writer.writeVarint(length);
  writer.writeBytes(bytes.subarray(0, length));
}

/** Reads a hello; entries of unknown number are skipped, so that newer peers may say more. */
export function readHello(cursor: Cursor): Peer {
  const peer: Peer = {
    maxFrameBytes: leastMaxFrameBytes, maxMessageBytes: leastMaxFrameBytes, maxConcurrentCalls: 1,
    streamWindowBytes: 0, connectionWindowBytes: 0, compressions: [], agent: "", region: "", zone: "",
  };
  while (!cursor.atEnd) {
    const key = cursor.byte();
    switch (key) {
      case Key.maxFrameBytes: peer.maxFrameBytes = numberOf(cursor); break;
      case Key.maxMessageBytes: peer.maxMessageBytes = numberOf(cursor); break;
      case Key.maxConcurrentCalls: peer.maxConcurrentCalls = numberOf(cursor); break;
      case Key.streamWindowBytes: peer.streamWindowBytes = numberOf(cursor); break;
      case Key.connectionWindowBytes: peer.connectionWindowBytes = numberOf(cursor); break;
      case Key.compressions: peer.compressions = cursor.text(maxTextBytes).split(",").slice(0, 16); break;
      case Key.agent: peer.agent = cursor.text(maxTextBytes); break;
      case Key.region: peer.region = cursor.text(maxTextBytes); break;
      case Key.zone: peer.zone = cursor.text(maxTextBytes); break;
      default: cursor.run(leastMaxFrameBytes);
    }
  }
  if (peer.maxFrameBytes < leastMaxFrameBytes) {
    throw new RpcError("failed_precondition",
      `the peer's hello has maxFrameBytes ${peer.maxFrameBytes}; at least ${leastMaxFrameBytes} is required`);
  }
  // More than a frame's length can say would be cut off when it is written.
  peer.maxFrameBytes = Math.min(peer.maxFrameBytes, frameLengthLimit);
  return peer;
}

function numberOf(cursor: Cursor): number {
  const end = cursor.varint() + cursor.position;
  const value = cursor.varint();
  if (cursor.position !== end) throw new RpcError("invalid_argument", "a hello entry has the wrong length");
  return value;
}
