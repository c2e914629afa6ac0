// A reader that is slow holds the writer back through a gateway, which itself keeps no more than its windows.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { bytes, type Client, rpc, service } from "../../src/contract/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const chunk = z.object({ data: bytes() });
const Files = service("files.v1.Files", {
  download: rpc({ kind: "server_stream", input: z.object({ chunks: z.int32() }), output: chunk }),
  upload: rpc({ kind: "client_stream", input: chunk, output: z.object({ bytes: z.int32() }) }),
  through: rpc({ kind: "bidi_stream", input: chunk, output: chunk }),
});

/** Barely more than a frame: the last frames, which complete the messages, are small. */
const chunkBytes = 66_000;
const chunks = 800;
/** One stream's windows on both hops, and a chunk under way at each of six places. */
const most = 2 * 262_144 + 6 * chunkBytes;

const discovery = memoryDiscovery();
let produced = 0;
let consumed = 0;
const server = createServerOn(nodeRuntime, { region: "eu", registry: discovery }).implement(Files, {
  async *download({ chunks: count }) {
    for (let i = 0; i < count; i++) {
      produced += chunkBytes;
      yield { data: new Uint8Array(chunkBytes) };
    }
  },
  async upload(items) {
    for await (const { data } of items) {
      consumed += data.length;
      if (consumed <= 5 * chunkBytes) await sleep(20);
    }
    return { bytes: consumed };
  },
  async *through(items) {
    for await (const item of items) yield item;
  },
});
const gateway = createGatewayOn(nodeRuntime, { region: "eu", discovery });
let files: Client<typeof Files> & { $: { close(): void } };

before(async () => {
  await server.listen();
  files = createClientOn(nodeRuntime, Files, { address: await gateway.listen() });
});
after(async () => {
  files.$.close();
  await gateway.close(1_000);
  await server.close(1_000);
});

test("a slow download: server and gateway wait for the reader", async () => {
  let read = 0;
  let ahead = 0;
  for await (const { data } of files.download({ chunks })) {
    read += data.length;
    if (read <= 10 * chunkBytes) {
      await sleep(20);
      ahead = Math.max(ahead, produced - read);
    }
  }
  assert.equal(read, chunks * chunkBytes);
  assert.ok(ahead <= most, `${ahead} bytes were under way, at most ${most} were expected`);
});

test("a slow upload: the caller waits for the server", async () => {
  let sent = 0;
  let ahead = 0;
  async function* items() {
    for (let i = 0; i < chunks; i++) {
      if (consumed <= 5 * chunkBytes) ahead = Math.max(ahead, sent - consumed);
      sent += chunkBytes;
      yield { data: new Uint8Array(chunkBytes) };
    }
  }
  assert.equal((await files.upload(items())).bytes, chunks * chunkBytes);
  assert.ok(ahead <= most, `${ahead} bytes were under way, at most ${most} were expected`);
});

test("a slow reader of one stream does not hold up the others of the same connections", async () => {
  const slow = files.download({ chunks })[Symbol.asyncIterator]();
  await slow.next();
  await sleep(50);
  for (let i = 0; i < 5; i++) {
    let read = 0;
    for await (const { data } of files.download({ chunks: 20 })) read += data.length;
    assert.equal(read, 20 * chunkBytes);
  }
  await slow.return?.();
});

test("both ways at once, with a reader that dawdles", async () => {
  async function* items() {
    for (let i = 0; i < 100; i++) yield { data: new Uint8Array(chunkBytes).fill(i) };
  }
  let count = 0;
  for await (const { data } of files.through(items())) {
    assert.equal(data[chunkBytes - 1], count);
    count++;
    if (count % 10 === 0) await sleep(5);
  }
  assert.equal(count, 100);
});
