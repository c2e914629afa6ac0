// The ceiling of datagrams: bytes echoed over node:dgram, one datagram each way, no codec; what is lost stays lost.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Caller } from "../harness/system.ts";
import { recordsOf, type Shape } from "../records.ts";
import { type Bytes, codecOf, maxRecordBytes } from "./raw/codec.ts";

const slotBytes = 4;
/** As much as the load can have on its way, so that the kernel drops nothing. */
const bufferBytes = 4_194_304;

export async function serve(port: number): Promise<void> {
  const socket = createSocket({ type: "udp4", recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
  socket.on("message", (bytes, { port: from, address }) => socket.send(bytes, from, address));
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const socket = createSocket({ type: "udp4", recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  /** Indexed by slot, which is used again when its call has ended. */
  const waiting: ((reply: Buffer) => void)[] = [];
  const freeSlots: number[] = [];
  socket.on("message", (bytes) => {
    const slot = bytes.readUInt32LE(0);
    freeSlots.push(slot);
    waiting[slot]?.(bytes.subarray(slotBytes));
  });
  const [record] = recordsOf(shape);
  const payload = Buffer.alloc(maxRecordBytes) as Bytes;
  const message = payload.subarray(0, record === undefined ? 0 : codecOf(shape).write(payload, 0, record));
  return {
    call: () => new Promise((resolve) => {
      const slot = freeSlots.pop() ?? waiting.length;
      waiting[slot] = resolve;
      // dgram sends later, so each call has bytes of its own.
      const bytes = Buffer.allocUnsafe(slotBytes + message.length);
      bytes.writeUInt32LE(slot, 0);
      message.copy(bytes, slotBytes);
      socket.send(bytes);
    }),
    isEcho: (reply) => message.equals(reply as Buffer),
    close: () => socket.close(),
  };
}
