/** Frames are what ZooKeeper's byte stream consists of: a length of 32 bits, and so many bytes. */
import { RpcError } from "../../core/error.ts";
import { joined } from "../../wire/joined.ts";

/**
 * Cuts a byte stream, however it was split, into frames. The returned function throws `resource_exhausted` at a frame
 * above the limit and `invalid_argument` at a negative length: the stream is then beyond repair.
 */
export function frameCutter(maxFrameBytes: number, frame: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  /** Reads that hold the beginning of a frame whose end has not come, joined only once it is there. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let wanted = 4;

  return (bytes) => {
    held.push(bytes);
    heldBytes += bytes.length;
    if (heldBytes < wanted) return;
    const all = held.length === 1 ? bytes : joined(held, heldBytes);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let at = 0;
    held = [];
    for (;;) {
      wanted = 4;
      if (all.length - at < wanted) break;
      wanted += checked(view.getInt32(at), maxFrameBytes);
      if (all.length - at < wanted) break;
      frame(all.subarray(at + 4, at + wanted));
      at += wanted;
    }
    heldBytes = all.length - at;
    if (heldBytes > 0) held.push(all.subarray(at));
  };
}

function checked(length: number, maxFrameBytes: number): number {
  if (length < 0) throw new RpcError("invalid_argument", `a frame of ${length} bytes`, { phase: "decode" });
  if (length > maxFrameBytes) {
    throw new RpcError("resource_exhausted", `a frame of ${length} bytes exceeds maxFrameBytes ${maxFrameBytes}`,
      { phase: "decode" });
  }
  return length;
}
