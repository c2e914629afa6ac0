// What the client makes of replies, as servers of others may write them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../../contract/index.ts";
import { createClient } from "../../index.ts";
import { FrameReader } from "../../http/websocket/frame-reader.ts";
import { frame, Opcode } from "../../http/websocket/frames.ts";
import { jsonRpc } from "./client.ts";

const Asking = service("test.v1.Asking", {
  ask: rpc({ input: z.object({ q: z.string() }), output: z.object({ a: z.string() }), idempotent: true }),
});

/** A server that answers each request, in turn, with one of these texts; `ID` stands for the request's id. */
async function answering(replies: readonly string[]): Promise<{ address: string; close(this: void): void }> {
  let turn = 0;
  const sockets: { destroy(): void }[] = [];
  const server = createServer().on("upgrade", (request, socket) => {
    sockets.push(socket);
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Protocol: jsonrpc\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const reader = new FrameReader({
      piece(_isText, bytes, start, end) {
        const { id } = JSON.parse(Buffer.from(bytes.subarray(start, end)).toString()) as { id: number };
        const text = (replies[turn++] ?? "").replace("ID", String(id));
        socket.write(frame(Opcode.text, Buffer.from(text), undefined));
      },
      control: () => undefined,
    }, true);
    socket.on("data", (bytes) => reader.push(bytes as Buffer)).on("error", () => undefined);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const plain = '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"}}';

test("a reply is read whatever stands around its result", async (t) => {
  const replies = [
    plain, '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"} }', ' {"id":ID,"result":{"a":"yes"},"jsonrpc":"2.0"}\n',
    '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"},"meridian":{"header":{"x":"1"}}}', plain,
    '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"},"more":{"result":{}}}', plain,
  ];
  const { address, close } = await answering(replies);
  t.after(close);
  const client = createClient(Asking, { address, protocol: jsonRpc() });
  for (const reply of replies) assert.deepEqual({ ...await client.ask({ q: "?" }) }, { a: "yes" }, reply);
  client.$.close();
});

for (const [name, reply, why] of [
  ["a result that comes twice", '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"},"result":{"a":"no"}}', /twice|lost/],
  ["a result and an error", '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"},"error":{"code":-32603,"message":"bad"}}',
    /bad/],
  ["a result that does not fit", '{"jsonrpc":"2.0","id":ID,"result":{"a":1}}', /reply cannot be read/],
  ["a result that is cut", '{"jsonrpc":"2.0","id":ID,"result":{"a":"yes"}', /lost/],
  ["a control character in a text", '{"jsonrpc":"2.0","id":ID,"result":{"a":"\u0001"}}',
    /reply cannot be read/],
] as const) {
  test(`${name} is no answer`, async (t) => {
    // As often as it may be tried again.
    const { address, close } = await answering([plain, ...Array<string>(20).fill(reply)]);
    t.after(close);
    const client = createClient(Asking, { address, protocol: jsonRpc() });
    t.after(() => client.$.close());
    assert.deepEqual({ ...await client.ask({ q: "?" }) }, { a: "yes" });
    await assert.rejects(client.ask({ q: "?" }), why);
  });
}
