// Apache Thrift for Python on the other end: its generated client calls us, and we call its servers.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClient, createServer, type Server, thrift, type ThriftOptions } from "../../src/index.ts";
import { isError } from "../../src/contract/index.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { Cities, citiesFile, handlers } from "./cities.ts";
import { pythonFile } from "./compiled.ts";
import { isInstalled, lacking, outputOf, python, startServer } from "./programs.ts";
import { everything, Greeter, greeterHandlers } from "./thrift/contract.ts";
import { peersIdl } from "./thrift/idl.ts";

const skip = lacking("thrift", "python-thrift");
const directory = mkdtempSync(join(tmpdir(), "meridian-thrift-"));
before(async () => {
  if (isInstalled("thrift")) await outputOf("thrift", ["--gen", "py", "-out", directory, peersIdl]);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const told = {
  search: ["Berlin", "Barcelona", "Bremen"], nearest: "Berlin", favouriteId: 103, cityId: 99, hello: "Hello Ada",
  sum: 2, same: true, refused: ["never", 2], notes: ["one", "two"],
};

describe("Python calls us", { skip }, () => {
  let server: Server;
  let address: string;
  before(async () => {
    server = createServer().implement(Cities, handlers).implement(Greeter, greeterHandlers());
    address = await server.listen();
  });
  after(() => server.close(1_000));

  const variants = [
    ...["framed", "buffered"].flatMap((transport) =>
      ["binary", "accelerated", "compact", "compact-accelerated", "json"]
        .map((protocol) => `${transport}/${protocol}`)),
    "framed/binary/multiplexed", "buffered/compact/multiplexed", "header/binary", "header/compact",
    "http/binary", "http/compact", "http/json", "http/compact/multiplexed",
  ];
  test(variants.join(", "), async () => {
    const said = JSON.parse(await outputOf(python,
      [pythonFile("thrift_client.py"), directory, address, ...variants])) as Record<string, Record<string, unknown>>;
    for (const variant of variants) {
      const { invalid, ...rest } = said[variant] as { invalid: [number, string] };
      assert.deepEqual(rest, told, variant);
      assert.equal(invalid[0], 7, variant);
      assert.match(invalid[1], /prefix/, variant);
    }
  });

  test("over a Unix socket", async () => {
    const other = createServer().implement(Cities, handlers).implement(Greeter, greeterHandlers());
    const path = join(directory, "thrift.sock");
    await other.listen({ path });
    try {
      const args = [pythonFile("thrift_client.py"), directory, `unix:${path}`, "unix/binary"];
      const said = JSON.parse(await outputOf(python, args)) as Record<string, { hello: string }>;
      assert.equal(said["unix/binary"]?.hello, "Hello Ada");
    } finally {
      await other.close(1_000);
    }
  });
});

describe("we call Python", { skip }, () => {
  const variants: readonly ThriftOptions[] = [
    ...(["framed", "buffered"] as const).flatMap((transport) =>
      (["binary", "compact", "json"] as const).map((encoding) => ({ transport, encoding }))),
    { transport: "framed", encoding: "binary", multiplexed: true }, { transport: "header", encoding: "binary" },
    { transport: "header", encoding: "compact" }, { transport: "http", encoding: "binary" },
    { transport: "http", encoding: "compact" }, { transport: "http", encoding: "json" },
  ];
  for (const options of variants) {
    const { transport = "framed", encoding = "binary", multiplexed = false } = options;
    const start = (which: string) => startServer(python, [
      pythonFile("thrift_server.py"), directory, citiesFile, transport, encoding, multiplexed ? "multiplexed" : which,
    ]);

    test(`${transport}/${encoding}${multiplexed ? ", multiplexed" : ""}: the greeter`, async () => {
      const running = await start("Greeter");
      const client = createClient(Greeter, { address: `127.0.0.1:${running.port}`, protocol: thrift(options) });
      try {
        assert.equal(await client.sayHello({ name: "Ada" }), "Hello Ada");
        assert.deepEqual(await client.ping({}), {});
        assert.deepEqual(await Promise.all([1, 2, 3].map((b) => client.add({ a: 1, b }))), [2, 3, 4]);
        const value = { ...everything, inner: everything };
        assert.deepEqual(await client.echo({ value }), value);
        const error = await codeOf(client.refuse({ why: "no" }));
        assert.ok(isError(error, Greeter.methods.refuse, "Refused"), error.message);
        assert.deepEqual([error.code, error.data], ["aborted", { why: "no", times: 2 }]);
        await client.note({ text: "one" });
        await client.note({ text: "two" });
        assert.deepEqual(await client.notes({}), ["one", "two"]);
      } finally {
        client.$.close();
        await running.stop();
      }
    });

    test(`${transport}/${encoding}${multiplexed ? ", multiplexed" : ""}: Cities`, async () => {
      const running = await start("Cities");
      const client = createClient(Cities, { address: `127.0.0.1:${running.port}`, protocol: thrift(options) });
      try {
        const { cities } = await client.search({ prefix: "b", limit: 3 });
        assert.deepEqual(cities.map(({ name }) => name), told.search);
        assert.equal((await client.saveFavourite({ user: "ada", cityId: 3 })).favouriteId, 103);
        const missing = await codeOf(client.saveFavourite({ user: "ada", cityId: 99 }));
        assert.deepEqual([missing.code, missing.reason, missing.data], ["not_found", "CityNotFound", { cityId: 99 }]);
        const broken = await codeOf(client.search({ prefix: "broken", limit: 1 }));
        assert.equal(broken.code, "internal");
        const unknown = await codeOf(client.favourites({ user: "a", limit: 1 }));
        assert.equal(unknown.code, "unimplemented");
      } finally {
        client.$.close();
        await running.stop();
      }
    });
  }
});
