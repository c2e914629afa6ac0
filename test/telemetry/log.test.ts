// The structured log as pino writes it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { z } from "zod";
import { createClient, createServer, RpcError, rpc, service } from "../../src/index.ts";
import { structuredLog } from "../../src/telemetry/index.ts";

const Word = z.object({ text: z.string() });
const Words = service("telemetry.v1.Logged", {
  say: rpc({ input: Word, output: Word }), keep: rpc({ input: Word, output: Word, idempotent: "keyed" }),
});
type Line = Readonly<Record<string, unknown>>;

function logger() {
  const lines: Line[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Line);
  return { lines, log: pino({ level: "debug" }, { write }) };
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

test("pino's lines bear the trace, the caller and the end of a call, and no credentials", async () => {
  const { lines, log } = logger();
  const observer = structuredLog(log, { ratio: 1 });
  await using server = createServer({ metrics: false, observer }).implement(Words, {
    say: ({ text }) => {
      throw new RpcError(text === "a" ? "internal" : "not_found", "Bearer abcdefghijklmnop was of no use");
    },
    keep: (word) => word,
  });
  using client = createClient(Words, { address: await server.listen(), metrics: false });
  await client.keep({ text: "x" }, { metadata: { traceparent }, idempotencyKey: "key-1" });
  await assert.rejects(client.say({ text: "a" }));
  await assert.rejects(client.say({ text: "b" }));
  const [good, bad, missing] = lines.filter(({ msg }) => msg === "handled");
  assert.equal(good?.["level"], 30);
  assert.equal(good["method"], "telemetry.v1.Logged/keep");
  assert.equal(good["code"], "ok");
  assert.equal(good["trace_id"], traceId);
  assert.equal(good["span_id"], "b7ad6b7169203331");
  assert.equal(good["call_id"], "key-1");
  assert.match(String(good["peer"]), /^127\.0\.0\.1:\d+$/);
  assert.ok(Number(good["duration_ms"]) >= 0);
  assert.deepEqual([bad?.["level"], bad?.["code"]], [50, "internal"]);
  assert.deepEqual([missing?.["level"], missing?.["code"]], [40, "not_found"]);
  assert.doesNotMatch(JSON.stringify(lines), /abcdefghijklmnop/);
});

test("failures are always told, the rest by the ratio", () => {
  const { lines, log } = logger();
  const draws = [0.5];
  const observer = structuredLog(log, { ratio: 0.1, random: { next: () => draws.shift() ?? 0.9 } });
  const call = { method: Words.methods.say, metadata: {} } as never;
  for (let i = 0; i < 20; i++) observer.callEnded?.(call, 1, undefined);
  assert.equal(lines.length, 0);
  draws.push(0.01);
  observer.callEnded?.(call, 1, undefined);
  observer.callEnded?.(call, 1, new RpcError("unavailable", "gone"));
  assert.deepEqual(lines.map(({ code }) => code), ["ok", "unavailable"]);
  const slow = structuredLog(log, { slowMs: 100 });
  slow.callEnded?.(call, 99, undefined);
  slow.callEnded?.(call, 100, undefined);
  assert.equal(lines.length, 3);
});

test("events are told at their level, without what is under a secret's name", () => {
  const { lines, log } = logger();
  const observer = structuredLog(log);
  observer.event?.("discovery.failed", { apiKey: "abc", why: "gone" });
  observer.event?.("region.share", { region: "eu" });
  assert.deepEqual(lines.map(({ level, msg }) => [level, msg]), [[40, "discovery.failed"], [30, "region.share"]]);
  assert.equal(lines[0]?.["apiKey"], "[redacted]");
  assert.throws(() => structuredLog(log, { ratio: 2 }), /ratio/);
  assert.throws(() => structuredLog(log, { ratio: 0.5 }), /random/);
});
