// A socket that sends all frames of one turn of the event loop in one write: [length u32][id u32][payload].
//
// Checks nothing and bounds nothing: it is a ceiling, what this platform gives to code that does only this.
import { connect, createServer, type Socket } from "node:net";
import type { Bytes } from "./codec.ts";

const headerBytes = 8;
const segmentBytes = 65_536;

function allocate(): Bytes {
  return Buffer.allocUnsafeSlow(segmentBytes) as Bytes;
}

/** Gets one frame, whose payload is `bytes[start, end)`. */
export type OnFrame = (id: number, bytes: Bytes, start: number, end: number) => void;

export class BatchedSocket {
  /** Payloads are written here, from `position` on; valid from `begin` until `end`. */
  bytes = allocate();
  position = 0;
  readonly #socket: Socket;
  readonly #free: Bytes[] = [];
  #flushPlanned = false;
  #frameStart = 0;

  constructor(socket: Socket, onFrame: OnFrame) {
    this.#socket = socket.setNoDelay(true);
    socket.on("data", frameSplitter(onFrame));
    socket.on("error", () => socket.destroy());
  }

  /** Opens a frame whose payload takes no more than `maxBytes`. */
  begin(id: number, maxBytes: number): void {
    if (this.position + headerBytes + maxBytes > segmentBytes) this.#flush();
    this.#frameStart = this.position;
    this.bytes.writeUInt32LE(id, this.position + 4);
    this.position += headerBytes;
  }

  end(): void {
    this.bytes.writeUInt32LE(this.position - this.#frameStart - headerBytes, this.#frameStart);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(this.#plannedFlush);
  }

  close(): void {
    this.#socket.destroy();
  }

  readonly #plannedFlush = (): void => {
    this.#flushPlanned = false;
    this.#flush();
  };

  #flush(): void {
    if (this.position === 0) return;
    const sent = this.bytes;
    this.#socket.write(sent.subarray(0, this.position), () => this.#free.push(sent));
    this.bytes = this.#free.pop() ?? allocate();
    this.position = 0;
  }
}

/** Cuts a byte stream into frames; only a frame that two reads share is copied. */
function frameSplitter(onFrame: OnFrame): (chunk: Bytes) => void {
  let rest: Bytes | undefined;
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]) as Bytes;
    let at = 0;
    while (at + headerBytes <= bytes.length) {
      const start = at + headerBytes;
      const end = start + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      onFrame(bytes.readUInt32LE(at + 4), bytes, start, end);
      at = end;
    }
    rest = at < bytes.length ? bytes.subarray(at) as Bytes : undefined;
  };
}

export function listen(port: number, accept: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    createServer(accept).listen(port, "127.0.0.1", resolve);
  });
}

export function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket)).once("error", reject);
  });
}
