// Every system that the benchmarks measure echoes both records, from one process to another.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ceilings, ours, peers } from "../../bench/contenders.ts";
import { measure } from "../../bench/harness/measure.ts";
import { proxyNamed } from "../../bench/harness/proxies.ts";
import type { Shape } from "../../bench/records.ts";

const timing = { warmUpMs: 10, measureMs: 50 };
const closed = { kind: "closed", outstanding: 4 } as const;

for (const system of [...ours, ...peers, ...ceilings]) {
  for (const shape of ["S", "M"] satisfies Shape[]) {
    test(`${system} echoes ${shape}`, async () => {
      const { perSecond, serverCpu } = await measure({ system, shape, load: closed, timing });
      assert.ok(perSecond > 0 && serverCpu > 0);
    });
  }
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
  "trpc:batch",
];
for (const system of overHttp) {
  test(`${system} echoes S and M`, async () => {
    for (const shape of ["S", "M"] satisfies Shape[]) {
      const { perSecond } = await measure({ system, shape, load: closed, timing });
      assert.ok(perSecond > 0);
    }
  });
}

/** Who of the gRPC benchmark can be paired with whom. */
const grpc = ["grpc-js", "connect:grpc"];
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

test("calls through the gateway come back, and its processor time is measured", async () => {
  const { perSecond, proxyCpu } = await measure({
    system: "meridian", shape: "M", load: closed, timing, proxy: proxyNamed("meridian"),
  });
  assert.ok(perSecond > 0 && (process.platform !== "linux" || (proxyCpu ?? 0) > 0));
});
