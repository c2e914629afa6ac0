// Every system that the benchmarks measure echoes a record, from one process to another.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ceilings, ours, peers } from "../../bench/contenders.ts";
import { measure } from "../../bench/harness/measure.ts";
import { proxyNamed } from "../../bench/harness/proxies.ts";

const timing = { warmUpMs: 100, measureMs: 100 };
const closed = { kind: "closed", outstanding: 4 } as const;

for (const system of [...ours, ...peers, ...ceilings]) {
  test(`${system} echoes M`, async () => {
    const { perSecond, serverCpu } = await measure({ system, shape: "M", load: closed, timing });
    assert.ok(perSecond > 0 && serverCpu > 0);
  });
}

for (const system of ["meridian", "grpc-js"]) {
  for (const kind of ["receive", "send"] as const) {
    test(`${system} streams: ${kind}`, async () => {
      // It fails by itself if a stream ends before all its messages came; how many streams fit in is all one.
      const { clientCpu } = await measure({ system, shape: "S", load: { kind }, timing });
      assert.ok(clientCpu !== undefined);
    });
  }
}

const overHttp = [
  "connect:grpc", "connect:h1-json", "connect:h1-proto", "connect:h2-json", "connect:h2-proto", "fastify", "trpc:http",
  "trpc:batch", "meridian-connect:h1-json", "meridian-connect:h1-proto", "meridian-connect:h2-json",
  "meridian-connect:h2-proto",
];
for (const system of overHttp) {
  test(`${system} echoes S`, async () => {
    const { perSecond } = await measure({ system, shape: "S", load: closed, timing });
    assert.ok(perSecond > 0);
  });
}

/** Who of the gRPC benchmark can be paired with whom. */
const grpc = ["meridian-grpc", "grpc-js", "connect:grpc"];
for (const system of grpc) {
  for (const client of grpc) {
    test(`${client} calls ${system}, over TLS as well, and streams both ways`, async () => {
      for (const tls of [false, true]) {
        const { perSecond } = await measure({ system, client, shape: "S", load: closed, timing, tls });
        assert.ok(perSecond > 0);
      }
      for (const kind of ["receive", "send"] as const) {
        await measure({ system, client, shape: "S", load: { kind }, timing });
      }
    });
  }
}

test("undici calls our server", async () => {
  const { perSecond } = await measure({
    system: "meridian-connect:h1-json", client: "undici", shape: "M", load: closed, timing,
  });
  assert.ok(perSecond > 0);
});

test("gRPC through the gateway comes back", async () => {
  const { perSecond } = await measure({
    system: "meridian-grpc", shape: "M", load: closed, timing, proxy: proxyNamed("meridian-grpc"),
  });
  assert.ok(perSecond > 0);
});

test("calls through the gateway come back, and its processor time is measured", async () => {
  const { perSecond, proxyCpu } = await measure({
    system: "meridian", shape: "M", load: closed, timing, proxy: proxyNamed("meridian"),
  });
  assert.ok(perSecond > 0 && (process.platform !== "linux" || (proxyCpu ?? 0) > 0));
});
