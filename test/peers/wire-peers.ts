/** The peers of Thrift, Avro, JSON-RPC, plain HTTP and WebSocket, each making the same typed calls of `Cities`. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { decode, encode } from "@msgpack/msgpack";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { Client as RpcWebSocket } from "rpc-websockets";
import thriftLibrary from "thrift";
import { exportAvro } from "../../src/contract/avro/index.ts";
import { converseByAvsc } from "./avsc-peer.ts";
import { Cities, expected, namesOf, type Said, serviceName } from "./cities.ts";
import { pythonFile } from "./compiled.ts";
import { goThriftPeer, javaAvroPath, lackingNewer, newerPython } from "./newer.ts";
import { lacking, outputOf, python } from "./programs.ts";
import { peersIdl } from "./thrift/idl.ts";

/** What a peer was told, as far as its wire can say it. */
export type Heard = { readonly [Name in keyof Said]?: Name extends "error" ? Partial<Said["error"]> : Said[Name] };

/** Every peer must have made the two calls that every wire has, and heard what the others did. */
export function assertHeard(heard: Heard, servedBy = "meridian"): void {
  const told = expected(servedBy);
  for (const name of ["search", "favouriteId", "error"] as const) assert.ok(name in heard, `${name} was not heard`);
  const { error, ...rest } = heard;
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(value, told[name as keyof Said], name);
  for (const [name, value] of Object.entries(error ?? {})) {
    assert.equal(value, told.error[name as keyof Said["error"]], `error.${name}`);
  }
}

/** Calls whoever listens at `address`, by all peers of these wires. */
export async function wirePeers(t: TestContext, address: string): Promise<void> {
  await thriftPeers(t, address);
  await avroPeers(t, address);
  await jsonRpcPeers(t, address);
  await curls(t, address);
  await browser(t, address);
}

const within = fileURLToPath(new URL("../.tmp", import.meta.url));

/** What Thrift's compiler makes for a language; gone when the process ends. */
export async function generated(language: string): Promise<string> {
  // Within the project, so that generated code finds the package.
  mkdirSync(within, { recursive: true });
  const directory = mkdtempSync(join(within, "one-port-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  await outputOf("thrift", ["--gen", language, "-out", directory, peersIdl]);
  // The project's own files are modules of the other kind.
  writeFileSync(join(directory, "package.json"), '{"type":"commonjs"}');
  return directory;
}

const thriftVariants = [
  "framed/binary", "buffered/binary", "framed/compact", "buffered/compact", "header/compact", "http/binary",
  "framed/binary/multiplexed",
];

interface ByVariant {
  readonly library: string;
  readonly told: Readonly<Record<string, Heard>>;
}

async function thriftPeers(t: TestContext, address: string): Promise<void> {
  const pythons = [["Python thrift", undefined], ["Python thrift of PyPI", newerPython()]] as const;
  for (const [name, library] of pythons) {
    const isNewer = name !== "Python thrift";
    const skip = lacking("thrift") || (isNewer ? lackingNewer("pypi") : lacking("python-thrift"));
    await t.test(`${name}: ${thriftVariants.join(", ")}`, { skip }, async () => {
      const args = [pythonFile("thrift_cities.py"), await generated("py"), address, ...thriftVariants];
      const { library: used, told } = JSON.parse(await outputOf(python, args, { library })) as ByVariant;
      assert.equal(used.includes(".cache"), library !== undefined, used);
      for (const variant of thriftVariants) assertHeard(told[variant] ?? {});
    });
  }
  const variants = thriftVariants.filter((one) => /^(?:framed|buffered|header).[a-z]+$/.test(one));
  await t.test(`Go thrift: ${variants.join(", ")}`, { skip: lackingNewer("goThrift") }, async () => {
    const told = JSON.parse(await outputOf(goThriftPeer() ?? "", [address, ...variants])) as ByVariant["told"];
    for (const variant of variants) assertHeard(told[variant] ?? {});
  });
  await t.test("npm thrift: binary and compact, framed and buffered", { skip: lacking("thrift") }, async () => {
    const directory = await generated("js:node,es6");
    for (const protocol of ["TBinaryProtocol", "TCompactProtocol"]) {
      for (const transport of ["TFramedTransport", "TBufferedTransport"]) {
        assertHeard(await npmThrift(directory, address, protocol, transport));
      }
    }
  });
}

/** The package has types for half of what it exports. */
// oxlint-disable-next-line typescript/no-explicit-any
const npm: any = thriftLibrary;

async function npmThrift(directory: string, address: string, protocol: string, transport: string): Promise<Heard> {
  const [host, port] = address.split(":");
  const connection = npm.createConnection(host, Number(port), { protocol: npm[protocol], transport: npm[transport] });
  try {
    const generatedClient: unknown = createRequire(import.meta.url)(join(directory, "Cities.js"));
    const cities = npm.createClient(generatedClient, connection);
    const missing = cities.saveFavourite("ada", 99)
      .then(() => assert.fail("it should fail"), (error: unknown) => error);
    return {
      search: namesOf((await cities.search("b", 3)).cities),
      favouriteId: (await cities.saveFavourite("ada", 3)).favouriteId,
      error: { cityId: (await missing).cityId },
    };
  } finally {
    connection.end();
  }
}

async function avroPeers(t: TestContext, address: string): Promise<void> {
  const avpr = exportAvro(Cities, { omit: true });
  const port = Number(address.split(":").pop());
  for (const how of ["socket", "http"] as const) {
    await t.test(`npm avsc, ${how}`, async () => assertHeard(await converseByAvsc(avpr, port, how)));
  }
  const folder = mkdtempSync(join(tmpdir(), "meridian-avpr-"));
  const file = join(folder, "cities.avpr");
  writeFileSync(file, avpr);
  for (const [name, library] of [["Python avro", undefined], ["Python avro of PyPI", newerPython()]] as const) {
    const skip = name === "Python avro" ? lacking("python-avro") : lackingNewer("pypi");
    await t.test(name, { skip }, async () => {
      const args = [pythonFile("avro_peer.py"), "client", String(port), file, `/${serviceName}`];
      assertHeard(JSON.parse(await outputOf(python, args, { library })) as Heard);
    });
  }
  for (const how of ["netty", "http"]) {
    await t.test(`Java avro-ipc, ${how}`, { skip: lackingNewer("javaAvro") }, async () => {
      const args = ["-cp", javaAvroPath() ?? "", "AvroPeer", file, String(port), how, `/${serviceName}`];
      assertHeard(JSON.parse(await outputOf("java", args)) as Heard);
    });
  }
  rmSync(folder, { recursive: true });
}

interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly reason: string; readonly data: { readonly cityId: number } };
}

