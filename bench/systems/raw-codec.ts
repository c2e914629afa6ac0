// The ceiling with codec and promise: batched frames, a codec written by hand, and one promise a call on both sides.
import type { Caller } from "../harness/system.ts";
import { type EchoRecord, type Shape, smallRecord } from "../records.ts";
import { type Codec, codecOf, maxRecordBytes } from "./raw/codec.ts";
import { BatchedSocket, dial, listen } from "./raw/socket.ts";

/** The lowest bits of a call's id say what is asked for; the rest is the call's slot. */
const methodBits = 2;
const methods = { S: 0, M: 1, stream: 2 } as const;
const small = codecOf("S");
const codecs: readonly Codec[] = [small, codecOf("M")];

/** What a user writes: it knows nothing of bytes, and might wait. */
const handler = async (record: EchoRecord): Promise<EchoRecord> => record;

export function serve(port: number): Promise<void> {
  return listen(port, (socket) => {
    const peer = new BatchedSocket(socket, (id, bytes, start, end) => {
      const method = id & (1 << methodBits) - 1;
      if (method === methods.stream) {
        sendStream(peer, id, bytes.readUInt32LE(start));
        return;
      }
      const codec = codecs[method] as Codec;
      void handler(codec.read(bytes, start, end)).then((reply) => sendRecord(peer, codec, id, reply));
    });
  });
}

/** An empty message ends the stream. Nothing holds the sender back, which only streams this short can afford. */
function sendStream(peer: BatchedSocket, id: number, count: number): void {
  const record = smallRecord(1);
  for (let i = 0; i < count; i++) sendRecord(peer, small, id, record);
  peer.begin(id, 0);
  peer.end();
}

function sendRecord(peer: BatchedSocket, codec: Codec, id: number, record: EchoRecord): void {
  peer.begin(id, maxRecordBytes);
  peer.position = codec.write(peer.bytes, peer.position, record);
  peer.end();
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const codec = codecOf(shape);
  /** Indexed by slot, which is used again when its call has ended. */
  const waiting: ((reply: EchoRecord) => void)[] = [];
  const freeSlots: number[] = [];
  let streamed: ((message: EchoRecord | undefined) => void) | undefined;
  const peer = new BatchedSocket(await dial(port), (id, bytes, start, end) => {
    if ((id & methods.stream) !== 0) {
      streamed?.(start === end ? undefined : small.read(bytes, start, end));
      return;
    }
    const slot = id >>> methodBits;
    freeSlots.push(slot);
    waiting[slot]?.(codec.read(bytes, start, end));
  });
  return {
    call: (record) => new Promise<EchoRecord>((resolve) => {
      const slot = freeSlots.pop() ?? waiting.length;
      waiting[slot] = resolve;
      sendRecord(peer, codec, slot << methodBits | methods[shape], record);
    }),
    receive(count) {
      const queue = createQueue<EchoRecord>();
      streamed = (message) => queue.push(message);
      peer.begin(methods.stream, 4);
      peer.position = peer.bytes.writeUInt32LE(count, peer.position);
      peer.end();
      return queue;
    },
    close: () => peer.close(),
  };
}

/** Hands what is pushed to one reader; `undefined` ends it. */
function createQueue<T>(): AsyncIterable<T> & { push(item: T | undefined): void } {
  let items: T[] = [];
  let taken = 0;
  let ended = false;
  let wake: ((result: IteratorResult<T>) => void) | undefined;
  return {
    push(item) {
      const reader = wake;
      if (item === undefined) ended = true;
      if (reader !== undefined) {
        wake = undefined;
        reader(item === undefined ? { value: undefined, done: true } : { value: item, done: false });
      } else if (item !== undefined) {
        items.push(item);
      }
    },
    [Symbol.asyncIterator]: () => ({
      next() {
        const item = items[taken];
        if (item !== undefined) {
          taken++;
          return Promise.resolve({ value: item, done: false });
        }
        items = [];
        taken = 0;
        return ended
          ? Promise.resolve({ value: undefined, done: true })
          : new Promise((resolve) => {
            wake = resolve;
          });
      },
    }),
  };
}
