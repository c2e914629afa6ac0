// Threads of other projects on deadlines, over gRPC.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { createClient, grpc, RpcError } from "../../src/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { Echo, one, startForeign } from "./echo.ts";

async function failureOf(call: Promise<unknown>): Promise<RpcError> {
  const error = await call.then(() => undefined, (error: unknown) => error);
  if (RpcError.is(error)) return error;
  throw new Error("the call should have failed");
}

/** Accepts connections and says nothing, as a frozen process does. */
async function startMute(t: TestContext): Promise<string> {
  const server = createServer((socket) => void socket.on("error", () => undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("grpc-node#2829, #2687: a deadline error says in which phase the time went", async (t) => {
  using unknown = createClient(Echo, { discovery: { watch: () => () => undefined }, protocol: grpc() });
  const resolving = await failureOf(unknown.echo(one, { timeoutMs: 50 }));
  assert.deepEqual([resolving.code, resolving.phase], ["deadline_exceeded", "resolve"]);

  using mute = createClient(Echo, { address: await startMute(t), protocol: grpc() });
  const connecting = await failureOf(mute.echo(one, { timeoutMs: 50 }));
  assert.deepEqual([connecting.code, connecting.phase], ["deadline_exceeded", "connect"]);

  const server = await startForeign(t);
  server.answer = () => undefined;
  using silent = createClient(Echo, { address: server.address, protocol: grpc() });
  const waiting = await failureOf(silent.echo(one, { timeoutMs: 100 }));
  assert.deepEqual([waiting.code, waiting.phase], ["deadline_exceeded", "network"]);
  for (const error of [resolving, connecting, waiting]) assert.match(error.message, /\d+ ms/);
  // The last two know whom they waited for.
  assert.equal(waiting.endpoint, server.address);
});

test("grpc-node#2829: no server known is no deadline: it is said at once", async () => {
  const discovery = memoryDiscovery();
  discovery.set(Echo.name, []);
  using client = createClient(Echo, { discovery, protocol: grpc() });
  const startedMs = performance.now();
  const error = await failureOf(client.echo(one, { timeoutMs: 5_000 }));
  assert.equal(error.code, "unavailable");
  assert.ok(performance.now() - startedMs < 1_000);
});

test("a server that notices the deadline first does not change the code: reset, or an end with no reply", async (t) => {
  const server = await startForeign(t);
  using client = createClient(Echo, { address: server.address, protocol: grpc() });
  const endings: ((stream: Parameters<typeof server.answer>[0]) => void)[] = [
    (stream) => stream.close(8),
    (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { endStream: true });
    },
  ];
  for (const end of endings) {
    server.answer = (stream) => {
      setTimeout(() => {
        if (!stream.destroyed) end(stream);
      }, 60);
    };
    for (let n = 0; n < 5; n++) {
      // The answer comes about when our own timer rings: whichever is first.
      const error = await failureOf(client.write(one, { timeoutMs: 59 }));
      assert.equal(error.code, "deadline_exceeded", error.message);
    }
  }
});
