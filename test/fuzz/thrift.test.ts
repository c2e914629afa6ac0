/** Thrift under chance: splits, random bytes, and real messages cut and changed, for every decoder and both sides. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createThriftCodec } from "../../src/codec/index.ts";
import { createClientOn } from "../../src/client/index.ts";
import { Writer } from "../../src/contract/index.ts";
import { type ByteSink, type ByteStream, RpcError, type Runtime } from "../../src/core/index.ts";
import { thrift, type ThriftOptions } from "../../src/protocol/index.ts";
import { failureOf, readException } from "../../src/protocol/thrift/failure.ts";
import { readHeader, writeHeader } from "../../src/protocol/thrift/header.ts";
import {
  MessageHead, nameBytes, type ThriftEncoding, writeHead, writeTail,
} from "../../src/protocol/thrift/message.ts";
import { spokenBy } from "../../src/protocol/thrift/opening.ts";
import { MessageReader } from "../../src/protocol/thrift/reader.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawHandlers } from "../conformance/protocol-cases.ts";
import { Greeter } from "../peers/thrift/contract.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);
const encodings: readonly ThriftEncoding[] = ["binary", "compact", "json"];
const share = fc.double({ min: 0, max: 1, noNaN: true });
const biased = fc.array(fc.oneof(fc.nat(16), fc.nat(255), fc.constantFrom(0x7f, 0x80, 0xff, 0x0c, 0x5b, 0x7b, 0x22)),
  { maxLength: 200 }).map((bytes) => Uint8Array.from(bytes));

/** `bytes` in pieces whose ends are given as shares of the whole. */
function cut(bytes: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const ends = [...shares.map((one) => Math.floor(one * bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end));
}

function foreseen(act: () => void): void {
  try {
    act();
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
  }
}

const everything = {
  yes: fc.boolean(), int: fc.integer(), large: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  real: fc.double(), text: fc.string({ unit: "grapheme" }), data: fc.uint8Array({ maxLength: 40 }),
  names: fc.array(fc.string()), counts: fc.dictionary(fc.string(), fc.integer()).map((one) => ({ ...one })),
  flags: fc.array(fc.tuple(fc.bigInt({ min: -5n, max: 2n ** 62n }), fc.array(fc.boolean()))).map((one) => new Map(one)),
  colour: fc.constantFrom("RED", "GREEN"),
  shape: fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })),
  grid: fc.array(fc.array(fc.integer())),
};
const plain = { noNullPrototype: true } as const;
const values = fc.record({ ...everything, inner: fc.record(everything, plain) }, plain);
const { input } = Greeter.methods.echo;

function messageOf(encoding: ThriftEncoding, value: unknown, name = "echo"): Uint8Array {
  const writer = new Writer(512);
  writeHead(writer, encoding, nameBytes(encoding, name), 1, 7);
  createThriftCodec(encoding).compile(input, "request").encode(value, writer);
  writeTail(writer, encoding);
  return writer.finish();
}

for (const encoding of encodings) {
  describe(`thrift ${encoding}`, () => {
    test("what was encoded decodes to the same, generated and interpreted alike", () => {
      const coders = [true, false].map((codegen) => createThriftCodec(encoding, { codegen }).compile(input, "request"));
      fc.assert(fc.property(values, (value) => {
        const [first, second] = coders.map((coder) => {
          const writer = new Writer(16);
          coder.encode({ value }, writer);
          return writer.finish();
        }) as [Uint8Array, Uint8Array];
        assert.deepEqual(first, second);
        for (const coder of coders) assert.deepEqual(coder.decode(first, 0, first.length), { value });
      }), { seed: 1, numRuns: runs });
    });

    test("whatever the bytes, a decoder gives a value or a refusal, generated and interpreted the same", () => {
      const coders = [true, false].map((codegen) => createThriftCodec(encoding, { codegen }).compile(input, "request"));
      const outcomes = (bytes: Uint8Array): unknown[] => coders.map((coder) => {
        try {
          return coder.decode(bytes, 0, bytes.length);
        } catch (error) {
          assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
          return error.message;
        }
      });
      const same = (bytes: Uint8Array): void => {
        const [generated, interpreted] = outcomes(bytes);
        assert.deepEqual(generated, interpreted);
      };
      fc.assert(fc.property(biased, same), { seed: 2, numRuns: runs * 10 });
      fc.assert(fc.property(values, fc.nat(), fc.nat(255), fc.nat(2), (value, at, byte, how) => {
        const writer = new Writer(16);
        (coders[0] as (typeof coders)[0] & object).encode({ value }, writer);
        const bytes = writer.finish();
        const place = at % bytes.length;
        if (how === 0) bytes[place] = byte;
        same(how === 1 ? bytes.slice(0, place) : how === 2 ? Uint8Array.of(...bytes, byte) : bytes);
      }), { seed: 3, numRuns: runs * 3 });
    });

    for (const transport of ["framed", "buffered"] as const) {
      test(`messages come out the same however ${transport} bytes were split, up to the same error`, () => {
        const seen = (reads: readonly Uint8Array[]): string => {
          const found: string[] = [];
          const reader = new MessageReader({
            message: (bytes, start, end) => found.push(Buffer.from(bytes.subarray(start, end)).toString("hex")) > 0,
          }, { transport, encoding }, 5_000);
          try {
            for (const read of reads) reader.push(read);
          } catch (error) {
            assert.ok(RpcError.is(error), String(error));
            return `${found.join()} ${error.code}`;
          }
          return `${found.join()} ${reader.midMessage}`;
        };
        const framed = (bytes: Uint8Array): Uint8Array => {
          if (transport === "buffered") return bytes;
          const whole = Buffer.alloc(4 + bytes.length);
          whole.writeInt32BE(bytes.length);
          whole.set(bytes, 4);
          return whole;
        };
        const shares = fc.array(share, { maxLength: 30 });
        fc.assert(fc.property(fc.array(values, { minLength: 1, maxLength: 3 }), shares, biased, (list, ends, tail) => {
          const messages = list.map((value) => messageOf(encoding, { value }));
          const clean = Uint8Array.from(messages.flatMap((one) => [...framed(one)]));
          if (messages.every((one) => one.length < 5_000)) {
            const hex = messages.map((one) => Buffer.from(one).toString("hex"));
            assert.equal(seen([clean]), `${hex.join()} false`);
          }
          for (const bytes of [clean, Uint8Array.of(...clean, ...tail)]) {
            assert.equal(seen(cut(bytes, ends)), seen([bytes]));
            assert.equal(seen([...bytes].map((byte) => Uint8Array.of(byte))), seen([bytes]));
          }
        }), { seed: 4, numRuns: Math.ceil(runs / 3) });
      });
    }

    test("heads, exceptions and headers: a value or an RpcError, whatever the bytes", () => {
      const head = new MessageHead();
      fc.assert(fc.property(biased, (bytes) => {
        foreseen(() => head.read(encoding, bytes, 0, bytes.length));
        foreseen(() => void readException(encoding, bytes, 0, bytes.length));
        foreseen(() => void readHeader(bytes, 0, bytes.length, undefined, 1_000));
        spokenBy(bytes);
      }), { seed: 5, numRuns: runs * 10 });
      fc.assert(fc.property(fc.string(), fc.nat(16), fc.option(fc.nat()), (message, code, retryAfterMs) => {
        const error = new RpcError("aborted", `${message}${code}`, retryAfterMs === null ? {} : { retryAfterMs });
        const { struct } = failureOf(encoding, error, undefined);
        const read = readException(encoding, struct, 0, struct.length);
        assert.deepEqual([read.code, read.message, read.retryAfterMs], [error.code, error.message, error.retryAfterMs]);
      }), { seed: 6, numRuns: runs });
    });
  });
}

