// The law of protocols over ZeroMQ, by sockets of its own library; what becomes of streams whose other end is gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { native, over } from "../../src/protocol/index.ts";
import { nodeRuntime, zeromq, type ZeroMqOptions } from "../../src/runtime/node/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type Seen } from "../conformance/protocol-cases.ts";

const { curveKeyPair, Dealer } = await import("zeromq");

type Calling = Client<typeof Law> & { $: { close(graceMs?: number): void } };
const calling = (address: string, options?: ZeroMqOptions): Calling =>
  createClientOn(nodeRuntime, Law, { address, protocol: over(zeromq(options), native()) });

const server = curveKeyPair();
const own = curveKeyPair();
const ways: readonly (readonly [name: string, server: ZeroMqOptions, client: ZeroMqOptions])[] = [
  ["ZeroMQ", {}, {}],
  ["ZeroMQ with CURVE", { curve: server }, { curve: { ...own, serverKey: server.publicKey } }],
];

for (const [name, ofServer, ofClient] of ways) {
  describe(name, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    const serving = createServerOn(nodeRuntime).implement(Law, lawHandlers(seen));
    let client: Calling;
    before(async () => {
      client = calling(await serving.listen({ network: zeromq(ofServer) }), ofClient);
    });
    after(async () => {
      client.$.close();
      await serving.close(1_000);
    });
    for (const one of lawCases) {
      test(one.name, async () => {
        seen.produced = 0;
        seen.cancelled = [];
        await one.run({ client, seen, sleep });
      });
    }
  });
}

test("where nobody listens, and with wrong keys, calls fail and say so", async (t) => {
  const nowhere = calling("127.0.0.1:9");
  t.after(() => nowhere.$.close(0));
  await assert.rejects(nowhere.echo({ n: 1, text: "" }, { timeoutMs: 3_000 }),
    (error: unknown) => RpcError.is(error) && /nobody listens there/.test(error.message));

  const serving = createServerOn(nodeRuntime).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  const address = await serving.listen({ network: zeromq({ curve: server }) });
  const stranger = calling(address, { curve: { ...own, serverKey: curveKeyPair().publicKey } });
  t.after(async () => {
    stranger.$.close(0);
    await serving.close(0);
  });
  await assert.rejects(stranger.echo({ n: 1, text: "" }, { timeoutMs: 1_500 }), RpcError);
});

test("words out of turn, empty and unknown ones harm nobody", async (t) => {
  const serving = createServerOn(nodeRuntime).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  const address = await serving.listen({ network: zeromq() });
  const rude = new Dealer({ linger: 0 });
  rude.connect(`tcp://${address}`);
  for (const bytes of [[], [2, 1, 2, 3], [9], [3], [0], [2, 77, 78], [0]]) await rude.send(Uint8Array.from(bytes));
  const client = calling(address);
  t.after(async () => {
    client.$.close(0);
    rude.close();
    await serving.close(0);
  });
  assert.deepEqual(await client.echo({ n: 7, text: "x" }), { n: 7, text: "x" });
  const [word] = await rude.receive();
  assert.equal(word?.[0], 5, "who speaks before it has opened is told that it is unknown");
});

test("a server that was killed and comes back at its port is called again", { timeout: 60_000 }, async (t) => {
  const file = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    import { createServerOn } from ${file("../../src/server/index.ts")};
    import { nodeRuntime, zeromq } from ${file("../../src/runtime/node/index.ts")};
    import { Law, lawHandlers } from ${file("../conformance/protocol-cases.ts")};
    const server = createServerOn(nodeRuntime).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
    console.log(await server.listen({ network: zeromq(), port: Number(process.argv[1] ?? 0) }));`;
  const start = async (port: string) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, port],
      { stdio: ["ignore", "pipe", "inherit"] });
    const address = await new Promise<string>((resolve) => {
      child.stdout.once("data", (text: Buffer) => resolve(String(text).trim()));
    });
    t.after(() => child.kill("SIGKILL"));
    return { child, address };
  };
  const first = await start("0");
  const client = calling(first.address);
  t.after(() => client.$.close(0));
  assert.deepEqual(await client.echo({ n: 1, text: "a" }, { timeoutMs: 20_000 }), { n: 1, text: "a" });
  first.child.kill("SIGKILL");
  await new Promise((resolve) => { first.child.once("exit", resolve); });
  await start(first.address.slice(first.address.lastIndexOf(":") + 1));
  // As over TCP, calls fail at once while nobody listens, and the connection is made anew in between.
  let answer: unknown;
  while (answer === undefined) {
    answer = await client.echo({ n: 2, text: "b" }, { timeoutMs: 5_000 }).catch((error: unknown) => {
      assert.ok(RpcError.is(error) && error.code === "unavailable", String(error));
      return sleep(50);
    }) ?? undefined;
  }
  assert.deepEqual(answer, { n: 2, text: "b" });
});
