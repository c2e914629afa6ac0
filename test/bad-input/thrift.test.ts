/** Thrift by hand, and wrong: each ends its call or its connection with a clear error, and a healthy client goes on. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { RpcError } from "../../src/core/index.ts";
import { createClient, thrift, thriftWire } from "../../src/index.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { onSockets, Target } from "./harness.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const int32 = (value: number): string => Buffer.from([value >> 24, value >> 16, value >> 8, value]).toString("hex");
const nameOf = (name: string): string => int32(name.length) + Buffer.from(name).toString("hex");
const call = (name: string, body: string, type = 1, seqid = 7): string =>
  `800100${type.toString(16).padStart(2, "0")}${nameOf(name)}${int32(seqid)}${body.replaceAll(" ", "")}`;
const framed = (message: string): string => int32(message.replaceAll(" ", "").length / 2) + message;
const echoBody = `080001${int32(5)}0b0002${nameOf("a")}00`;

/** Sends bytes and returns what came until the server closed, or had been silent for a while after an answer. */
async function exchange(address: string, bytes: Buffer, until: (said: Buffer) => boolean): Promise<string> {
  const [host, port] = address.split(":") as [string, string];
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  let said = Buffer.alloc(0);
  socket.write(bytes);
  await new Promise<void>((resolve) => {
    socket.on("data", (more: Buffer) => {
      said = Buffer.concat([said, more]);
      if (until(said)) resolve();
    });
    socket.on("close", () => resolve());
    socket.on("error", () => resolve());
  });
  socket.destroy();
  return said.toString("latin1");
}

/** What answers the call alone, after which the connection still answers an echo. */
const refusedCalls: readonly (readonly [string, string, RegExp])[] = [
  ["an unknown method", call("none", "00"), /"none" is no method/],
  ["an unknown service", call("Nobody:echo", "00"), /Nobody/],
  ["a method of a stream", call("count", `080001${int32(5)}00`), /server_stream/],
  ["a field of another type", call("echo", `0b0001${nameOf("5")}00`), /string, expected i32.* in "n"/],
  ["a duplicate of another type", call("echo", `080001${int32(5)}0b0001${nameOf("5")}00`), /expected i32/],
  ["text that is no UTF-8", call("echo", `0b0002${int32(2)}fffe00`), /UTF-8/],
  ["a number beyond 32 bits", call("echo", "0a0001000000010000000000"), /4294967296, which is no int32/],
];

/** What ends the connection. */
const fatal: readonly (readonly [string, string, RegExp])[] = [
  ["a reply from a client", framed(call("echo", echoBody)) + framed(call("echo", echoBody, 2)), /message of type 2/],
  ["an exception from a client", framed(call("echo", echoBody)) + framed(call("echo", "00", 3)), /message of type 3/],
  ["a frame of a negative length", `${framed(call("echo", echoBody))}ffffffff`, /frame of -1 bytes/],
  ["an empty frame", `${framed(call("echo", echoBody))}00000000`, /frame of 0 bytes/],
  ["a frame of a gigabyte", `${framed(call("echo", echoBody))}3fffffff`, /maxMessageBytes/],
  ["a name of a gigabyte", framed(`80010001 3fffffff ${int32(1)}`), /name of 1073741823 bytes/],
  ["a negative name", framed(`80010001 ffffffff ${int32(1)}`), /name of -1 bytes/],
  ["a cut off message", framed("80010001 00000004 6563"), /cut off/],
  ["unframed: a negative text", call("echo", "0b0002ffffffff"), /length of -1/],
  ["unframed: a text of two gigabytes", call("echo", "0b00027fffffff"), /maxMessageBytes/],
  ["unframed: a list of two thousand million", call("echo", "0f00030c7fffffff"), /maxMessageBytes/],
  ["unframed: a type that there is none of", call("echo", "4d0003"), /type 77/],
  ["unframed: structs in structs for ever", call("tree", "0c0009".repeat(5_000)), /nested deeper than 100/],
  ["compact: a varint without end", `8221${"ff".repeat(20)}`, /varint/],
  ["compact: a field of type 0", "822101046563686f10", /type 0/],
  ["JSON: brackets for ever", Buffer.from(`[1,"echo",1,1,${"[".repeat(5_000)}`).toString("hex"), /nested/],
  ["THeader: a header beyond its frame", framed("0fff0000 00000001 ffff 00"), /header of 262140 bytes/],
  ["THeader: an unknown transform", framed("0fff0000 00000001 0001 00010600"), /transform 6/],
  ["THeader: an unknown protocol", framed("0fff0000 00000001 0001 09000000"), /protocol/],
  ["THeader: pairs beyond its end", framed("0fff0000 00000001 0002 0000 01 01 7f 61 00 00"), /127 bytes/],
];

describe("bad Thrift", () => {
  for (const transport of ["framed", "unframed"]) {
    for (const [name, message, pattern] of refusedCalls) {
      test(`${transport}: ${name} ends that call alone`, async () => {
        await onSockets({}, async ({ address }) => {
          const sent = [message, call("echo", echoBody, 1, 8)];
          const all = transport === "framed" ? sent.map(framed) : sent;
          const answer = hex(`80010002${nameOf("echo")}${int32(8)}`);
          const said = await exchange(address, hex(all.join("")), (so) => so.includes(answer));
          assert.match(said, pattern);
          assert.ok(said.includes(answer.toString("latin1")), "the call behind it was answered");
        });
      });
    }
  }
  for (const [name, bytes, pattern] of fatal) {
    test(`${name} ends the connection`, async () => {
      await onSockets({}, async ({ address, event }) => {
        await exchange(address, hex(bytes), () => false);
        await event("server.connection.failed", pattern);
      });
    });
  }

  test("a message left half sent ends the connection", async () => {
    await onSockets({ wires: [thriftWire({ stallTimeoutMs: 1 })] }, async ({ address }) => {
      assert.equal(await exchange(address, hex(framed(call("echo", echoBody)).slice(0, -4)), () => false), "");
    });
  });
});

/** Answers of servers that lie. */
const lies: readonly (readonly [string, (seqid: number) => string, RegExp])[] = [
  ["a sequence id that no call has", (id) => framed(call("echo", "00", 2, id + 1_000)), /id \d+, which no call/],
  ["no result", (id) => framed(call("echo", "00", 2, id)), /no result/],
  ["a call for an answer", (id) => framed(call("echo", "00", 1, id)), /message of type 1, expected a reply/],
  ["an undeclared exception", (id) => framed(call("echo", "0c00090000", 2, id)), /exception 9/],
  ["an exception without words", (id) => framed(call("echo", "00", 3, id)), /TApplicationException UNKNOWN/],
  ["an exception of its own", (id) => framed(call("echo", `08000200000005 0b0001${nameOf("oh")}00`, 3, id)), /oh/],
  ["a negative frame", () => "80000000", /frame of -2147483648 bytes/],
  ["HTTP", () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n").toString("hex"), /maxMessageBytes/],
];

for (const [name, lie, pattern] of lies) {
  test(`a server that answers with ${name} fails the call, saying so`, async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (bytes: Buffer) => {
        const length = bytes.readInt32BE(8);
        socket.write(hex(lie(bytes.readInt32BE(12 + length))));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = createClient(Target, {
      address: `127.0.0.1:${(server.address() as AddressInfo).port}`, protocol: thrift(), retry: false,
    });
    try {
      const error = await codeOf(client.echo({ n: 1, text: "a" }, { timeoutMs: 20_000 }));
      assert.ok(RpcError.is(error));
      assert.match(error.message, pattern);
    } finally {
      client.$.close(0);
      server.close();
    }
  });
}
