/**
 * The other side of the soak over HTTP/2, in a process of its own: a server that ends its connections, or clients that
 * end theirs, each in any way there is and at any moment. Both speak in bytes: node:http2 spins for ever when its
 * sockets are ended under it.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What the side under test asks for: to serve, or to make so many connections to a port. */
export type ForeignOrder =
  | { readonly do: "serve" }
  | { readonly do: "call"; readonly port: number; readonly cycles: number };

export interface ForeignReport {
  /** Where it serves. */
  readonly port?: number;
  /** Connections that have ended so far, by how. */
  readonly ends: Readonly<Record<string, number>>;
  /** Whether all connections ordered have been made. */
  readonly done: boolean;
}

const ends: Record<string, number> = {};
const chance = (below: number): number => Math.floor(Math.random() * below);
const after = (mostMs: number, act: () => void): void => void setTimeout(act, chance(mostMs + 1));

function endBy<Subject>(ways: Readonly<Record<string, (subject: Subject) => void>>, subject: Subject): void {
  const names = Object.keys(ways);
  const name = names[chance(names.length)] as string;
  ends[name] = (ends[name] ?? 0) + 1;
  ways[name]?.(subject);
}

const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 };
const endHeaders = 4;
const endStream = 1;
const clientMagic = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A connection as its server sees it. */
interface Served {
  readonly socket: Socket;
  /** Streams that have not been answered. */
  readonly streams: Set<number>;
  /** Frames that it takes before it ends. */
  framesLeft: number;
  isEnding: boolean;
}

/** A life is counted in frames, not in time: in a time that is fixed a slow machine gets no call through. */
const mostFrames = 30;

const serverEndings: Readonly<Record<string, (served: Served) => void>> = {
  "GOAWAY, then the streams end": ({ socket }) => {
    socket.write(goaway(0, lastStream));
    after(20, () => socket.end());
  },
  "GOAWAY with an error, then gone": ({ socket }) => {
    socket.write(goaway(errorCode(), chance(2) === 0 ? 0 : lastStream));
    after(2, () => socket.destroy());
  },
  "GOAWAY, and all streams reset": ({ socket, streams }) => {
    socket.write(goaway(0, 0));
    for (const stream of streams) socket.write(reset(stream, errorCode()));
    after(2, () => socket.end());
  },
  "half-closed": ({ socket }) => void socket.end(),
  "gone without a word": ({ socket }) => socket.destroy(),
  "reset by TCP": ({ socket }) => void socket.resetAndDestroy(),
};

const lastStream = 0x7fff_ffff;
const errorCodes = [0, 1, 2, 7, 8, 11];
const errorCode = (): number => errorCodes[chance(errorCodes.length)] as number;

function serve(): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const served: Served = { socket, streams: new Set(), framesLeft: 1 + chance(mostFrames), isEnding: false };
    socket.on("error", () => undefined).once("end", () => after(2, () => socket.destroy()));
    socket.write(frame(frameType.settings, 0, 0));
    readFrames(socket, (type, flags, stream, payload) => {
      answer(served, type, flags, stream, payload);
      // At once, while its calls are under way, or a little later, when there may be none.
      if (--served.framesLeft === 0) after(chance(2) * 20, () => endServed(served));
    });
    // Some end before they have begun.
    if (chance(mostFrames) === 0) endServed(served);
  });
  server.listen(0, "127.0.0.1", () => {
    process.send?.({ port: (server.address() as AddressInfo).port, ends, done: false } satisfies ForeignReport);
  });
}

function endServed(served: Served): void {
  const { socket } = served;
  if (socket.destroyed || served.isEnding) return;
  served.isEnding = true;
  endBy(serverEndings, served);
  // What was left half-open is not held against the other side for ever.
  setTimeout(() => socket.destroy(), 500).unref();
}

/** Sends messages back as they come, and a status once the request is over. */
function answer({ socket, streams }: Served, type: number, flags: number, stream: number, payload: Buffer): void {
  const say = (bytes: Buffer): void => {
    if (streams.has(stream) && socket.writable) socket.write(bytes);
  };
  if (type === frameType.settings && flags === 0) socket.write(frame(frameType.settings, 1, 0));
  if (type === frameType.ping && flags === 0) socket.write(frame(frameType.ping, 1, 0, payload));
  if (type === frameType.reset) streams.delete(stream);
  if (type === frameType.headers) {
    streams.add(stream);
    say(frame(frameType.headers, endHeaders, stream, responseHead));
  }
  if (type === frameType.data) say(frame(frameType.data, 0, stream, payload));
  if ((type !== frameType.data && type !== frameType.headers) || (flags & endStream) === 0) return;
  after(3, () => {
    if (chance(20) === 0) say(reset(stream, errorCode()));
    else say(frame(frameType.headers, endHeaders | endStream, stream, trailers));
    streams.delete(stream);
  });
}

