import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { createServer, type Server } from "../server/index.ts";
import type { CorsOptions } from "./cors.ts";

const Echo = service("cors.v1.Echo", {
  say: rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string() }) }),
});
const page = "https://app.example.com";

async function serving(cors: CorsOptions, act: (url: string, server: Server) => Promise<void>): Promise<void> {
  const server = createServer({ metrics: false, http: { cors } }).implement(Echo, {
    say(input, context) {
      context.setHeader("x-seen-by", "echo");
      return input;
    },
  });
  const address = await server.listen();
  try {
    await act(`http://${address}/cors.v1.Echo/Say`, server);
  } finally {
    await server.close(0);
  }
}

const preflight = (url: string, origin: string): Promise<Response> => fetch(url, {
  method: "OPTIONS",
  headers: {
    origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,x-tenant",
  },
});
const call = (url: string, headers: Record<string, string>): Promise<Response> => fetch(url, {
  method: "POST", headers: { "content-type": "application/json", ...headers }, body: '{"text":"hello"}',
});

test("a page of an allowed origin may call, and see the reply with its headers", async () => {
  await serving({ origins: [page] }, async (url) => {
    const asked = await preflight(url, page);
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get("access-control-allow-origin"), page);
    assert.equal(asked.headers.get("access-control-allow-headers"), "content-type,x-tenant");
    assert.equal(asked.headers.get("access-control-max-age"), "7200");
    const reply = await call(url, { origin: page });
    assert.deepEqual(await reply.json(), { text: "hello" });
    assert.equal(reply.headers.get("access-control-allow-origin"), page);
    assert.match(reply.headers.get("access-control-expose-headers") ?? "", /x-seen-by/);
    assert.equal(reply.headers.get("vary"), "origin");
  });
});

test("pages of others get no leave, and who is no page is served as ever", async () => {
  await serving({ origins: [page] }, async (url) => {
    const asked = await preflight(url, "https://evil.example.com");
    assert.equal(asked.headers.get("access-control-allow-origin"), null);
    const reply = await call(url, {});
    assert.equal(reply.headers.get("access-control-allow-origin"), null);
    assert.deepEqual(await reply.json(), { text: "hello" });
  });
  await serving({ origins: "*", maxAgeSeconds: 60 }, async (url) => {
    const asked = await preflight(url, "https://any.example.com");
    assert.equal(asked.headers.get("access-control-allow-origin"), "https://any.example.com");
    assert.equal(asked.headers.get("access-control-max-age"), "60");
  });
});

test("what allows nobody, or too many, is refused at once", () => {
  const refusal = (cors: CorsOptions): string => {
    try {
      createServer({ metrics: false, http: { cors } });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(refusal({ origins: ["app.example.com"] }), /"app.example.com" is no origin; write scheme and host/);
  assert.match(refusal({ origins: "*", credentials: true }), /credentials are not for origins "\*"/);
});
