// The typed calls of `Cities` by curl, in JSON, XML and MessagePack, and by a browser's EventSource: plain HTTP.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import { chromium } from "playwright-core";
import { SaxesParser } from "saxes";
import { createClient, createServer, httpJson, type Server } from "../../src/index.ts";
import { Cities, cities, converse, expected, handlers, hurryMs } from "./cities.ts";
import { lacking } from "./programs.ts";

let server: Server;
let base: string;
before(async () => {
  server = createServer();
  server.implement(Cities, handlers);
  base = `http://${await server.listen()}/${Cities.name}`;
});
after(() => server.close(0));

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly servedBy: string | undefined;
  readonly body: Buffer;
}

/** Runs curl: `body` goes by standard input, so that it may be anything. */
async function curl(
  path: string, body: Uint8Array | undefined, headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const sent = body === undefined ? [] : ["--data-binary", "@-"];
  const child = spawn("curl", ["-sS", "-i", "-m", "30", ...given, ...sent, base + path]);
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => void parts.push(part));
  child.stdin.end(body ?? "");
  const [code] = await once(child, "close") as [number];
  assert.equal(code, 0, `curl ended with ${code}`);
  const stdout = Buffer.concat(parts);
  const end = stdout.indexOf("\r\n\r\n");
  const head = stdout.subarray(0, end).toString();
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trim();
  return {
    status: Number(head.split(" ")[1]), type: field("content-type") ?? "", servedBy: field("x-served-by"),
    body: stdout.subarray(end + 4),
  };
}

interface Form {
  readonly type: string;
  write(name: string, value: Readonly<Record<string, unknown>>): Uint8Array;
  read(body: Buffer): Json;
}

// What is read is whatever came: the assertions say what it must be.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Elements as objects; those that are there several times, or are known to be lists, as arrays. */
function readXml(body: Buffer): Json {
  const open: Record<string, Json>[] = [{}];
  const texts: string[] = [""];
  const parser = new SaxesParser();
  parser.on("opentag", () => {
    open.push({});
    texts.push("");
  });
  parser.on("text", (part) => void (texts[texts.length - 1] += part));
  parser.on("closetag", ({ name }) => {
    const members = open.pop() as Record<string, Json>;
    const own = texts.pop() as string;
    const value: Json = Object.keys(members).length > 0 ? members : own;
    const around = open.at(-1) as Record<string, Json>;
    around[name] = name in around ? [around[name], value].flat() : value;
  });
  parser.write(body.toString()).close();
  return Object.values(open[0] as object)[0];
}

const forms: Readonly<Record<string, Form>> = {
  JSON: {
    type: "application/json", write: (_, value) => text(JSON.stringify(value)),
    read: (body) => JSON.parse(body.toString()),
  },
  XML: {
    type: "application/xml",
    write: (name, value) => text(`<${name}>${Object.entries(value)
      .map(([key, one]) => `<${key}>${String(one)}</${key}>`).join("")}</${name}>`),
    read: readXml,
  },
  MessagePack: {
    type: "application/msgpack", write: (_, value) => encode(value), read: (body) => decode(body) as Json,
  },
};

for (const [name, { type, write, read }] of Object.entries(forms)) {
  const headers = { "content-type": type, accept: type };
  test(`curl in ${name} answers as every peer does`, { skip: lacking("curl") }, async () => {
    const told = expected("meridian");
    const search = await curl("/Search", write("search", { prefix: "b", limit: 3 }), headers);
    assert.deepEqual([search.status, search.type, search.servedBy], [200, type, told.servedBy]);
    assert.deepEqual((read(search.body).cities as Json[]).map((one) => one.name as string), told.search);
    const saved = await curl("/SaveFavourite", write("favourite", { user: "ada", cityId: 3 }), headers);
    assert.equal(Number(read(saved.body).favouriteId), told.favouriteId);
    const missing = await curl("/SaveFavourite", write("favourite", { user: "ada", cityId: 99 }), headers);
    assert.deepEqual([missing.status, missing.type], [404, type]);
    const root = read(missing.body);
    const error = name === "XML" ? root : root.error;
    assert.deepEqual([Number(error.code), error.status, error.message], [404, "NOT_FOUND", told.error.message]);
    assert.equal(error.details[0].reason, told.error.reason);
    assert.equal(Number(error.details[1].cityId), told.error.cityId);
    const slow = await curl("/Search", write("search", { prefix: "slow", limit: 1 }),
      { ...headers, "grpc-timeout": `${hurryMs}m` });
    assert.equal(slow.status, 504);
  });
}