type TakeFrame = (type: number, flags: number, stream: number, payload: Buffer) => void;

function readFrames(socket: Socket, take: TakeFrame): void {
  let bytes = Buffer.alloc(0);
  let greeted = false;
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!greeted) {
      if (bytes.length < clientMagic.length) return;
      bytes = bytes.subarray(clientMagic.length);
      greeted = true;
    }
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) return;
      const payload = bytes.subarray(9, end);
      take(bytes[3] as number, bytes[4] as number, bytes.readUInt32BE(5) & 0x7fff_ffff, payload);
      bytes = bytes.subarray(end);
    }
  });
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Fields as literals that no table keeps (RFC 7541, 6.2.2). */
function fields(entries: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  return Buffer.concat(Object.entries(entries).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

const responseHead = fields({ ":status": "200", "content-type": "application/grpc+proto" });
const trailers = fields({ "grpc-status": "0" });
const preface = Buffer.concat([clientMagic, frame(frameType.settings, 0, 0)]);
const settled = frame(frameType.settings, 1, 0);
const request = fields({
  ":method": "POST", ":scheme": "http", ":path": "/soak.v1.Soak/Slow", ":authority": "localhost",
  "content-type": "application/grpc", "te": "trailers",
});
/** `{ n: 5, text: "five" }` in an envelope. */
const message = Buffer.from([0, 0, 0, 0, 8, 8, 5, 18, 4, 0x66, 0x69, 0x76, 0x65]);

function goaway(code: number, last: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(last);
  payload.writeUInt32BE(code, 4);
  return frame(frameType.goaway, 0, 0, payload);
}

function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(frameType.reset, 0, stream, payload);
}

const clientEndings: Readonly<Record<string, (socket: Socket) => void>> = {
  "GOAWAY, then closed": (socket) => void socket.end(goaway(0, 0)),
  "GOAWAY with an error, then gone": (socket) => {
    socket.write(goaway(1, 0));
    after(2, () => socket.destroy());
  },
  "streams reset, then closed": (socket) => {
    for (const stream of [1, 3, 5]) socket.write(reset(stream, 8));
    after(2, () => socket.end());
  },
  "half-closed": (socket) => void socket.end(),
  "gone without a word": (socket) => socket.destroy(),
  "reset by TCP": (socket) => void socket.resetAndDestroy(),
  "in the middle of a frame": (socket) => void socket.end(frame(frameType.data, 0, 1, message).subarray(0, 11)),
};

/** One connection with up to three calls, some of them whole, and its end. */
function cycle(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
    socket.resume().once("close", () => resolve()).once("end", () => after(5, () => socket.destroy()));
    const parts = [preface, settled];
    for (let n = 0; n < chance(4); n++) {
      const id = 2 * n + 1;
      parts.push(frame(frameType.headers, endHeaders, id, request));
      if (chance(4) > 0) parts.push(frame(frameType.data, chance(8) > 0 ? endStream : 0, id, message));
    }
    // In pieces that need not be whole frames.
    const bytes = Buffer.concat(parts);
    const cut = chance(bytes.length);
    socket.write(bytes.subarray(0, cut));
    after(2, () => socket.write(bytes.subarray(cut)));
    after(30, () => endBy(clientEndings, socket));
    setTimeout(() => socket.destroy(), 1_000).unref();
  });
}

async function call(port: number, cycles: number): Promise<void> {
  let left = cycles;
  await Promise.all(Array.from({ length: 96 }, async () => {
    while (left-- > 0) await cycle(port);
  }));
  process.send?.({ ends, done: true } satisfies ForeignReport);
}

setInterval(() => process.send?.({ ends, done: false } satisfies ForeignReport), 100).unref();
process.on("message", (order: ForeignOrder) => {
  if (order.do === "serve") serve();
  else void call(order.port, order.cycles);
});
process.once("disconnect", () => process.exit());
