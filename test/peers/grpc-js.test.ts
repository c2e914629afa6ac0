// Node's reference implementation on the other end: the law's methods, by grpc-js as a client and as a server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpcJs from "@grpc/grpc-js";
import { codecFor } from "../../src/codec/choose.ts";
import { type Coder, isError } from "../../src/contract/index.ts";
import { codersOf } from "../../src/contract/coders.ts";
import type { AnyMethod } from "../../src/contract/method.ts";
import { createClientOn, type ClientOf } from "../../src/client/index.ts";
import { grpc } from "../../src/protocol/grpc/index.ts";
import { gzip, nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn, type Server } from "../../src/server/index.ts";
import { Writer } from "../../src/wire/index.ts";
import { codeOf, Law, lawHandlers, neverInTime, type Seen, until } from "../conformance/protocol-cases.ts";

function serializer(coder: Coder) {
  return (value: unknown): Buffer => {
    const writer = new Writer(256);
    coder.encode(value, writer);
    return Buffer.from(writer.finish());
  };
}

const deserializer = (coder: Coder) => (bytes: Buffer): unknown => coder.decode(bytes, 0, bytes.length);

/** The law as grpc-js would have it generated, with our coders for messages. */
const definition = Object.fromEntries(Object.entries(Law.methods as Record<string, AnyMethod>).map(([name, method]) => {
  const coders = codersOf(method, codecFor(method));
  return [name, {
    path: `/${method.service}/${method.wireName}`,
    requestStream: method.kind === "client_stream" || method.kind === "bidi_stream",
    responseStream: method.kind === "server_stream" || method.kind === "bidi_stream",
    requestSerialize: serializer(coders.request), requestDeserialize: deserializer(coders.request),
    responseSerialize: serializer(coders.response), responseDeserialize: deserializer(coders.response),
  }];
})) satisfies grpcJs.ServiceDefinition;

const LawClient = grpcJs.makeGenericClientConstructor(definition, Law.name);

interface Item {
  readonly n: number;
  readonly text: string;
}

