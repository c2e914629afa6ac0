// The reference implementation of Connect on the other end: the law's methods, by connect-node as client and as server,
// in each protocol that it speaks, over each version of HTTP that can carry it.
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type HandlerContext, type Transport } from "@connectrpc/connect";
import {
  compressionGzip, connectNodeAdapter, createConnectTransport, createGrpcTransport, createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { json, protobuf } from "../../src/codec/index.ts";
import { createClientOn, type ClientOf } from "../../src/client/index.ts";
import { encodeFileDescriptorSet } from "../../src/contract/proto/encode-descriptor.ts";
import { describeContracts, withDependencies } from "../../src/contract/proto/index.ts";
import { connect, grpc, grpcWeb, type Protocol } from "../../src/protocol/index.ts";
import { gzip, nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn, type Server } from "../../src/server/index.ts";
import { codeOf, Law, lawHandlers, neverInTime, type Seen, until } from "../conformance/protocol-cases.ts";

/** The law as protobuf-es knows it: from descriptors, without generated code. */
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema,
  encodeFileDescriptorSet(withDependencies(describeContracts([Law])))));
const lawService = (() => {
  const found = registry.getService(Law.name);
  assert.ok(found !== undefined);
  return found;
})();

interface Item {
  readonly n: number;
  readonly text: string;
}

interface Options {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly headers?: Record<string, string>;
  readonly onHeader?: (header: Headers) => void;
  readonly onTrailer?: (trailer: Headers) => void;
}

/** The methods of connect-node's client, whose types it has at run time only. */
interface TheirClient {
  echo(request: Item, options?: Options): Promise<Item>;
  blob(request: { data: Uint8Array }, options?: Options): Promise<{ data: Uint8Array }>;
  fail(request: { how: string }, options?: Options): Promise<object>;
  never(request: object, options?: Options): Promise<object>;
  keys(request: { tenant: string }, options?: Options): Promise<{ meta: string }>;
  count(request: { to: number; failAt?: number }, options?: Options): AsyncIterable<Item>;
  sum(requests: AsyncIterable<Item>, options?: Options): Promise<{ sum: number }>;
  chat(requests: AsyncIterable<Item>, options?: Options): AsyncIterable<Item>;
}

async function* items(count: number): AsyncGenerator<Item> {
  for (let n = 0; n < count; n++) yield { n, text: "x" };
}

const compressed = { acceptCompression: [compressionGzip], sendCompression: compressionGzip, compressMinBytes: 64 };
const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "Connect over HTTP/2, compressed": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", ...compressed }),
  "Connect over HTTP/1.1, JSON by GET": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, useHttpGet: true }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web over HTTP/2, compressed": (baseUrl) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "2", ...compressed }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC, JSON, compressed": (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false, ...compressed }),
};

for (const [name, transport] of Object.entries(transports)) {
  describe(`connect-node calls us: ${name}`, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    let server: Server;
    let client: TheirClient;

    before(async () => {
      server = createServerOn(nodeRuntime, { compressions: [gzip()] }).implement(Law, lawHandlers(seen));
      client = createClient(lawService, transport(`http://${await server.listen()}`)) as unknown as TheirClient;
    });
    after(() => server.close(0));

    test("unary calls, small and large, many at once", async () => {
      const { n, text } = await client.echo({ n: 7, text: "grüße".repeat(2_000) });
      assert.deepEqual([n, text.length], [7, 10_000]);
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.echo({ n: i, text: `${i}` })));
      assert.deepEqual(answers.map((one) => one.n), Array.from({ length: 200 }, (_, i) => i));
      const data = new Uint8Array(1_000_000).map((_, i) => i * 7);
      assert.deepEqual(Uint8Array.from((await client.blob({ data })).data), data);
    });

    test("metadata both ways, errors with their details", async () => {
      const told: string[] = [];
      const { meta } = await client.keys({ tenant: "t" }, {
        headers: { who: "me" }, onHeader: (header) => told.push(header.get("tenant") ?? ""),
        onTrailer: (trailer) => told.push(trailer.get("served-by") ?? ""),
      });
      assert.deepEqual([meta, ...told], ["me", "t", "law"]);
      const sold = await failure(client.fail({ how: "declared" }));
      assert.deepEqual([sold.code, sold.rawMessage], [Code.FailedPrecondition, "all sold"]);
      assert.ok(sold.details.some((one) => "type" in one && one.type === "google.rpc.ErrorInfo"));
      assert.equal((await failure(client.fail({ how: "rpc" }))).code, Code.NotFound);
    });

    test("deadlines and cancellations reach the handler", async () => {
      seen.cancelled = [];
      await neverInTime(seen, async (timeoutMs) => {
        assert.equal((await failure(client.never({}, { timeoutMs }))).code, Code.DeadlineExceeded);
      }, sleep);
      await until(sleep, () => seen.cancelled.length === seen.started, () => seen.cancelled.join());
      const before = seen.started ?? 0;
      const controller = new AbortController();
      const call = failure(client.never({}, { signal: controller.signal }));
      await until(sleep, () => (seen.started ?? 0) > before, () => "no call at the handler");
      controller.abort();
      assert.equal((await call).code, Code.Canceled);
      await until(sleep, () => seen.cancelled.length === seen.started, () => seen.cancelled.join());
    });

    test("streams of every shape", async () => {
      const counted: number[] = [];
      for await (const { n } of client.count({ to: 2_000 })) counted.push(n);
      assert.equal(counted.length, 2_000);
      const failed = await failure((async () => {
        for await (const { n } of client.count({ to: 10, failAt: 3 })) counted.push(n);
      })());
      assert.deepEqual([failed.code, failed.rawMessage, counted.length], [Code.Aborted, "stopped at 3", 2_003]);
      assert.equal((await client.sum(items(1_000))).sum, 499_500);
      if (name.includes("HTTP/1.1")) return;
      const answers: string[] = [];
      for await (const { n, text } of client.chat(items(3))) answers.push(`${n} ${text}`);
      assert.deepEqual(answers, ["0 X", "2 X", "4 X"]);
    });
  });
}