async function jsonRpcPeers(t: TestContext, address: string): Promise<void> {
  await t.test("npm rpc-websockets: JSON-RPC over WebSocket", async () => {
    const client = new RpcWebSocket(`ws://${address}`, { reconnect: false });
    await new Promise((resolve, reject) => {
      client.once("open", () => resolve(undefined));
      client.once("error", reject);
    });
    try {
      const call = (method: string, params: object) => client.call(`${serviceName}.${method}`, params);
      const { cities } = await call("search", { prefix: "b", limit: 3 }) as { cities: { name: string }[] };
      const { favouriteId } = await call("saveFavourite", { user: "ada", cityId: 3 }) as { favouriteId: number };
      const missing = await call("saveFavourite", { user: "ada", cityId: 99 })
        .then(() => assert.fail("it should fail"), (error: unknown) => error as JsonRpcError);
      assertHeard({ search: namesOf(cities), favouriteId, error: errorOf(missing) });
    } finally {
      client.close();
    }
  });
  await t.test("curl: a batch of JSON-RPC", { skip: lacking("curl") }, async () => {
    const calls = [["search", { prefix: "b", limit: 3 }], ["saveFavourite", { user: "ada", cityId: 3 }],
      ["saveFavourite", { user: "ada", cityId: 99 }]] as const;
    const batch = calls.map(([method, params], id) =>
      ({ jsonrpc: "2.0", id, method: `${serviceName}/${method}`, params }));
    const all = JSON.parse(await outputOf("curl", ["-sS", "--fail", `http://${address}/jsonrpc`,
      "-H", "content-type: application/json", "--data", JSON.stringify(batch)])) as { id: number }[];
    const [search, saved, missing] = all.sort((a, b) => a.id - b.id) as unknown as [
      { result: { cities: { name: string }[] } }, { result: { favouriteId: number } }, { error: JsonRpcError },
    ];
    assertHeard({
      search: namesOf(search.result.cities), favouriteId: saved.result.favouriteId, error: errorOf(missing.error),
    });
  });
}

