/** Bad input by Avro: handshakes that lie, messages that are none, lengths and counts that nothing backs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { protocolOf } from "../../src/contract/avro/export.ts";
import type { ByteStream, Runtime } from "../../src/core/index.ts";
import { MessageReader, type Transport } from "../../src/protocol/avro/frames.ts";
import { inSimulator, onSockets, type Harness, Target } from "./harness.ts";

const own = protocolOf(Target);
const failed = "server.connection.failed";

type Part = number | string | Uint8Array;

/** Joins parts: a number is a long, a string its UTF-8 behind its length, bytes themselves. */
function join(...parts: readonly Part[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => {
    if (typeof part === "number") return long(part);
    if (typeof part === "string") return Buffer.concat([long(Buffer.byteLength(part)), Buffer.from(part)]);
    return part;
  })));
}

function long(value: number): Buffer {
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

const int32 = (value: number) => Uint8Array.of(value >> 24, value >> 16, value >> 8, value);

function framed(transport: Transport, message: Uint8Array, serial = 1): Uint8Array {
  return Buffer.concat(transport === "serial" ? [int32(serial), int32(1), int32(message.length), message]
    : [int32(message.length), message, int32(0)]);
}

function md5(text: string): Uint8Array {
  return new Uint8Array(createHash("md5").update(text).digest());
}

function handshake(text: string | undefined, hash = md5(text ?? "unknown"), serverHash = own.hash): Uint8Array {
  return join(hash, ...(text === undefined ? [0] : [1, text]), serverHash, 0);
}

const document = (messages: object, more: object = {}) =>
  JSON.stringify({ protocol: "Target", namespace: "bad.v1", ...more, messages });

/** A peer that keeps no rule but those a test wants kept. */
class AvroPeer {
  readonly answers: Uint8Array[] = [];
  isClosed = false;
  #stream!: ByteStream;
  #reader: MessageReader;

  private constructor(transport: Transport) {
    this.#reader = new MessageReader(transport, 10_000_000, (_, bytes, start, end) => {
      this.answers.push(bytes.slice(start, end));
      return true;
    });
  }

  static async connect(runtime: Runtime, address: string, transport: Transport): Promise<AvroPeer> {
    const peer = new AvroPeer(transport);
    await new Promise<void>((resolve) => {
      peer.#stream = runtime.network.connect(address, {
        opened: resolve, received: (bytes) => peer.#reader.push(bytes),
        closed() {
          peer.isClosed = true;
          resolve();
        },
      });
    });
    return peer;
  }

  send(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  end(): void {
    this.#stream.destroy();
  }

  async until(harness: Harness, condition: () => boolean): Promise<void> {
    for (let tries = 0; !condition(); tries++) {
      assert.ok(tries < 2_000, "it did not come to pass");
      await harness.sleep(10);
    }
  }
}

const deep = (levels: number): unknown => (levels === 0 ? "int" : { type: "array", items: deep(levels - 1) });

/** What begins a connection and ends it: no message can follow what is none. */
const ending: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["a hash that is not the text's", handshake(document({}), md5("other")), /not the MD5/],
  ["a protocol that is no JSON", handshake("no protocol at all, but long enough"), /not JSON/],
  ["a protocol without a name", handshake("{}"), /no protocol/],
  ["a message of an unknown type", handshake(document({ echo: { request: [], response: "Nobody" } })),
    /no type "bad.v1.Nobody"/],
  ["schemas nested over 100", handshake(document({ echo: { request: [], response: deep(120) } })),
    /nested deeper than 100/],
  ["a document nested over what is parsed", handshake("[".repeat(5_000)), /nested deeper/],
  ["a union in a union", handshake(document({ echo: { request: [], response: [["int"]] } })), /directly in a union/],
  ["two types of one name", handshake(document({}, {
    types: [1, 2].map(() => ({ type: "enum", name: "A", symbols: ["X"] })),
  })), /two types/],
  ["a branch that is none", join(md5("x"), 1, "x".repeat(40), own.hash, 4), /branch 4 of 2/],
  ["a protocol whose length is negative", join(md5("x"), 1, -5, own.hash, own.hash), /negative/],
  ["a protocol longer than what came", join(md5("x"), 1, 5_000, own.hash, own.hash), /runs past the end/],
  ["metadata of more entries than are allowed", join(handshake(undefined, own.hash), 1_000_000_000, "a", "b"),
    /more than 144 entries/],
  ["metadata that ends early", join(handshake(undefined, own.hash), 2, "a", "b"), /missing at the end/],
  ["a metadata value of a negative length", join(handshake(undefined, own.hash), 1, "a", -4), /negative/],
  ["a name that is not UTF-8", join(handshake(undefined, own.hash), 0, 2, Uint8Array.of(0xff, 0xfe)), /UTF-8/],
  ["a name that runs past the end", join(handshake(undefined, own.hash), 0, 200), /runs past the end/],
];