test("THeader: what was written is read", () => {
  const entry = fc.tuple(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), fc.string({ unit: "grapheme", maxLength: 50 }));
  fc.assert(fc.property(fc.array(entry, { maxLength: 20 }), fc.integer(), biased, (entries, seqid, message) => {
    const fields = Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(entries));
    const writer = new Writer(16);
    writeHeader(writer, "compact", seqid, false, fields);
    writer.writeBytes(message);
    const bytes = writer.finish();
    const read = readHeader(bytes, 0, bytes.length, undefined, 1_000);
    assert.deepEqual([read.encoding, read.seqid, { ...read.fields }], ["compact", seqid, { ...fields }]);
    assert.deepEqual([...read.bytes.subarray(read.start, read.end)], [...message]);
  }), { seed: 7, numRuns: runs });
});

/** What one side sent, changed on its way. */
function changing(runtime: Runtime, change: (bytes: Uint8Array) => Uint8Array): Runtime {
  const tap = (stream: ByteStream): ByteStream => {
    const write = stream.write.bind(stream);
    stream.write = (bytes, written) => {
      const result = write(change(bytes.slice()));
      written?.();
      return result;
    };
    return stream;
  };
  return {
    ...runtime,
    network: {
      ...runtime.network,
      connect: (address, sink: ByteSink) => tap(runtime.network.connect(address, sink)),
      listen: (address, accept) => runtime.network.listen(address, (stream) => accept(tap(stream))),
    },
  };
}

for (const transport of ["framed", "buffered", "header"] as const) {
  for (const side of ["client", "server"] as const) {
    test(`${transport}: what the ${side} sends, changed anywhere, ends each call and neither process`, async () => {
      const any = [fc.constantFrom(...encodings), fc.nat(), fc.nat(255)] as const;
      await fc.assert(fc.asyncProperty(...any, async (encoding, at, byte) => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        let left = at % 300;
        const change = (bytes: Uint8Array): Uint8Array => {
          if (left >= 0 && left < bytes.length) bytes[left] = byte;
          left -= bytes.length;
          return bytes;
        };
        const host = (name: string): Runtime =>
          name === side ? changing(simulation.host(name), change) : simulation.host(name);
        const server = createServerOn(host("server")).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
        await simulation.runUntil((async () => {
          const address = await server.listen({ host: "server", port: 1 });
          const options: ThriftOptions = { transport, encoding };
          const client = createClientOn(host("client"), Law, { address, protocol: thrift(options), retry: false });
          const calls = [
            client.echo({ n: 1, text: "first" }, { timeoutMs: 2_000 }),
            client.fail({ how: "declared" }, { timeoutMs: 2_000 }),
            client.echo({ n: 2, text: "second" }, { timeoutMs: 2_000 }),
          ];
          for (const one of await Promise.allSettled<unknown>(calls)) {
            if (one.status === "rejected") assert.ok(RpcError.is(one.reason), String(one.reason));
          }
          client.$.close(0);
          await server.close(0);
          assert.equal(server.inFlight, 0);
        })(), 120_000);
      }), { seed: 8, numRuns: Math.ceil(runs / 3) });
    });
  }
}
