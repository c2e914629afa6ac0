/**
 * One question to one name server, by datagram or by stream, and the answer to it.
 *
 * Forgers are many and need only one datagram: an answer counts only if it comes from the server's own address to a
 * port and with an id that were drawn for this question (RFC 5452), and repeats the question.
 */
import { expected, RpcError } from "../../core/error.ts";
import type { ByteStream, DatagramSocket, Random, Runtime } from "../../core/runtime.ts";
import { decodeMessage, type DnsMessage, encodeQuestion, isAnswerTo, type Question } from "./message.ts";

export interface Exchange {
  /** As datagrams of that server say that they come from it; see `serverAddress`. */
  readonly server: string;
  readonly question: Question;
  /** Whether the server may be told that large answers are welcome (EDNS0). */
  readonly extended: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Ports drawn lie above those that servers usually have. */
const firstPort = 16_384;
const ports = 65_536 - firstPort;
/** Ports tried before the system chooses. */
const maxPortTries = 8;
/** Messages on one stream that answer something else. */
const maxStrangers = 8;

/** Asks by datagram. Rejects with `deadline_exceeded` when nothing came that counts. */
export async function askByDatagram(runtime: Runtime, exchange: Exchange): Promise<DnsMessage> {
  const { server, question, extended } = exchange;
  const id = drawn(runtime.random, 65_536);
  const waiting = new Waiting(runtime, exchange);
  let socket: DatagramSocket | undefined;
  try {
    socket = await open(runtime, server, (bytes, from) => {
      if (from === server) waiting.heard(bytes, question, id);
      else waiting.ignored++;
    });
    if (!waiting.isOver && !socket.send(encodeQuestion(id, question, extended), server)) {
      waiting.fail(expected("unavailable", "its address cannot be sent to", { phase: "resolve" }));
    }
    return await waiting.answer;
  } finally {
    waiting.end();
    await socket?.close();
  }
}

async function open(
  { network, random }: Runtime, server: string, receive: (bytes: Uint8Array, from: string) => void,
): Promise<DatagramSocket> {
  const host = server.startsWith("[") ? "[::]" : "0.0.0.0";
  for (let tries = 0; ; tries++) {
    const port = tries < maxPortTries ? firstPort + drawn(random, ports) : 0;
    try {
      return await network.datagrams(`${host}:${port}`, receive);
    } catch (error) {
      if (port === 0) throw error;
    }
  }
}

/** A number that nobody can foresee: identifiers come from the system's generator, other chance need not. */
function drawn(random: Random, below: number): number {
  return Number.parseInt(random.id().slice(0, 8), 16) % below;
}

/** Asks by stream (RFC 7766), where an answer may have 65,535 bytes. */
export async function askByStream(runtime: Runtime, exchange: Exchange): Promise<DnsMessage> {
  const { server, question, extended } = exchange;
  const id = drawn(runtime.random, 65_536);
  const waiting = new Waiting(runtime, exchange);
  const frames = new Frames((bytes) => {
    waiting.heard(bytes, question, id);
    if (waiting.ignored > maxStrangers) waiting.fail(expected("unavailable", "it answers other questions"));
  });
  const stream: ByteStream = runtime.network.connect(server, {
    received: (bytes) => frames.add(bytes),
    closed(error) {
      waiting.fail(expected("unavailable", "it closed the stream before it answered", { cause: error }));
    },
  });
  try {
    const query = encodeQuestion(id, question, extended);
    const framed = new Uint8Array(2 + query.length);
    new DataView(framed.buffer).setUint16(0, query.length);
    framed.set(query, 2);
    stream.write(framed);
    return await waiting.answer;
  } finally {
    waiting.end();
    stream.destroy();
  }
}

/** The wait for one answer: until it comes, the time is up, or nobody wants it any more. */
class Waiting {
  readonly answer: Promise<DnsMessage>;
  readonly #settle: { resolve: (message: DnsMessage) => void; reject: (error: RpcError) => void };
  readonly #end: () => void;
  ignored = 0;
  isOver = false;

  constructor({ clock }: Runtime, { timeoutMs, signal }: Exchange) {
    const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
    this.answer = promise;
    // What ends it may come before anybody waits.
    promise.catch(() => undefined);
    this.#settle = { resolve, reject };
    const timer = clock.after(timeoutMs, () => this.fail(this.#late(timeoutMs)));
    const cancelled = (): void => this.fail(expected("cancelled", "nobody asks any more", { phase: "resolve" }));
    if (signal.aborted) cancelled();
    signal.addEventListener("abort", cancelled, { once: true });
    this.#end = () => {
      timer.cancel();
      signal.removeEventListener("abort", cancelled);
    };
  }

  #late(timeoutMs: number): RpcError {
    const ignored = this.ignored === 0 ? "" : ` that counts; ${this.ignored} did not: they came from elsewhere, were ` +
      "malformed, or answered something else";
    return expected("deadline_exceeded", `no answer within ${timeoutMs} ms${ignored}`, { phase: "resolve" });
  }

  heard(bytes: Uint8Array, question: Question, id: number): void {
    // Without looking further at what a forger has to guess.
    if (((bytes[0] ?? 0) << 8 | (bytes[1] ?? 0)) !== id) {
      this.ignored++;
      return;
    }
    try {
      const message = decodeMessage(bytes);
      if (isAnswerTo(message, question, id)) this.#settle.resolve(message);
      else this.ignored++;
    } catch (error) {
      if (!RpcError.is(error)) throw error;
      this.ignored++;
    }
  }

  fail(error: RpcError): void {
    this.isOver = true;
    this.#settle.reject(error);
  }

  end(): void {
    this.isOver = true;
    this.#end();
  }
}

/** Messages of a stream, each after its length in two bytes. */
class Frames {
  readonly #take: (message: Uint8Array) => void;
  #bytes = new Uint8Array(0);

  constructor(take: (message: Uint8Array) => void) {
    this.#take = take;
  }

  add(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    let at = 0;
    while (all.length - at >= 2) {
      const end = at + 2 + ((all[at] as number) << 8 | (all[at + 1] as number));
      if (end > all.length) break;
      this.#take(all.subarray(at + 2, end));
      at = end;
    }
    this.#bytes = all.subarray(at);
  }
}