for (const transport of ["serial", "framed"] as const) {
  for (const [name, bytes, says] of ending) {
    test(`${transport}: ${name} ends the connection, saying so`, () => onSockets({}, async (harness) => {
      const peer = await AvroPeer.connect(harness.runtime, harness.address, transport);
      peer.send(framed(transport, bytes));
      await harness.event(failed, says);
      await peer.until(harness, () => peer.isClosed);
    }));
  }

  test(`${transport}: a message over the limit ends the connection before it has come`, () =>
    onSockets({}, async (harness) => {
      const peer = await AvroPeer.connect(harness.runtime, harness.address, transport);
      peer.send(framed(transport, join(handshake(undefined, own.hash), 0, "")));
      await peer.until(harness, () => peer.answers.length === 1);
      peer.send(transport === "serial" ? Buffer.concat([int32(2), int32(1), int32(5_000_000)]) : int32(5_000_000));
      await harness.event(failed, /more than 4194304 bytes/);
    }));

  test(`${transport}: a message that is left unfinished is not waited for`, () => inSimulator({}, async (harness) => {
    const peer = await AvroPeer.connect(harness.runtime, harness.address, transport);
    const whole = framed(transport, join(handshake(undefined, own.hash), 0, "echo"));
    peer.send(whole.subarray(0, whole.length - 5));
    await harness.event(failed, /unfinished for 20000 ms/);
    await peer.until(harness, () => peer.isClosed);
  }));
}

test("negative lengths and counts of buffers end the connection", () => onSockets({}, async (harness) => {
  for (const [bytes, says] of [
    [Buffer.concat([int32(2), int32(-1)]), /message of -1 buffers/],
      [Buffer.concat([int32(2), int32(1 << 30)]), /buffers/],
    [Buffer.concat([int32(2), int32(1), int32(-7)]), /negative/],
  ] as const) {
    const peer = await AvroPeer.connect(harness.runtime, harness.address, "serial");
    peer.send(framed("serial", join(handshake(undefined, own.hash), 0, "")));
    await peer.until(harness, () => peer.answers.length === 1);
    peer.send(bytes);
    await harness.event(failed, says);
    await peer.until(harness, () => peer.isClosed);
  }
}));

