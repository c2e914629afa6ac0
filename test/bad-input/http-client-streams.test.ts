/** Lying servers and streams: what broke off never passes for an end, and what is more than one reply for a reply. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Code, RpcError } from "../../src/core/index.ts";
import type { Exchange } from "../../src/http/index.ts";
import { connect } from "../../src/protocol/connect/index.ts";
import { grpc } from "../../src/protocol/grpc/index.ts";
import { grpcWeb } from "../../src/protocol/grpc-web/index.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { envelope } from "../conformance/raw-exchange.ts";
import { text } from "./http-harness.ts";
import { answering, clientOf, errorOf, type Lie, lying, tell } from "./lying-server.ts";
import { join, run } from "./raw-peer.ts";

/** `{ text: "hi" }`, and `{ sum: 7 }`. */
const item = envelope(join([10], run("hi")));
const sum = envelope(Uint8Array.of(8, 7));

interface Truth {
  readonly protocol: Protocol;
  readonly fields: Readonly<Record<string, string>>;
  /** How a stream ends, as its last part. */
  readonly end: Uint8Array | undefined;
  lie(...parts: readonly Uint8Array[]): Lie;
}

const grpcFields = { "content-type": "application/grpc" };
const webFields = { "content-type": "application/grpc-web+proto" };
const connectFields = { "content-type": "application/connect+proto" };
const webEnd = envelope(text("grpc-status: 0\r\n"), 0x80);
const connectEnd = envelope(text("{}"), 2);

const truths: Readonly<Record<string, Truth>> = {
  "gRPC": {
    protocol: grpc(), fields: grpcFields, end: undefined,
    lie: (...body) => ({ fields: grpcFields, body, trailers: { "grpc-status": "0" } }),
  },
  "gRPC-Web": {
    protocol: grpcWeb(), fields: webFields, end: webEnd,
    lie: (...body) => ({ fields: webFields, body: [...body, webEnd] }),
  },
  "Connect": {
    protocol: connect(), fields: connectFields, end: connectEnd,
    lie: (...body) => ({ fields: connectFields, body: [...body, connectEnd] }),
  },
};

type Told = readonly [
  name: string, lie: Lie | ((exchange: Exchange) => void), messages: number, code: Code, says: RegExp,
];

function lies({ fields, lie, end }: Truth): Told[] {
  const without = /without a status|without trailers|without saying how/;
  return [
    ["no end", { fields, body: [item, item] }, 2, "internal", without],
    ["a head alone", { fields }, 0, "internal", without],
    ["a head and an empty body", { fields, body: [new Uint8Array(0)] }, 0, "internal", without],
    ["a message cut, and success", lie(item, item.subarray(0, 4)), 1, "internal", /./],
    ["a page behind a message", lie(item, text("<html>oops</html>")), 1, "internal", /envelope/],
    ["compressed garbage", { ...lie(item, envelope(text("garbage"), 1)), fields: {
      ...fields, [fields === connectFields ? "connect-content-encoding" : "grpc-encoding"]: "gzip",
    } }, 1, "internal", /cannot be decompressed/],
    ["a compressed message without an encoding", lie(item, envelope(gzipSync(text("x")), 1)), 1, "internal",
      /names no compression/],
    ["a message too large, announced", { fields, body: [item, envelope(item, 0, 0xffff_ffff)], isOpen: true }, 1,
      "resource_exhausted", /exceeds maxMessageBytes/],
    ["a reset between messages", (exchange) => {
      tell(exchange, { fields, body: [item], isOpen: true });
      setTimeout(() => exchange.reset("internal"), 20);
    }, 1, "internal", /INTERNAL_ERROR/],
    ...(end === undefined ? [] : [
      ["a message behind the end", lie(item, end, item), 1, "internal", /after the end/],
      ["two ends", lie(item, end), 1, "internal", /after the end/],
      ["an end that is none", { fields, body: [item, envelope(text("nope"), fields === webFields ? 0x80 : 2)] }, 1,
        "internal", /line without a name|not a JSON object/],
    ] satisfies Told[]),
  ];
}

for (const [name, truth] of Object.entries(truths)) {
  test(`streams of ${name}`, async (t) => {
    let lie: Lie | ((exchange: Exchange) => void) = truth.lie(item);
    const liar = await lying(2, answering((exchange) => {
      if (typeof lie === "function") lie(exchange);
      else tell(exchange, lie);
    }));
    const client = clientOf(liar.address, truth.protocol);
    /** How many messages came before the end, and how it ended. */
    const read = async (): Promise<readonly [number, unknown]> => {
      let count = 0;
      try {
        for await (const one of client.count({ to: 1 })) {
          assert.deepEqual(one, { text: "hi" });
          count++;
        }
      } catch (error) {
        return [count, error];
      }
      return [count, undefined];
    };
    for (const [what, one, messages, code, says] of lies(truth)) {
      // Twice: what one call made of a head is kept for the next.
      for (const turn of ["", ", again"]) {
        await t.test(what + turn, async () => {
          lie = one;
          const [count, error] = await read();
          assert.ok(RpcError.is(error), `the stream ended as if nothing were missing: ${String(error)}`);
          assert.equal(error.code, code, error.message);
          assert.match(error.message, says);
          assert.equal(count, messages);
          lie = truth.lie(item);
          assert.deepEqual(await read(), [1, undefined]);
        });
      }
    }
    for (const [what, one, says] of [
      ["no reply", truth.lie(), /no message/], ["two replies", truth.lie(sum, sum), /more than one message/],
    ] as const) {
      await t.test(`a client stream with ${what}`, async () => {
        lie = one;
        const error = await errorOf(client.take([{ n: 7 }]));
        assert.equal(error.code, "unimplemented");
        assert.match(error.message, says);
        lie = truth.lie(sum);
        assert.deepEqual(await client.take([{ n: 7 }]), { sum: 7 });
      });
    }
    assert.equal(liar.accepted(), 1, "the connection was kept");
    client.$.close(0);
    await liar.close();
  });
}
