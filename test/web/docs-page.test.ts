/** The page of a server's methods in a real browser: forms, calls, streams, errors, labels, contrast, policy. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import * as z from "zod";
import { createServer, RpcError, rpc, type Server, service } from "../../src/index.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const required = process.env["MERIDIAN_REQUIRE"] === "all";

const City = z.object({
  name: z.string().describe("As its people write it."), population: z.int64(), isCapital: z.boolean(),
  kind: z.enum(["harbour", "inland"]), founded: z.date().optional(), aliases: z.array(z.string()),
}).meta({ id: "City" });
const Tree = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
}).meta({ id: "Tree" });
const Atlas = service("geo.v1.Atlas", {
  getCity: rpc({
    input: z.object({ name: z.string(), deep: z.boolean().optional(), limit: z.int32().optional(),
      tags: z.array(z.string()) }),
    output: z.object({ city: City, deep: z.boolean(), limit: z.int32(), tags: z.array(z.string()), who: z.string() }),
    safe: true, http: { get: "/v1/{name=countries/*/cities/*}" }, description: "One city, </script> by its name.",
  }),
  putCity: rpc({
    input: z.object({ id: z.string(), city: City }), output: City, idempotent: true,
    http: { put: "/v1/cities/{id}", body: "city" },
  }),
  growTree: rpc({ input: Tree, output: Tree }),
  watchCities: rpc({
    kind: "server_stream", input: z.object({ count: z.int32(), failAt: z.int32().optional() }),
    output: z.object({ number: z.int32() }), safe: true, http: { get: "/v1/cities:watch" },
  }),
  wait: rpc({ input: z.object({}), output: z.object({}), http: { post: "/v1/wait", body: "*" } }),
});

/** Lets the second message go. */
let release: () => void = () => undefined;
const cancelled: string[] = [];

function serve(docs = true): Server {
  const json = { openApi: { title: "Atlas <of> cities", version: "2.1.0" }, docs };
  return createServer({ metrics: false, http: { json, cors: { origins: ["https://elsewhere.example"] } } })
    .implement(Atlas, {
      getCity({ name, deep = false, limit = 0, tags }, { metadata }) {
        if (name.endsWith("Atlantis")) throw new RpcError("not_found", `no city ${name}`);
        const kind = "harbour" as const;
        const city = { name, population: 9_007_199_254_740_993n, isCapital: true, kind, aliases: [] };
        return { city, deep, limit, tags, who: metadata["x-who"] ?? "" };
      },
      putCity: ({ id, city }) => ({ ...city, name: `${id}: ${city.name}` }),
      growTree: (tree) => tree,
      async *watchCities({ count, failAt }) {
        for (let number = 1; number <= count; number++) {
          if (number === 2) await new Promise<void>((resolve) => { release = resolve; });
          if (number === failAt) throw new RpcError("data_loss", "the map is torn");
          yield { number };
        }
      },
      wait: (_input, context) => new Promise((_resolve, reject) => {
        context.onCancel({ cancelled: (reason) => { cancelled.push(String(reason)); reject(reason); } });
      }),
    });
}

test("the page is served only where it is asked for, and true or false says so", async () => {
  const server = serve(false);
  const address = await server.listen();
  try {
    assert.equal((await fetch(`http://${address}/openapi.json`)).status, 200);
    assert.ok((await fetch(`http://${address}/docs`)).status >= 400);
  } finally {
    await server.close(0);
  }
  assert.throws(() => createServer({ http: { json: { docs: "yes" as never } } }), /http\.json\.docs/);
});