const protocols: Readonly<Record<string, { readonly protocol: Protocol; readonly version: 1 | 2 }>> = {
  "Connect over HTTP/1.1": { protocol: connect({ http: 1 }), version: 1 },
  "Connect over HTTP/2": { protocol: connect(), version: 2 },
  "Connect over HTTP/2, compressed": { protocol: connect({ requestCompression: "gzip" }), version: 2 },
  "gRPC-Web over HTTP/1.1": { protocol: grpcWeb({ http: 1 }), version: 1 },
  "gRPC-Web over HTTP/2": { protocol: grpcWeb(), version: 2 },
  gRPC: { protocol: grpc(), version: 2 },
};

for (const [name, { protocol, version }] of Object.entries(protocols)) {
  for (const codec of [protobuf, json]) {
    describe(`we call connect-node: ${name}, ${codec.name}`, () => {
      const seen: Seen = { produced: 0, cancelled: [] };
      const handle = connectNodeAdapter({
        routes: (router) => void router.service(lawService, theirHandlers(seen) as never),
      });
      const server = version === 1 ? createHttpServer(handle) : createHttp2Server(handle);
      let client: ClientOf<typeof Law>;

      before(async () => {
        await new Promise<void>((resolve) => {
          server.listen(0, "127.0.0.1", () => resolve());
        });
        const { port } = server.address() as AddressInfo;
        client = createClientOn(nodeRuntime, Law, {
          address: `127.0.0.1:${port}`, protocol, codec, compressions: [gzip()], retry: false,
        });
      });
      after(() => {
        client.$.close(0);
        server.close();
        if ("closeAllConnections" in server) server.closeAllConnections();
      });

      test("unary calls, small and large, many at once", async () => {
        const value = { n: 7, text: "grüße".repeat(2_000) };
        assert.deepEqual(await client.echo(value), value);
        const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => client.echo({ n, text: "" })));
        assert.deepEqual(answers.map(({ n }) => n), Array.from({ length: 200 }, (_, n) => n));
        const data = new Uint8Array(1_000_000).map((_, i) => i * 7);
        assert.deepEqual((await client.blob({ data })).data, data);
      });

      test("metadata both ways, errors with their details", async () => {
        const told: Record<string, string | undefined> = {};
        const { meta } = await client.keys({ tenant: "t" }, {
          metadata: { who: "me" },
          onMetadata: (kind, metadata) => {
            told[kind] = metadata["told"];
          },
        });
        assert.deepEqual([meta, told["header"], told["trailer"]], ["me", "at first", "at last"]);
        const error = await codeOf(client.fail({ how: "x" }));
        assert.deepEqual([error.code, error.message, error.metadata?.["why"]], ["aborted", "no – wëll", "because"]);
        assert.deepEqual(error.details?.map(({ type }) => type), ["law.v1.LawSumOutput"]);
        // protobuf-es leaves a zero out, and sends 7 as 8 7.
        assert.deepEqual(error.details?.map(({ value }) => [...value]), [[8, 7]]);
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
        const sum = await client.sum(Array.from({ length: 1_000 }, (_, n) => ({ n, text: "x" })));
        assert.deepEqual(sum, { sum: 499_500 });
        if (version === 1) return;
        const answers: string[] = [];
        const asked = [{ n: 1, text: "a" }, { n: 2, text: "b" }];
        for await (const { n, text } of client.chat(asked)) answers.push(`${n} ${text}`);
        assert.deepEqual(answers, ["2 A", "4 B"]);
      });
    });
  }
}

function failure(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(() => assert.fail("the call should have failed"), ConnectError.from);
}

function theirHandlers(seen: Seen): Record<string, unknown> {
  const sumOutput = registry.getMessage("law.v1.LawSumOutput");
  assert.ok(sumOutput !== undefined);
  const never = ({ signal }: HandlerContext): Promise<never> => new Promise((_resolve, reject) => {
    seen.started = (seen.started ?? 0) + 1;
    const onAbort = (): void => {
      seen.cancelled.push("never");
      reject(ConnectError.from(signal.reason));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  });
  return {
    echo: ({ n, text }: Item) => ({ n, text }),
    blob: ({ data }: { data: Uint8Array }) => ({ data }),
    fail() {
      throw new ConnectError("no – wëll", Code.Aborted, { why: "because" }, [{ desc: sumOutput, value: { sum: 7 } }]);
    },
    never: (_request: object, context: HandlerContext) => never(context),
    keys(_request: object, context: HandlerContext) {
      context.responseHeader.set("told", "at first");
      context.responseTrailer.set("told", "at last");
      return { meta: context.requestHeader.get("who") ?? "" };
    },
    async *count({ to }: { to: number }, context: HandlerContext) {
      const onAbort = (): void => void seen.cancelled.push("count");
      context.signal.addEventListener("abort", onAbort);
      for (let n = 0; n < to; n++) yield { n, text: "x".repeat(100) };
      context.signal.removeEventListener("abort", onAbort);
    },
    async sum(requests: AsyncIterable<Item>) {
      let sum = 0;
      for await (const { n } of requests) sum += n;
      return { sum };
    },
    async *chat(requests: AsyncIterable<Item>) {
      for await (const { n, text } of requests) yield { n: n * 2, text: text.toUpperCase() };
    },
  };
}
