/** Refusing a connection with a reason: the client learns that the server is full, not that it vanished. */
import type { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import { writeGoAway } from "./channel.ts";
import { FrameType, maxVersion, minVersion } from "./frame-types.ts";
import { preface } from "./preface.ts";

/** What a server says instead of a hello: its preface, and a goAway frame with the reason. */
export function nativeRefusal(error: RpcError): Uint8Array {
  const payload = new Writer(1024);
  writeGoAway(payload, 0, error);
  const length = payload.position;
  const writer = new Writer(length + 64);
  writer.writeBytes(preface(minVersion, maxVersion));
  writer.writeBytes(Uint8Array.of(length, length >> 8, length >> 16, FrameType.goAway, 0, 0, 0, 0));
  writer.writeBytes(payload.finish());
  return writer.finish();
}
