import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient, createServer } from "../../src/index.ts";
import { exportAvro } from "../../src/contract/avro/index.ts";
import { codeNumber, RpcError } from "../../src/core/index.ts";
import { avro, type AvroProtocolOptions } from "../../src/protocol/index.ts";
import { converseByAvsc, expectedByAvro, serveByAvsc, type AvroSaid } from "./avsc-peer.ts";
import { Cities, citiesFile, handlers, hurryMs, namesOf } from "./cities.ts";
import { outputOf, python, startServer } from "./programs.ts";

const avpr = exportAvro(Cities, { omit: true });
const peer = fileURLToPath(new URL("python/avro_peer.py", import.meta.url));
const lacksPython = spawnSync(python, ["-c", "import avro.ipc"]).status === 0 ? false : "not installed: python3-avro";
const folder = mkdtempSync(join(tmpdir(), "avro-peers-"));
const file = join(folder, "cities.avpr");
const server = createServer().implement(Cities, handlers);
let port = 0;

before(async () => {
  writeFileSync(file, avpr);
  port = Number((await server.listen()).split(":")[1]);
});
after(async () => {
  await server.close(0);
  rmSync(folder, { recursive: true });
});

/** Makes the calls with our own client. */
async function converse(at: number, options: AvroProtocolOptions): Promise<AvroSaid> {
  const client = createClient(Cities, { address: `127.0.0.1:${at}`, protocol: avro(options) });
  const failure = async (call: Promise<unknown>): Promise<RpcError> => {
    const error: unknown = await call.then(() => assert.fail("the call should have failed"), (why: unknown) => why);
    return RpcError.is(error) ? error : assert.fail(String(error));
  };
  try {
    let servedBy: string | undefined;
    const { cities } = await client.search({ prefix: "b", limit: 3 }, {
      onMetadata: (kind, metadata) => {
        if (kind === "header") servedBy = metadata["x-served-by"];
      },
    });
    const { favouriteId } = await client.saveFavourite({ user: "ada", cityId: 3 });
    const missing = await failure(client.saveFavourite({ user: "ada", cityId: 99 }));
    const slow = await failure(client.search({ prefix: "slow", limit: 1 }, { timeoutMs: hurryMs }));
    return {
      search: namesOf(cities), servedBy, favouriteId, slow: codeNumber(slow.code),
      error: {
        code: codeNumber(missing.code), message: missing.message, reason: missing.reason,
        cityId: (missing.data as { cityId: number } | undefined)?.cityId,
      },
    };
  } finally {
    client.$.close();
  }
}

for (const transport of ["serial", "framed", "http"] as const) {
  test(`our client calls our server by Avro, ${transport}`, async () => {
    assert.deepEqual(await converse(port, { transport }), expectedByAvro("meridian"));
  });
}

for (const how of ["socket", "http"] as const) {
  test(`avsc calls our server, ${how}`, async () => {
    assert.deepEqual(await converseByAvsc(avpr, port, how), expectedByAvro("meridian"));
  });

  test(`our client calls avsc's server, ${how}`, async () => {
    const theirs = await serveByAvsc(avpr, how);
    try {
      const said = await converse(theirs.port, { transport: how === "socket" ? "serial" : "http" });
      // The contract says the code; the message is one that only Meridian's servers send.
      const want = expectedByAvro("avsc");
      assert.deepEqual(said, { ...want, error: { ...want.error, message: "CityNotFound" } });
    } finally {
      await theirs.stop();
    }
  });
}

test("Apache's Python calls our server over HTTP", { skip: lacksPython }, async () => {
  for (const path of ["/", "/geo.v1.Cities"]) {
    const said = JSON.parse(await outputOf(python, [peer, "client", String(port), file, path])) as unknown;
    assert.deepEqual(said, expectedByAvro("meridian"));
  }
});

test("our client calls a server in Apache's Python over HTTP", { skip: lacksPython }, async () => {
  const theirs = await startServer(python, [peer, "server", file, citiesFile]);
  try {
    const want = expectedByAvro("");
    assert.deepEqual(await converse(theirs.port, { transport: "http" }),
      { ...want, servedBy: undefined, error: { ...want.error, message: "CityNotFound" } });
  } finally {
    await theirs.stop();
  }
});