test("curl reads streams as lines and as events, and sends lines", { skip: lacking("curl") }, async () => {
  const told = expected("meridian");
  const lines = await curl("/ByCountry?country=DE", undefined, {});
  assert.equal(lines.type, "application/x-ndjson");
  const names = lines.body.toString().trim().split("\n").map((line) => (JSON.parse(line) as { name: string }).name);
  assert.deepEqual(names, told.byCountry);
  const events = await curl("/ByCountry?country=DE", undefined, { accept: "text/event-stream" });
  assert.equal(events.type, "text/event-stream");
  assert.match(events.body.toString(), /^id: 1\ndata: \{.*"Berlin".*\}\n\nid: 2\n/);
  assert.match(events.body.toString(), /\n\nevent: end\nid: end\ndata: \{\}\n\n$/);
  const places = cities.map(({ lat, lon }) => `${JSON.stringify({ lat, lon })}\n`).join("");
  const counted = await curl("/CountByCountry", text(places), { "content-type": "application/x-ndjson" });
  const { counts, total } = JSON.parse(counted.body.toString()) as { counts: object; total: number };
  assert.deepEqual([{ ...counts }, total], [told.counts, told.total]);
});

test("what is asked wrongly is told what is offered", { skip: lacking("curl") }, async () => {
  const body = text('{"prefix":"b","limit":3}');
  const strange = await curl("/Search", body, { "content-type": "text/csv", accept: "application/json" });
  assert.equal(strange.status, 415);
  assert.match(strange.body.toString(), /application\/json, application\/xml, text\/xml, application\/msgpack/);
  const unreadable = await curl("/Search?prefix=b&limit=3", undefined, { accept: "text/csv" });
  assert.equal(unreadable.status, 406);
  assert.match(unreadable.body.toString(), /offered are application\/json, application\/xml/);
  const weighed = await curl("/Search?prefix=b&limit=3", undefined,
    { accept: "application/json;q=0.3, text/xml;q=0.9, */*;q=0.1" });
  assert.equal(weighed.type, "text/xml");
  assert.equal((await curl("/Search?prefix=b&limit=3", undefined, { "last-event-id": "end" })).status, 200);
  const again = { accept: "text/event-stream", "last-event-id": "end" };
  const over = await curl("/ByCountry?country=DE", undefined, again);
  assert.equal(over.status, 204);
  const invalid = await curl("/Search?prefix=b&limit=900", undefined, {});
  assert.equal(invalid.status, 400);
  assert.match(invalid.body.toString(), /limit/);
});

for (const http of [1, 2] as const) {
  test(`our client over HTTP/${http} has the whole conversation`, async () => {
    const address = base.slice("http://".length, base.lastIndexOf("/"));
    const client = createClient(Cities, { address, protocol: httpJson({ http }) });
    try {
      const said = await converse(client);
      assert.deepEqual({ ...said, counts: { ...said.counts } }, expected("meridian"));
    } finally {
      client.$.close();
    }
  });
}

test("a browser reads events by EventSource and is not made to ask again", { skip: lacking("chromium") }, async () => {
  const page = createHttpServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>events</title>");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => void page.once("listening", resolve));
  const origin = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const open = createServer({ http: { cors: { origins: [origin] } } }).implement(Cities, handlers);
  const address = await open.listen();
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const tab = await browser.newPage();
    await tab.goto(origin);
    const seen = await tab.evaluate(async (url) => {
      const source = new EventSource(url);
      const names: string[] = [];
      await new Promise<void>((resolve, reject) => {
        source.addEventListener("message", ({ data }) =>
          void names.push((JSON.parse(data as string) as { name: string }).name));
        source.addEventListener("end", () => resolve());
        source.addEventListener("error", (event) => {
          if (event instanceof MessageEvent) reject(new Error(event.data as string));
        });
      });
      // Left alone it asks again, and hears that there is no more.
      while (source.readyState !== EventSource.CLOSED) await new Promise((resolve) => void setTimeout(resolve, 50));
      return names;
    }, `http://${address}/${Cities.name}/ByCountry?country=DE`);
    assert.deepEqual(seen, expected("meridian").byCountry);
  } finally {
    await browser.close();
    await open.close(0);
    page.close();
  }
});
