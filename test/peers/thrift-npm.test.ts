// The npm package `thrift` on the other end, with what Thrift's compiler makes for Node: its client calls us, and we
// call its server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo, Server as NetServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import thriftLibrary from "thrift";
import { isError } from "../../src/contract/index.ts";
import { createClient, createServer, type Server, thrift } from "../../src/index.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { Cities, found, handlers } from "./cities.ts";
import { isInstalled, lacking, outputOf } from "./programs.ts";
import { Greeter, greeterHandlers } from "./thrift/contract.ts";
import { peersIdl } from "./thrift/idl.ts";

/* eslint-disable @typescript-eslint/no-explicit-any */
const library: any = thriftLibrary;
const skip = lacking("thrift");
/** Within the project, so that generated code finds the package. */
const within = fileURLToPath(new URL("../.tmp", import.meta.url));
mkdirSync(within, { recursive: true });
const directory = mkdtempSync(join(within, "thrift-npm-"));
const require = createRequire(import.meta.url);
const load = (name: string): any => require(join(directory, `${name}.js`));
before(async () => {
  if (!isInstalled("thrift")) return;
  await outputOf("thrift", ["--gen", "js:node,es6", "-out", directory, peersIdl]);
  // The project's own files are modules of the other kind.
  writeFileSync(join(directory, "package.json"), '{"type":"commonjs"}');
});
after(() => rmSync(directory, { recursive: true, force: true }));

const encodings = {
  binary: "TBinaryProtocol", compact: "TCompactProtocol", json: "TJSONProtocol",
} as const;
const transports = { framed: "TFramedTransport", buffered: "TBufferedTransport" } as const;
type Transport = keyof typeof transports;
type Encoding = keyof typeof encodings;
const variants = (Object.keys(transports) as Transport[]).flatMap((transport) =>
  (Object.keys(encodings) as Encoding[]).map((encoding) => ({ transport, encoding })));
const optionsOf = (transport: Transport, encoding: Encoding): object =>
  ({ transport: library[transports[transport]], protocol: library[encodings[encoding]] });

describe("npm thrift calls us", { skip }, () => {
  let server: Server;
  let port: number;
  before(async () => {
    server = createServer().implement(Cities, handlers).implement(Greeter, greeterHandlers());
    port = Number((await server.listen()).split(":")[1]);
  });
  after(() => server.close(1_000));

  for (const { transport, encoding } of variants) {
    test(`${transport}/${encoding}`, async () => {
      const connection = library.createConnection("127.0.0.1", port, optionsOf(transport, encoding));
      try {
        const greeter = library.createClient(load("Greeter"), connection);
        assert.deepEqual(await Promise.all([1, 2, 3].map((b) => greeter.add(1, b))), [2, 3, 4]);
        assert.equal(await greeter.sayHello("Ada"), "Hello Ada");
        await greeter.ping();
        const refused = await greeter.refuse("no").then(() => assert.fail(), (error: unknown) => error);
        assert.deepEqual([refused.why, refused.times], ["no", 2]);
        greeter.note("one");
        assert.deepEqual(await greeter.notes(), ["one"]);
        const cities = library.createClient(load("Cities"), connection);
        const said = await cities.search("b", 3);
        assert.deepEqual(said.cities.map(({ name }: { name: string }) => name), ["Berlin", "Barcelona", "Bremen"]);
        const invalid = await cities.search("", 3).then(() => assert.fail(), (error: unknown) => error);
        assert.equal(invalid.type, library.Thrift.TApplicationExceptionType.PROTOCOL_ERROR);
      } finally {
        connection.end();
      }
    });
  }

  test("multiplexed", async () => {
    const connection = library.createConnection("127.0.0.1", port, optionsOf("framed", "binary"));
    try {
      const multiplexer = new library.Multiplexer();
      const greeter = multiplexer.createClient("Greeter", load("Greeter"), connection);
      const cities = multiplexer.createClient("Cities", load("Cities"), connection);
      assert.equal(await greeter.sayHello("Ada"), "Hello Ada");
      assert.equal((await cities.saveFavourite("ada", 3)).favouriteId, 103);
    } finally {
      connection.end();
    }
  });
});

describe("we call npm thrift", { skip }, () => {
  for (const { transport, encoding } of variants) {
    test(`${transport}/${encoding}`, async () => {
      const types = load("peers_types");
      const theirs = library.createServer(load("Cities"), {
        search: (prefix: string, limit: number, answer: any) =>
          answer(null, new types.SearchOutput({ cities: found(prefix, limit).map((city) => new types.City(city)) })),
        nearest: (_lat: number, _lon: number, _count: number, answer: any) => answer(new Error("a bug")),
        saveFavourite: (_user: string, cityId: number, answer: any) =>
          answer(cityId === 99 ? new types.CityNotFound({ cityId })
            : null, new types.SaveFavouriteOutput({ favouriteId: 100 + cityId, replayed: false })),
      }, optionsOf(transport, encoding)) as NetServer;
      theirs.listen(0, "127.0.0.1");
      await once(theirs, "listening");
      const address = `127.0.0.1:${(theirs.address() as AddressInfo).port}`;
      const client = createClient(Cities, { address, protocol: thrift({ transport, encoding }) });
      try {
        const all = await Promise.all(["b", "h", "b"].map((prefix) => client.search({ prefix, limit: 3 })));
        assert.deepEqual(all.map(({ cities }) => cities[0]?.name), ["Berlin", found("h", 3)[0]?.name, "Berlin"]);
        assert.equal((await client.saveFavourite({ user: "ada", cityId: 3 })).favouriteId, 103);
        const missing = await codeOf(client.saveFavourite({ user: "ada", cityId: 99 }));
        assert.ok(isError(missing, Cities.methods.saveFavourite, "CityNotFound"), missing.message);
        assert.deepEqual(missing.data, { cityId: 99 });
        const broken = await codeOf(client.nearest({ lat: 1, lon: 1, count: 1 }));
        assert.match(broken.message, /a bug/);
      } finally {
        client.$.close(0);
        theirs.close();
      }
    });
  }
});