/** What ends a call alone, told to its caller. */
const refused: readonly (readonly [string, string, Uint8Array, RegExp])[] = [
  ["a method that there is not", "nobody", join(0), /^unimplemented: the client's own protocol/],
  ["a stream", "count", join(1), /^unimplemented: /],
  ["a request that is cut off", "echo", join(1), /^invalid_argument: malformed message: .*cut off/],
  ["bytes behind a request", "echo", join(1, "x", 0), /^invalid_argument: .*1 bytes follow/],
  ["a text of a negative length", "echo", join(1, -3), /^invalid_argument: .*negative/],
  ["a count that nothing backs", "tree", join("x", 2_000_000_000, 0), /^invalid_argument: .*not backed by bytes/],
  ["a tree too deep", "tree", join(...Array.from({ length: 150 }, () => ["", 1] as const).flat()),
    /^invalid_argument: .*nested deeper than 100/],
  ["a branch that is none", "free", join(7), /^invalid_argument: .*branch 7 of 2/],
  ["JSON that is none", "free", join(1, "{"), /^invalid_argument: .*not JSON/],
  ["a handler's own failure", "boom", join(0), /^internal: the handler failed unexpectedly$/],
];

for (const transport of ["serial", "framed"] as const) {
  test(`${transport}: bad requests fail alone, and the connection goes on`, () => onSockets({}, async (harness) => {
    const peer = await AvroPeer.connect(harness.runtime, harness.address, transport);
    peer.send(framed(transport, join(handshake(own.text, own.hash), 0, "")));
    await peer.until(harness, () => peer.answers.length === 1);
    for (const [name, method, request, says] of refused) {
      const before = peer.answers.length;
      peer.send(framed(transport, join(0, method, request), 7));
      await peer.until(harness, () => peer.answers.length > before);
      const text = new TextDecoder().decode(peer.answers.at(-1));
      const said = text.slice(Math.max(...["unimplemented: ", "invalid_argument: ", "internal: "].map((one) =>
        text.lastIndexOf(one))));
      assert.match(said, says, name);
      assert.doesNotMatch(text, /hunter2/);
    }
    peer.send(framed(transport, join(0, "echo", 3, "fine"), 8));
    await peer.until(harness, () => peer.answers.length === refused.length + 2);
    assert.deepEqual([...peer.answers.at(-1) ?? []], [...join(0, 0, 3, "fine")]);
    peer.end();
  }));
}

test("a client whose schemas cannot be read here is told so by message; what can be is called", () =>
  onSockets({}, async (harness) => {
    const text = document({
      echo: { request: [{ name: "n", type: "string" }, { name: "text", type: "string" }], response: "null" },
      who: { request: [{ name: "more", type: { type: "array", items: "null" } }], response: "null" },
      never: { request: [], response: "null", "one-way": true },
    });
    const peer = await AvroPeer.connect(harness.runtime, harness.address, "serial");
    // Empty items are nowhere in the bytes: nothing but a limit bounds their number.
    peer.send(framed("serial", join(handshake(text), 0, "who", 2_000_000, 0), 1));
    peer.send(framed("serial", join(0, "echo", "1", "x"), 2));
    peer.send(framed("serial", join(0, "who", 3, 0), 3));
    peer.send(framed("serial", join(0, "never"), 4));
    await peer.until(harness, () => peer.answers.length === 3);
    const [first, second, third] = peer.answers.map((answer) => new TextDecoder().decode(answer));
    assert.match(first ?? "", /malformed message|passed over/);
    assert.match(second ?? "", /n: string was written, where int is expected/);
    assert.equal(third?.length, 3);
    peer.end();
  }));

test("clients' protocols do not pile up", () => onSockets({}, async (harness) => {
  const peer = async (text: string | undefined, hash?: Uint8Array): Promise<Uint8Array> => {
    const one = await AvroPeer.connect(harness.runtime, harness.address, "serial");
    one.send(framed("serial", join(handshake(text, hash), 0, "")));
    await one.until(harness, () => one.answers.length === 1);
    one.end();
    return one.answers[0] as Uint8Array;
  };
  const first = document({}, { doc: "the first" });
  await peer(first);
  // Known by its hash from now on, as long as it is kept.
  assert.equal((await peer(undefined, md5(first)))[0], 0);
  for (let i = 0; i < 260; i++) await peer(document({}, { doc: `number ${i}` }));
  assert.equal((await peer(undefined, md5(first)))[0], 4);
}));

test("over HTTP: what is no message is answered with why", () => onSockets({}, async (harness) => {
  const post = async (body: Uint8Array) => {
    const answer = await fetch(`http://${harness.address}/`, {
      method: "POST", headers: { "content-type": "avro/binary" }, body: body as Uint8Array<ArrayBuffer>,
    });
    return [answer.status, await answer.text()] as const;
  };
  const good = join(handshake(undefined, own.hash), 0, "echo", 3, "fine");
  assert.equal((await post(framed("framed", good)))[0], 200);
  for (const [body, status, says] of [
    [new Uint8Array(0), 400, /ends within a message/], [good, 400, /Avro/],
    [framed("framed", good).subarray(0, 40), 400, /ends within a message/],
    [Buffer.concat([framed("framed", good), framed("framed", good)]), 400, /more than one message/],
    [int32(-2), 400, /negative/], [framed("framed", join(1, 2, 3)), 400, /runs past the end/],
    [new Uint8Array(5_000_000), 413, /4194304/],
  ] as const) {
    const [code, text] = await post(body);
    assert.equal(code, status, text);
    assert.match(text, says);
  }
}));
