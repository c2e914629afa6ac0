/** What the peer says in a SETTINGS frame (RFC 9113, section 6.5). */
import { ErrorCode, leastMaxFrameBytes, mostMaxFrameBytes, mostWindowBytes, Setting } from "./constants.ts";
import { fault } from "./failure.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";

export interface PeerSettings {
  readonly side: "client" | "server";
  readonly encoder: HpackEncoder;
  peerMaxFrameBytes: number;
  peerWindowBytes: number;
  peerMaxStreams: number;
  /** Whether the peer takes pings as they come. */
  peerTakesPings: boolean;
}

/** Reads the entries of `bytes[start, end)` into `peer`. Throws a ConnectionFault for values that make no sense. */
export function readSettings(peer: PeerSettings, bytes: Uint8Array, start: number, end: number): void {
  if ((end - start) % 6 !== 0) throw fault(ErrorCode.frameSize, `a SETTINGS frame of ${end - start} bytes`);
  for (let at = start; at < end; at += 6) {
    const name = (bytes[at] as number) << 8 | (bytes[at + 1] as number);
    const value = ((bytes[at + 2] as number) << 24 | (bytes[at + 3] as number) << 16 |
      (bytes[at + 4] as number) << 8 | (bytes[at + 5] as number)) >>> 0;
    apply(peer, name, value);
  }
}

function apply(peer: PeerSettings, name: number, value: number): void {
  switch (name) {
    case Setting.headerTableBytes:
      peer.encoder.peerTableBytes(value);
      break;
    case Setting.enablePush:
      if (value > 1 || value === 1 && peer.side === "client") {
        throw fault(ErrorCode.protocol, `SETTINGS_ENABLE_PUSH is ${value}`);
      }
      break;
    case Setting.maxConcurrentStreams:
      peer.peerMaxStreams = value;
      break;
    case Setting.initialWindowBytes:
      if (value > mostWindowBytes) throw fault(ErrorCode.flowControl, `SETTINGS_INITIAL_WINDOW_SIZE is ${value}`);
      peer.peerWindowBytes = value;
      break;
    case Setting.maxFrameBytes:
      if (value < leastMaxFrameBytes || value > mostMaxFrameBytes) {
        throw fault(ErrorCode.protocol, `SETTINGS_MAX_FRAME_SIZE is ${value}`);
      }
      peer.peerMaxFrameBytes = value;
      break;
    case Setting.takesPings:
      peer.peerTakesPings = value === 1;
      break;
    default:
      // Settings that we do not know are not for us.
  }
}
