/**
 * The other side of the soak over HTTP/2, in a process of its own: a server by node:http2 that ends its connections, or
 * raw clients that end theirs, each in any way there is and at any moment.
 */
import { createServer, constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";

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

const socketOf = new WeakMap<ServerHttp2Session, Socket>();
const streamsOf = new WeakMap<ServerHttp2Session, Set<ServerHttp2Stream>>();
const errorCodes = [0, 1, 2, 7, 8, 11];

const serverEndings: Readonly<Record<string, (session: ServerHttp2Session) => void>> = {
  "GOAWAY, then the streams end": (session) => session.close(),
  "GOAWAY with an error, then gone": (session) => {
    session.goaway(errorCodes[chance(errorCodes.length)]);
    after(2, () => session.destroy());
  },
  "GOAWAY, and all streams reset": (session) => {
    session.goaway(0);
    for (const stream of streamsOf.get(session) ?? []) stream.close(errorCodes[chance(errorCodes.length)]);
    after(2, () => session.destroy());
  },
  "gone without a word": (session) => session.destroy(),
  "reset by TCP": (session) => void socketOf.get(session)?.resetAndDestroy(),
  "half-closed": (session) => void socketOf.get(session)?.end(),
};

function serve(): void {
  const server = createServer();
  let last: Socket | undefined;
  server.on("connection", (socket: Socket) => {
    last = socket;
  });
  server.on("session", (session) => {
    if (last !== undefined) socketOf.set(session, last);
    streamsOf.set(session, new Set());
    session.on("error", () => undefined);
    after(10, () => {
      if (!session.destroyed) endBy(serverEndings, session);
      // Whatever was left half-open is not held against the other side for ever.
      setTimeout(() => session.destroy(), 500).unref();
    });
  });
  server.on("sessionError", () => undefined).on("stream", answer);
  server.listen(0, "127.0.0.1", () => {
    process.send?.({ port: (server.address() as AddressInfo).port, ends, done: false } satisfies ForeignReport);
  });
}

function answer(stream: ServerHttp2Stream): void {
  const { session } = stream;
  const streams = session === undefined ? undefined : streamsOf.get(session as ServerHttp2Session);
  streams?.add(stream);
  stream.on("error", () => undefined).once("close", () => streams?.delete(stream));
  after(3, () => {
    if (stream.destroyed || session?.destroyed !== false) return;
    if (chance(20) === 0) {
      stream.close(errorCodes[chance(errorCodes.length)]);
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      if (!stream.destroyed) stream.sendTrailers({ "grpc-status": "0" });
    });
    stream.pipe(stream);
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

const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0)]);
const settled = frame(4, 1, 0);
const request = fields({
  ":method": "POST", ":scheme": "http", ":path": "/soak.v1.Soak/Slow", ":authority": "localhost",
  "content-type": "application/grpc", "te": "trailers",
});
/** `{ n: 5, text: "five" }` in an envelope. */
const message = Buffer.from([0, 0, 0, 0, 8, 8, 5, 18, 4, 0x66, 0x69, 0x76, 0x65]);
const endStream = 1;

function goaway(code: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(code, 4);
  return frame(7, 0, 0, payload);
}

function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(3, 0, stream, payload);
}

const clientEndings: Readonly<Record<string, (socket: Socket) => void>> = {
  "GOAWAY, then closed": (socket) => void socket.end(goaway(0)),
  "GOAWAY with an error, then gone": (socket) => {
    socket.write(goaway(constants.NGHTTP2_PROTOCOL_ERROR));
    after(2, () => socket.destroy());
  },
  "streams reset, then closed": (socket) => {
    for (const stream of [1, 3, 5]) socket.write(reset(stream, 8));
    after(2, () => socket.end());
  },
  "half-closed": (socket) => void socket.end(),
  "gone without a word": (socket) => socket.destroy(),
  "reset by TCP": (socket) => void socket.resetAndDestroy(),
  "in the middle of a frame": (socket) => void socket.end(frame(0, 0, 1, message).subarray(0, 11)),
};

/** One connection with up to three calls, some of them whole, and its end. */
function cycle(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
    socket.resume().once("close", () => resolve()).once("end", () => after(5, () => socket.destroy()));
    const parts = [preface, settled];
    for (let n = 0; n < chance(4); n++) {
      const id = 2 * n + 1;
      parts.push(frame(1, 4, id, request));
      if (chance(4) > 0) parts.push(frame(0, chance(8) > 0 ? endStream : 0, id, message));
    }
    // In pieces that need not be whole frames.
    const bytes = Buffer.concat(parts);
    const cut = chance(bytes.length);
    socket.write(bytes.subarray(0, cut));
    after(2, () => socket.write(bytes.subarray(cut)));
    after(8, () => endBy(clientEndings, socket));
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
// What node:http2 makes of sessions that end under it is not what is tested here.
process.on("uncaughtException", () => undefined);
