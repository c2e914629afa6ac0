// The ceiling of batching: bytes echoed over node:net, the frames of a turn in one write, no codec.
import type { Caller } from "../harness/system.ts";
import { recordsOf, type Shape } from "../records.ts";
import { type Bytes, codecOf, maxRecordBytes } from "./raw/codec.ts";
import { BatchedSocket, dial, listen } from "./raw/socket.ts";

export function serve(port: number): Promise<void> {
  return listen(port, (socket) => {
    const peer = new BatchedSocket(socket, (id, bytes, start, end) => {
      peer.begin(id, end - start);
      peer.position += bytes.copy(peer.bytes, peer.position, start, end);
      peer.end();
    });
  });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  /** Indexed by slot, which is used again when its call has ended. */
  const waiting: ((reply: Buffer) => void)[] = [];
  const freeSlots: number[] = [];
  const peer = new BatchedSocket(await dial(port), (slot, bytes, start, end) => {
    freeSlots.push(slot);
    waiting[slot]?.(bytes.subarray(start, end));
  });
  const [record] = recordsOf(shape);
  const payload = Buffer.alloc(maxRecordBytes) as Bytes;
  const message = payload.subarray(0, record === undefined ? 0 : codecOf(shape).write(payload, 0, record));
  return {
    call: () => new Promise((resolve) => {
      const slot = freeSlots.pop() ?? waiting.length;
      waiting[slot] = resolve;
      peer.begin(slot, message.length);
      peer.position += message.copy(peer.bytes, peer.position);
      peer.end();
    }),
    isEcho: (reply) => message.equals(reply as Buffer),
    close: () => peer.close(),
  };
}