describe("in Chromium", { skip: executablePath === undefined && !required && "chromium is not installed" }, () => {
  let browser: Browser;
  let server: Server;
  let base = "";
  before(async () => {
    server = serve();
    base = `http://${await server.listen()}`;
    browser = await chromium.launch({
      ...(executablePath === undefined ? undefined : { executablePath }), args: ["--no-sandbox"],
    });
  });
  after(async () => {
    await browser.close();
    await server.close(0);
  });

  async function opened(scheme: "light" | "dark" = "light"): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage({ colorScheme: scheme, viewport: { width: 1280, height: 1000 } });
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // A refused call is an error to the console too.
      if (message.type() === "error" && !message.text().startsWith("Failed to load")) complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(base) && !request.url().startsWith("data:")) complaints.push(request.url());
    });
    await page.goto(`${base}/docs`);
    return { page, complaints };
  }

  const method = async (page: Page, name: string): Promise<Locator> => {
    const found = page.locator(`details[id="geo.v1.Atlas.${name}"]`);
    await found.locator("> summary").click();
    return found;
  };
  const field = (of: Locator, label: string): Locator => of.getByLabel(label, { exact: true });
  const send = (of: Locator): Promise<void> => of.getByRole("button", { name: "Send" }).click();
  const status = (of: Locator, text: RegExp): Promise<void> =>
    of.locator("[role=status]").filter({ hasText: text }).waitFor({ timeout: 30_000 });

  test("a unary call is filled in and made; errors say what they are", { timeout: 60_000 }, async () => {
    const { page, complaints } = await opened();
    assert.equal(await page.title(), "Atlas <of> cities");
    const get = await method(page, "getCity");
    await send(get);
    await status(get, /Not sent: name is required/);
    assert.equal(await field(get, "name").getAttribute("aria-invalid"), "true");
    assert.equal(await page.evaluate("document.activeElement.id"), await field(get, "name").getAttribute("id"));
    await field(get, "name").fill("countries/Norway/cities/Å s?");
    await field(get, "deep").selectOption("true");
    await field(get, "limit").fill("1.5");
    await send(get);
    await status(get, /whole number/);
    await field(get, "limit").fill("-3");
    await field(get, "tags").fill("a&b\nc d");
    await get.getByText("Headers and type of the reply").click();
    await field(get, "Headers").fill("X-Who: a person");
    await send(get);
    await status(get, /^200 OK in \d+ ms$/);
    const told = JSON.parse(await field(get, "Body of the reply").innerText()) as Record<string, unknown>;
    assert.deepEqual(told, {
      city: { name: "countries/Norway/cities/Å s?", population: "9007199254740993", isCapital: true, kind: "harbour" },
      deep: true, limit: -3, tags: ["a&b", "c d"], who: "a person",
    });
    assert.match(await field(get, "Headers of the reply").innerText(), /content-type: application\/json/);
    await field(get, "Reply as").selectOption("application/xml");
    await field(get, "name").press("Control+Enter");
    await field(get, "Body of the reply").filter({ hasText: /<[^>]+>a&amp;b</ }).waitFor();
    await field(get, "name").fill("countries/none/cities/Atlantis");
    await field(get, "Reply as").selectOption("application/json");
    await send(get);
    await status(get, /^404 Not Found in \d+ ms$/);
    assert.match(await field(get, "Body of the reply").innerText(), /"NOT_FOUND"[^]*no city countries\/none/);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("a body is filled in as a form, or written as JSON", { timeout: 60_000 }, async () => {
    const { page, complaints } = await opened();
    const put = await method(page, "putCity");
    await field(put, "id").fill("7/8");
    await field(put, "name").fill("Oslo");
    await field(put, "population").fill("9007199254740993");
    await field(put, "kind").selectOption("inland");
    await field(put, "aliases").fill("Christiania\nKristiania");
    await field(put, "Write it as JSON").check();
    const text = field(put, "Body");
    const written = JSON.parse(await text.inputValue()) as Record<string, unknown>;
    assert.deepEqual(written, { name: "Oslo", population: "9007199254740993", kind: "inland",
      aliases: ["Christiania", "Kristiania"] });
    await text.fill(JSON.stringify({ ...written, isCapital: true }));
    await field(put, "Write it as JSON").uncheck();
    assert.equal(await field(put, "isCapital").inputValue(), "true");
    await send(put);
    await status(put, /^200 OK/);
    assert.deepEqual(JSON.parse(await field(put, "Body of the reply").innerText()),
      { ...written, name: "7/8: Oslo", isCapital: true });
    const grow = await method(page, "growTree");
    await field(grow, "name").first().fill("oak");
    await field(grow, "children").first().fill('[{"name":"twig"}]');
    await send(grow);
    await status(grow, /^200 OK/);
    assert.deepEqual(JSON.parse(await field(grow, "Body of the reply").innerText()),
      { name: "oak", children: [{ name: "twig" }] });
    assert.deepEqual(complaints, []);
    await page.close();
  });

  for (const type of ["application/x-ndjson", "text/event-stream"]) {
    test(`a stream is shown as it comes: ${type}`, { timeout: 60_000 }, async () => {
      const { page, complaints } = await opened();
      const watch = await method(page, "watchCities");
      await watch.getByText("Headers and type of the reply").click();
      await field(watch, "Reply as").selectOption(type);
      await field(watch, "count").fill("3");
      await send(watch);
      await watch.getByLabel("Message 1").filter({ hasText: '"number": 1' }).waitFor();
      assert.equal(await watch.getByLabel("Message 2").count(), 0, "the second has not been sent yet");
      release();
      await status(watch, /^200 OK, 3 messages in \d+ ms$/);
      await field(watch, "failAt").fill("2");
      await send(watch);
      await status(watch, /messages follow/);
      await watch.getByLabel("Message 1").filter({ hasText: '"number": 1' }).waitFor();
      release();
      await status(watch, /^200 OK, 1 message in \d+ ms, then an error$/);
      assert.match(await field(watch, "Error").innerText(), /the map is torn/);
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test("a call is cancelled, and the server hears of it", { timeout: 60_000 }, async () => {
    const { page } = await opened();
    const wait = await method(page, "wait");
    await send(wait);
    await status(wait, /waiting/);
    await wait.getByRole("button", { name: "Cancel" }).click();
    await status(wait, /^Cancelled/);
    while (cancelled.length === 0) await sleep(20);
    await page.close();
  });

  test("methods are found by words, and by the address", { timeout: 60_000 }, async () => {
    const { page } = await opened();
    await page.getByLabel("Find a method", { exact: true }).fill("watch get");
    await page.getByText("1 method", { exact: true }).waitFor();
    assert.equal(await page.locator("details.method:visible").count(), 1);
    await page.goto(`${base}/docs?again#geo.v1.Atlas.wait`);
    await page.locator('details[id="geo.v1.Atlas.wait"] form').waitFor();
    await page.keyboard.press("Tab");
    await page.close();
  });

  for (const scheme of ["light", "dark"] as const) {
    test(`every control has a label, every text its contrast: ${scheme}`, { timeout: 60_000 }, async () => {
      const { page, complaints } = await opened(scheme);
      for (const name of ["getCity", "putCity", "growTree", "watchCities"]) await method(page, name);
      const watch = page.locator('details[id="geo.v1.Atlas.watchCities"]');
      await field(watch, "count").fill("1");
      await send(watch);
      await status(watch, /1 message in/);
      const get = page.locator('details[id="geo.v1.Atlas.getCity"]');
      await send(get);
      await status(get, /Not sent/);
      assert.deepEqual(await page.evaluate(judge), []);
      const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
      assert.equal(ground, scheme === "light" ? "rgb(255, 255, 255)" : "rgb(20, 23, 26)");
      const folder = process.env["MERIDIAN_SCREENSHOTS"];
      if (folder !== undefined) {
        mkdirSync(folder, { recursive: true });
        await page.screenshot({ path: join(folder, `docs-${scheme}.png`), fullPage: true });
        await page.setViewportSize({ width: 400, height: 800 });
        await page.screenshot({ path: join(folder, `docs-${scheme}-narrow.png`) });
      }
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test("it comes with a policy and a nonce of its own, and with no leave for other origins", async () => {
    const answers = await Promise.all([1, 2].map(() => fetch(`${base}/docs`)));
    const policies = answers.map((one) => one.headers.get("content-security-policy") ?? "");
    for (const [i, policy] of policies.entries()) {
      const nonce = /script-src 'nonce-([0-9a-f]{32})'/.exec(policy)?.[1] ?? assert.fail(policy);
      assert.match(policy, /^default-src 'none';.*frame-ancestors 'none'/);
      const text = await (answers[i] as Response).text();
      assert.equal(text.split(`nonce="${nonce}"`).length, 3);
      assert.equal(text.split("</script>").length, 3, "a description ends no script");
    }
    assert.notEqual(policies[0], policies[1]);
    const strange = await fetch(`${base}/docs`, { headers: { origin: "https://stranger.example" } });
    assert.equal(strange.headers.get("access-control-allow-origin"), null);
    const head = await fetch(`${base}/docs`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  });
});

/** Runs in the page: what lacks a name, repeats an id, is out of order, or cannot be read for want of contrast. */
const judge = String.raw`(() => {
  const wrong = [];
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  if (new Set(ids).size < ids.length) wrong.push("an id is there twice");
  for (const control of document.querySelectorAll("input, select, textarea")) {
    if ((control.labels?.length ?? 0) === 0 || control.labels?.[0]?.textContent.trim() === "") {
      wrong.push("no label: " + control.outerHTML.slice(0, 100));
    }
    for (const id of (control.getAttribute("aria-describedby") ?? "").split(" ")) {
      if (id !== "" && document.getElementById(id) === null) wrong.push("describedby nothing: " + id);
    }
  }
  for (const one of document.querySelectorAll("button, a, summary")) {
    if (one.textContent.trim() === "") wrong.push("no name: " + one.outerHTML.slice(0, 100));
  }
  if (document.querySelector("[tabindex]:not([tabindex='0'], [tabindex='-1'])") !== null) wrong.push("a forced order");
  if (document.documentElement.lang === "") wrong.push("no language");
  if (document.querySelectorAll("main").length !== 1) wrong.push("not one main part");
  let level = 0;
  for (const { tagName } of document.querySelectorAll("h1, h2, h3, h4")) {
    if (Number(tagName[1]) > level + 1) wrong.push(tagName + " behind H" + level);
    level = Number(tagName[1]);
  }
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = (color) => {
    const [r = 0, g = 0, b = 0] = channels(color).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (channels(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim() !== "") ||
      element.matches("input, select, textarea");
    if (!says || element.matches("script, noscript") || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(groundOf(element))].toSorted((x, y) => y - x);
    const ratio = ((a ?? 0) + 0.05) / ((b ?? 0) + 0.05);
    if (ratio < 4.5) wrong.push("contrast " + ratio.toFixed(2) + ": " + element.outerHTML.slice(0, 100));
  }
  return wrong;
})()`;