describe("grpc-js calls us", () => {
  const seen: Seen = { produced: 0, cancelled: [] };
  let server: Server;
  /** The methods are made from the definition at run time. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  let client: any;

  before(async () => {
    server = createServerOn(nodeRuntime, { compressions: [gzip()] }).implement(Law, lawHandlers(seen));
    client = new LawClient(await server.listen(), grpcJs.credentials.createInsecure(), {
      "grpc.default_compression_algorithm": grpcJs.compressionAlgorithms.gzip,
    });
  });
  after(async () => {
    client.close();
    await server.close(1_000);
  });

  const unary = (
    method: string, request: unknown, metadata = new grpcJs.Metadata(), options: grpcJs.CallOptions = {},
  ) =>
    new Promise<unknown>((resolve, reject) => {
      client[method](request, metadata, options, (error: Error | null, answer: unknown) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });

  test("unary calls, small and large, many at once, compressed", async () => {
    const value = { n: 7, text: "grüße".repeat(2_000) };
    assert.deepEqual(await unary("echo", value), value);
    const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => unary("echo", { n, text: `${n}` })));
    assert.deepEqual((answers as Item[]).map(({ n }) => n), Array.from({ length: 300 }, (_, n) => n));
    const data = new Uint8Array(1_000_000).map((_, i) => i * 7);
    assert.deepEqual((await unary("blob", { data }) as { data: Uint8Array }).data, data);
  });

  test("errors with their details, and metadata in bytes", async () => {
    const error = await unary("fail", { how: "declared" }).then(() => assert.fail(), (e: grpcJs.ServiceError) => e);
    assert.equal(error.code, grpcJs.status.FAILED_PRECONDITION);
    assert.equal(error.details, "all sold");
    assert.ok(Buffer.isBuffer(error.metadata.get("grpc-status-details-bin")[0]));
    const pushed = await unary("fail", { how: "rpc" }).then(() => assert.fail(), (e: grpcJs.ServiceError) => e);
    assert.deepEqual(pushed.metadata.get("grpc-retry-pushback-ms"), ["25"]);
    const metadata = new grpcJs.Metadata();
    metadata.set("who", "me");
    metadata.set("raw-bin", Buffer.of(0, 255));
    assert.deepEqual(await unary("keys", { tenant: "t" }, metadata), { route: "", key: "", meta: "me" });
  });

  test("deadlines and cancellations reach the handler", async () => {
    await neverInTime(seen, async (timeoutMs) => {
      const late = await unary("never", {}, undefined, { deadline: Date.now() + timeoutMs })
        .then(() => assert.fail(), (e: grpcJs.ServiceError) => e);
      assert.equal(late.code, grpcJs.status.DEADLINE_EXCEEDED);
    }, sleep);
    await until(sleep, () => seen.cancelled.length === seen.started, () => seen.cancelled.join());
    const before = seen.started ?? 0;
    const call = client.never({}, () => undefined);
    await until(sleep, () => (seen.started ?? 0) > before, () => "no call at the handler");
    call.cancel();
    await until(sleep, () => seen.cancelled.length === seen.started, () => seen.cancelled.join());
    assert.equal((await unary("echo", { n: 1, text: "" }) as Item).n, 1);
  });

  test("streams of every shape", async () => {
    const counted: number[] = [];
    for await (const { n } of client.count({ to: 2_000 })) counted.push(n);
    assert.equal(counted.length, 2_000);
    const sum = await new Promise((resolve, reject) => {
      const call = client.sum((error: Error | null, answer: unknown) =>
        error === null ? resolve(answer) : reject(error));
      for (let n = 0; n < 1_000; n++) call.write({ n, text: "x" });
      call.end();
    });
    assert.deepEqual(sum, { sum: 499_500 });
    const chat = client.chat();
    const answers: string[] = [];
    chat.write({ n: 1, text: "a" });
    for await (const { n, text } of chat) {
      answers.push(`${n} ${text}`);
      if (answers.length === 3) chat.end();
      else chat.write({ n: answers.length + 1, text: "b" });
    }
    assert.deepEqual(answers, ["2 A", "4 B", "6 B"]);
  });
});

describe("we call grpc-js", () => {
  let server: grpcJs.Server;
  let client: ClientOf<typeof Law>;
  const seen: Seen = { produced: 0, cancelled: [] };

  before(async () => {
    server = new grpcJs.Server();
    server.addService(definition, theirHandlers(seen));
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpcJs.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error));
    });
    client = createClientOn(nodeRuntime, Law, {
      address: `127.0.0.1:${port}`, protocol: grpc(), compressions: [gzip()],
    });
  });
  after(() => {
    client.$.close(0);
    server.forceShutdown();
  });

  test("unary calls, small and large, more at once than it has streams for", async () => {
    const value = { n: 7, text: "grüße".repeat(2_000) };
    assert.deepEqual(await client.echo(value), value);
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => client.echo({ n, text: "" })));
    assert.deepEqual(answers.map(({ n }) => n), Array.from({ length: 1_000 }, (_, n) => n));
    const data = new Uint8Array(1_000_000).map((_, i) => i * 7);
    assert.deepEqual((await client.blob({ data })).data, data);
  });

  test("errors, their metadata and push-back", async () => {
    const error = await codeOf(client.fail({ how: "x" }));
    assert.deepEqual([error.code, error.message, error.retryAfterMs], ["aborted", "no – wëll", -1]);
    assert.deepEqual(Buffer.from(error.metadata?.["raw-bin"] ?? "", "base64"), Buffer.of(0, 255));
    assert.ok(!isError(error, Law.methods.fail, "Sold"));
    const missing = await codeOf(client.keys({ tenant: "t" }));
    assert.equal(missing.code, "unimplemented");
  });

  test("deadlines and readers that leave end the call there", async () => {
    await neverInTime(seen, async (timeoutMs) => {
      assert.equal((await codeOf(client.never({}, { timeoutMs }))).code, "deadline_exceeded");
    }, sleep);
    for await (const { n } of client.count({ to: 1_000_000 })) if (n === 10) break;
    const wanted = () => ["count", ...Array<string>(seen.started ?? 0).fill("never")].join();
    await until(sleep, () => seen.cancelled.toSorted().join() === wanted(), () => seen.cancelled.join());
  });

  test("streams of every shape", async () => {
    const counted: number[] = [];
    for await (const { n } of client.count({ to: 2_000 })) counted.push(n);
    assert.equal(counted.length, 2_000);
    assert.deepEqual(await client.sum(Array.from({ length: 1_000 }, (_, n) => ({ n, text: "x" }))), { sum: 499_500 });
    const answers: string[] = [];
    const asked = [{ n: 1, text: "a" }, { n: 2, text: "b" }];
    for await (const { n, text } of client.chat(asked)) answers.push(`${n} ${text}`);
    assert.deepEqual(answers, ["2 A", "4 B"]);
  });
});

/* eslint-disable @typescript-eslint/no-explicit-any */
function theirHandlers(seen: Seen): grpcJs.UntypedServiceImplementation {
  return {
    echo: (call: any, reply: any) => reply(null, call.request),
    blob: (call: any, reply: any) => reply(null, call.request),
    fail(_call: any, reply: any) {
      const metadata = new grpcJs.Metadata();
      metadata.set("raw-bin", Buffer.of(0, 255));
      metadata.set("grpc-retry-pushback-ms", "-1");
      reply({ code: grpcJs.status.ABORTED, details: "no – wëll", metadata });
    },
    never(call: any) {
      seen.started = (seen.started ?? 0) + 1;
      if (call.cancelled) seen.cancelled.push("never");
      else call.on("cancelled", () => seen.cancelled.push("never"));
    },
    keys: (_call: any, reply: any) => reply({ code: grpcJs.status.UNIMPLEMENTED, details: "not here" }),
    async count(call: any) {
      const gone = once(call, "cancelled").then(() => seen.cancelled.push("count"));
      for (let n = 0; n < call.request.to && !call.cancelled; n++) {
        if (call.write({ n, text: "x".repeat(100) })) continue;
        await Promise.race([once(call, "drain"), gone]);
      }
      call.end();
    },
    async sum(call: any, reply: any) {
      let sum = 0;
      for await (const { n } of call) sum += n;
      reply(null, { sum });
    },
    async chat(call: any) {
      for await (const { n, text } of call) call.write({ n: n * 2, text: text.toUpperCase() });
      call.end();
    },
  };
}
