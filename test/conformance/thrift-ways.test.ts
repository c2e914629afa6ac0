/** Thrift's ways through TLS, THeader's zlib, and gateways with another wire in front or behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import { createClientOn } from "../../src/client/index.ts";
import { isError } from "../../src/contract/index.ts";
import { endpointAddress, RpcError } from "../../src/core/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import { grpc, type Protocol, thrift, thriftWire } from "../../src/protocol/index.ts";
import { nodeRuntime, tls } from "../../src/runtime/node/index.ts";
import { createServerOn, type ServerOptions } from "../../src/server/index.ts";
import type { Compression } from "../../src/wire/index.ts";
import { certificateDirectory, certificateIn } from "../../bench/harness/certificate.ts";
import { codeOf, Law, lawHandlers } from "./protocol-cases.ts";

const zlib: Compression = {
  name: "zlib",
  compress: (bytes) => deflateSync(bytes),
  decompress(bytes, maxBytes) {
    try {
      return inflateSync(bytes, { maxOutputLength: maxBytes });
    } catch (cause) {
      const isLarge = (cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
      throw new RpcError(isLarge ? "resource_exhausted" : "invalid_argument", "zlib", { cause });
    }
  },
};

async function talk(address: string, protocol: Protocol | undefined, security?: ReturnType<typeof tls>): Promise<void> {
  const client = createClientOn(nodeRuntime, Law, { address, protocol, tls: security });
  try {
    const item = { n: 7, text: "a".repeat(5_000) };
    assert.deepEqual(await client.echo(item), item);
    const error = await codeOf(client.fail({ how: "declared" }));
    assert.ok(isError(error, Law.methods.fail, "Sold"), error.message);
    assert.deepEqual([error.message, error.data], ["all sold", { left: 0, name: "ticket" }]);
    const other = await codeOf(client.fail({ how: "rpc" }));
    assert.deepEqual([other.code, other.message, other.retryAfterMs], ["not_found", "no such thing", 25]);
  } finally {
    client.$.close();
  }
}

async function serving(options: ServerOptions, act: (address: string) => Promise<void>): Promise<void> {
  const server = createServerOn(nodeRuntime, options).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  try {
    await act(await server.listen());
  } finally {
    await server.close(1_000);
  }
}

test("THeader compressed by zlib, both ways; refused where the server has none", async () => {
  const protocol = thrift({ transport: "header", zlib });
  await serving({ wires: [thriftWire({ zlib })] }, (address) => talk(address, protocol));
  await serving({}, async (address) => {
    const client = createClientOn(nodeRuntime, Law, { address, protocol, retry: false });
    assert.equal((await codeOf(client.echo({ n: 1, text: "" }, { timeoutMs: 20_000 }))).code, "unavailable");
    client.$.close(0);
  });
  assert.throws(() => thrift({ zlib }), /zlib is "zlib"/);
});

for (const transport of ["framed", "buffered", "header", "http"] as const) {
  test(`${transport} through a gateway: Thrift in front of native, native and gRPC in front of Thrift`, async () => {
    await serving({}, async (address) => {
      for (const [front, behind] of [
        [thrift({ transport }), undefined], [undefined, thrift({ transport })], [grpc(), thrift({ transport })],
        [thrift({ transport, encoding: "compact" }), thrift({ transport, encoding: "binary" })],
        [thrift({ transport }), thrift({ transport })],
      ] as const) {
        const gateway = createGatewayOn(nodeRuntime, {
          region: "eu", contracts: [Law], client: behind === undefined ? {} : { protocol: behind },
          discovery: {
            watch(_name, watcher) {
              watcher.snapshot([endpointAddress({ address })]);
              return () => undefined;
            },
          },
        });
        try {
          await talk(await gateway.listen(), front);
        } finally {
          await gateway.close(0);
        }
      }
    });
  });
}

test("TLS: framed, buffered, THeader and HTTP", async () => {
  const { certificate, key } = certificateIn(certificateDirectory());
  await serving({ tls: tls({ cert: { file: certificate }, key: { file: key } }) }, async (address) => {
    for (const transport of ["framed", "buffered", "header", "http"] as const) {
      await talk(address, thrift({ transport }), tls({ ca: { file: certificate } }));
    }
  });
});