function errorOf({ code, message, data }: JsonRpcError): Partial<Said["error"]> {
  return { code: -32_000 - code, message, reason: data.reason, cityId: data.data.cityId };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const utf8 = (said: string): Uint8Array => new TextEncoder().encode(said);

interface Form {
  readonly type: string;
  write(name: string, value: Readonly<Record<string, unknown>>): Uint8Array;
  /** What is read is whatever came: the assertions say what it must be. */
  names(body: Uint8Array): string[];
  number(body: Uint8Array, name: string): number;
}

const forms: Readonly<Record<string, Form>> = {
  JSON: {
    type: "application/json", write: (_, value) => utf8(JSON.stringify(value)),
    names: (body) => namesOf((JSON.parse(text(body)) as { cities: { name: string }[] }).cities),
    number: (body, name) => Number(new RegExp(`"${name}":"?(\\d+)`).exec(text(body))?.[1]),
  },
  XML: {
    type: "application/xml",
    write: (name, value) => utf8(`<${name}>${Object.entries(value)
      .map(([key, one]) => `<${key}>${String(one)}</${key}>`).join("")}</${name}>`),
    names: (body) => [...text(body).matchAll(/<name>([^<]*)<\/name>/g)].map(([, name = ""]) => name),
    number: (body, name) => Number(new RegExp(`<${name}>(\\d+)`).exec(text(body))?.[1]),
  },
  MessagePack: {
    type: "application/msgpack", write: (_, value) => encode(value),
    names: (body) => namesOf((decode(body) as { cities: { name: string }[] }).cities),
    number: (body, name) => Number(new RegExp(`"${name}":"?(\\d+)`).exec(JSON.stringify(decode(body)))?.[1]),
  },
};

async function curls(t: TestContext, address: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-curl-"));
  const [sent, came] = [join(folder, "sent"), join(folder, "came")];
  for (const [name, { type, write, names, number }] of Object.entries(forms)) {
    await t.test(`curl: plain HTTP in ${name}`, { skip: lacking("curl") }, async () => {
      const post = async (method: string, value: Readonly<Record<string, unknown>>) => {
        writeFileSync(sent, write(method, value));
        const [status = "", servedBy] = (await outputOf("curl", ["-sS", "-o", came, "-H", `content-type: ${type}`,
          "-H", `accept: ${type}`, "--data-binary", `@${sent}`, "-w", "%{http_code} %header{x-served-by}",
          `http://${address}/${serviceName}/${method}`])).split(" ");
        return { status, servedBy, body: new Uint8Array(readFileSync(came)) };
      };
      const search = await post("Search", { prefix: "b", limit: 3 });
      const saved = await post("SaveFavourite", { user: "ada", cityId: 3 });
      const missing = await post("SaveFavourite", { user: "ada", cityId: 99 });
      assert.equal(missing.status, "404");
      assertHeard({
        search: names(search.body), servedBy: search.servedBy, favouriteId: number(saved.body, "favouriteId"),
        error: { cityId: number(missing.body, "cityId") },
      });
    });
  }
  rmSync(folder, { recursive: true });
}

/** Runs in the page, with the client for browsers. */
const script = `
  import { createClient, websocket } from "../../src/web/index.ts";
  import { Cities, places } from "./web-cities.ts";
  globalThis.converse = async (baseUrl) => {
    const client = createClient(Cities, { baseUrl, dialect: websocket() });
    const { cities } = await client.search({ prefix: "b", limit: 3 });
    const byCountry = [];
    for await (const { name } of client.byCountry({ country: "DE" })) byCountry.push(name);
    const { counts, total } = await client.countByCountry(places);
    const { favouriteId } = await client.saveFavourite({ user: "ada", cityId: 3 });
    const missing = await client.saveFavourite({ user: "ada", cityId: 99 }).then(() => undefined, (error) => error);
    return {
      search: cities.map(({ name }) => name), byCountry, counts: { ...counts }, total, favouriteId,
      error: { message: missing.message, reason: missing.reason, cityId: missing.data.cityId },
    };
  };
`;

async function browser(t: TestContext, address: string): Promise<void> {
  await t.test("Chromium over WebSocket, streams included", { skip: lacking("chromium") }, async () => {
    const { outputFiles } = await build({
      stdin: { contents: script, resolveDir: import.meta.dirname }, bundle: true, format: "iife", platform: "browser",
      write: false, logLevel: "error",
    });
    const running = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
    try {
      const page = await running.newPage();
      // A page that came from the server itself: browsers let others into the local network only when asked.
      await page.goto(`http://${address}/healthz`);
      await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
      assertHeard(await page.evaluate<Heard>(`converse("http://${address}")`));
    } finally {
      await running.close();
    }
  });
}
