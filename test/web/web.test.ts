/** The browser's client in a real browser: every dialect and codec, over HTTP/1.1 and HTTP/2, and what it weighs. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { tls } from "../../src/runtime/node/index.ts";
import { createServer, type Server } from "../../src/server/index.ts";
import { Cities } from "./contract.ts";

/** What the whole client may weigh in a page, minified and gzipped, without Zod. */
const budgetBytes = 45 * 1024;

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const required = process.env["MERIDIAN_REQUIRE"] === "all";

async function bundle(entry: string, external: string[]): Promise<string> {
  const { outputFiles } = await build({
    ...(entry.endsWith(".ts") ? { entryPoints: [entry] }
      : { stdin: { contents: entry, resolveDir: import.meta.dirname } }),
    bundle: true, minify: true, format: "esm", platform: "browser", write: false, external, logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

test(`the client weighs at most ${budgetBytes / 1024} KiB, and imports nothing of Node`, async (t) => {
  const text = await bundle(
    'import { createClient } from "../../src/web/index.ts"; globalThis.client = createClient;', ["zod"]);
  const bytes = gzipSync(text, { level: 9 }).length;
  t.diagnostic(`${(bytes / 1024).toFixed(1)} KiB`);
  assert.doesNotMatch(text, /from"node:/);
  assert.ok(bytes <= budgetBytes, `${bytes} bytes`);
});

const cities = ["Oslo", "Lima", "Accra", "Hanoi", "Quito"];

function serve(options: Parameters<typeof createServer>[0], seen: string[]): Server {
  const city = (name: string) => ({ name, population: 9_007_199_254_740_993n, lat: 59.9, lon: -0.0 });
  return createServer({ metrics: false, ...options }).implement(Cities, {
    find({ name }, context) {
      seen.push(context.metadata["x-who"] ?? "");
      if (!cities.includes(name)) throw Cities.methods.find.error("CityNotFound", { city: name });
      return city(name);
    },
    async *list({ count, pauseMs }) {
      for (let n = 0; n < count; n++) {
        if (n > 0) await sleep(pauseMs);
        yield city(cities[n % cities.length] as string);
      }
    },
    never: (_input, context) => new Promise((_resolve, reject) => {
      context.onCancel({ cancelled: (reason) => { seen.push("cancelled"); reject(reason); } });
    }),
    async upload(items) {
      let count = 0;
      for await (const item of items) count += item.name === "Oslo" ? 1 : 0;
      return { count };
    },
  });
}

describe("in Chromium", { skip: executablePath === undefined && !required && "chromium is not installed" }, () => {
  let browser: Browser;
  let pages: HttpServer;
  let origin = "";
  let folder = "";
  before(async () => {
    const script = await bundle(join(import.meta.dirname, "page.ts"), []);
    pages = createHttpServer((request, response) => {
      const isScript = request.url?.startsWith("/page.js") === true;
      response.writeHead(200, {
        "content-type": isScript ? "text/javascript" : "text/html",
        // No code from strings: the codec must do without.
        "content-security-policy": "default-src 'self'; connect-src *",
      });
      response.end(isScript ? script : "<!doctype html><title>calls</title><script type=module src=/page.js></script>");
    });
    await new Promise<void>((resolve) => { pages.listen(0, "127.0.0.1", resolve); });
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    folder = mkdtempSync(join(tmpdir(), "meridian-web-"));
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "2", "-keyout", join(folder, "key"), "-out", join(folder, "cert"), "-subj", "/CN=127.0.0.1",
      "-addext", "subjectAltName=IP:127.0.0.1"], { stdio: "pipe" });
    browser = await chromium.launch({
      ...(executablePath === undefined ? undefined : { executablePath }),
      args: ["--no-sandbox", "--ignore-certificate-errors"],
    });
  });
  after(async () => {
    await browser.close();
    pages.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const secure of [false, true]) {
    test(secure ? "HTTP/2 over TLS" : "HTTP/1.1", { timeout: 120_000 }, async (t) => {
      const seen: string[] = [];
      const server = serve({
        http: { cors: { origins: [origin] } },
        tls: secure ? tls({ cert: { file: join(folder, "cert") }, key: { file: join(folder, "key") } }) : undefined,
      }, seen);
      const address = await server.listen();
      t.after(() => server.close(0));
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(`${origin}/?server=${encodeURIComponent(`${secure ? "https" : "http"}://${address}`)}`);
      const body = page.locator("body[data-outcome]");
      await body.waitFor({ state: "attached", timeout: 60_000 });
      const told = await body.getAttribute("data-outcome") ?? "";
      const outcome = JSON.parse(told) as Record<string, Record<string, unknown>>;
      assert.equal(outcome["failed"], undefined);
      const { nowhere, ...dialects } = outcome;
      assert.equal(nowhere?.["code"], "unavailable");
      assert.match(String(nowhere?.["message"]), /does it allow this origin/);
      assert.equal(Object.keys(dialects).length, 10);
      for (const [name, found] of Object.entries(dialects)) {
        assert.deepEqual(found["found"], { name: "Oslo", population: "9007199254740993", lat: 59.9, lon: 0 }, name);
        assert.deepEqual(found["names"], cities, name);
        assert.equal(found["streamed"], true, `${name}: items came one by one`);
        assert.deepEqual(found["declared"], { city: "Atlantis", code: "not_found" }, name);
        assert.equal(found["left"], 3, name);
        assert.equal((found["late"] as { code: string }).code, "deadline_exceeded", name);
        assert.equal((found["cancelled"] as { code: string }).code, "cancelled", name);
        if (name.startsWith("websocket")) assert.deepEqual(found["upload"], { value: { count: 2 } });
        else assert.match((found["upload"] as { message: string }).message, /streams its request, which fetch cannot/);
      }
      assert.deepEqual(complaints, []);
      assert.ok(seen.includes("page"));
      const ended = seen.filter((one) => one === "cancelled").length;
      assert.ok(ended >= 20, `of what the page gave up, ${ended} ended on the server`);
      await page.close();
    });
  }

  test("a WebSocket that broke is made anew, and pages of other origins get none", { timeout: 60_000 }, async (t) => {
    const options = { http: { cors: { origins: [origin] } } };
    const first = serve(options, []);
    const address = await first.listen();
    const page = await browser.newPage();
    t.after(() => page.close());
    await page.goto(`${origin}/?server=`);
    const find = (of: string, name: string): Promise<unknown> => page.evaluate(
      ([url, city]) => (globalThis as unknown as { find(...args: unknown[]): Promise<unknown> }).find(url, city),
      [`http://${of}`, name]);
    assert.deepEqual(await find(address, "Oslo"), { value: "Oslo" });
    await first.close(0);
    const second = serve(options, []);
    await second.listen({ port: Number(address.slice(address.lastIndexOf(":") + 1)) });
    t.after(() => second.close(0));
    assert.deepEqual(await find(address, "Lima"), { value: "Lima" });

    const strict = serve({}, []);
    const other = await strict.listen();
    t.after(() => strict.close(0));
    await page.reload();
    assert.match(JSON.stringify(await find(other, "Oslo")), /"code":"unavailable".*origins/);
  });
});
