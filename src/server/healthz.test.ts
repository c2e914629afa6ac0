import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { createServerOn } from "./server.ts";

const Work = service("test.v1.Work", { get: rpc({ input: z.object({}), output: z.object({}) }) });

test("healthz says what grpc.health.v1 says, over HTTP/1.1 and HTTP/2", async () => {
  const server = createServerOn(nodeRuntime).implement(Work, { get: () => ({}) });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  const session = connectHttp2(`http://${address}`);
  const overHttp2 = async (path: string, method = "GET"): Promise<[number, string]> => {
    const request = session.request({ ":path": path, ":method": method }).end();
    const [head] = await once(request, "response") as [{ ":status": number }];
    return [head[":status"], await text(request)];
  };
  const ask = async (path: string, method = "GET"): Promise<[number, string]> => {
    const response = await fetch(`http://${address}${path}`, { method });
    const answer: [number, string] = [response.status, await response.text()];
    assert.deepEqual(await overHttp2(path, method), answer);
    return answer;
  };
  try {
    assert.deepEqual(await ask("/healthz"), [200, "SERVING\n"]);
    assert.deepEqual(await ask("/healthz?verbose"), [200, "SERVING\n"]);
    assert.deepEqual(await ask("/healthz", "HEAD"), [200, ""]);
    assert.deepEqual(await ask("/healthz/test.v1.Work"), [200, "SERVING\n"]);
    assert.deepEqual(await ask("/healthz/test.v1.Nobody"), [404, "SERVICE_UNKNOWN\n"]);
    assert.deepEqual(await ask("/healthz/%"), [404, "SERVICE_UNKNOWN\n"]);
    server.health.set("test.v1.Work", "NOT_SERVING");
    assert.deepEqual(await ask("/healthz/test.v1.Work"), [503, "NOT_SERVING\n"]);
    assert.deepEqual(await ask("/healthz"), [200, "SERVING\n"]);
    server.health.drain();
    assert.deepEqual(await ask("/healthz"), [503, "NOT_SERVING\n"]);
    assert.equal((await ask("/healthzebra"))[0], 405);
    assert.notEqual((await fetch(`http://${address}/healthz`, { method: "POST", body: "x" })).status, 200);
  } finally {
    session.destroy();
    await server.close(0);
  }
});

test("a server without health says nothing under healthz", async () => {
  const server = createServerOn(nodeRuntime, { health: false }).implement(Work, { get: () => ({}) });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  try {
    assert.notEqual((await fetch(`http://${address}/healthz`)).status, 200);
  } finally {
    await server.close(0);
  }
});
