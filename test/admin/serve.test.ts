// The served admin over real sockets: who gets in, and every way in that a page of the web might try.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  AdminContract, adminSource, createAdmin, mergedAdmin, serveAdmin, type ServeOptions, type Snapshot,
} from "../../src/admin/index.ts";
import { createClient } from "../../src/client/index.ts";
import { RpcError, Secret } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGateway, gatewayServiceName } from "../../src/gateway/index.ts";
import { connect, grpc, type Protocol } from "../../src/protocol/index.ts";
import { secret } from "../../src/runtime/node/index.ts";
import { createServer } from "../../src/server/index.ts";
import { Shop } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-admin-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const token = new Secret(() => "a token that nobody would guess");

async function open(options: ServeOptions = {}) {
  const admin = createAdmin({ name: "test", region: "eu" });
  const served = await serveAdmin(admin, { port: 0, token, ...options });
  return {
    admin, served, address: served.address,
    async close() {
      admin.close();
      await served.close();
    },
  };
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function ask(
  address: string, path: string, headers: Record<string, string>, body: string | undefined, method = "POST",
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const colon = address.lastIndexOf(":");
    const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
    const sent = httpRequest({ host, port, path, method, headers, setHost: false, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => void (text += part)).on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on("error", reject).end(body);
  });
}

const drain = `/${AdminContract.name}/Drain`;
const describe = `/${AdminContract.name}/Describe`;
const json = "application/json";
const change = JSON.stringify({ region: "eu", reason: "x" });
const bearer = { authorization: `Bearer ${token.reveal()}` };

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    return RpcError.from(error);
  }
  assert.fail("expected a failure");
}

test("on loopback everybody reads, and operators alone change: by every protocol", async () => {
  const { admin, address, close } = await open();
  const protocols: (Protocol | undefined)[] = [undefined, grpc(), connect()];
  for (const protocol of protocols) {
    const client = createClient(AdminContract, { address, metrics: false, ...(protocol && { protocol }) });
    const told = await client.describe({});
    assert.deepEqual([told.name, told.mayOperate], ["test", false]);
    assert.match(told.why, /without a token/);
    const nobody = await failure(client.drain({ region: "eu", reason: "x" }));
    assert.equal(nobody.code, "unauthenticated", `${protocol?.name}: ${nobody.message}`);
    const forged = await failure(client.drain({ region: "eu", reason: "x" },
      { metadata: { authorization: "Bearer a token that somebody made up" } }));
    assert.equal(forged.code, "unauthenticated");
    // A wrong token is not taken for none, also where none is needed.
    assert.equal((await failure(client.describe({}, { metadata: { authorization: "Bearer nonsense nonsense" } }))).code,
      "unauthenticated");
    assert.equal(admin.control.isDrained("eu"), false);
    assert.equal((await client.describe({}, { metadata: bearer })).mayOperate, true);
    await client.drain({ region: "eu", reason: "x" }, { metadata: bearer });
    assert.equal(admin.control.isDrained("eu"), true);
    await client.undrain({ region: "eu", reason: "x" }, { metadata: bearer });
    client.$.close(0);
  }
  const lines = admin.audit.list();
  assert.ok(lines.some(({ allowed, who, action }) => allowed && who === "token:operator" && action === "drain"));
  assert.ok(lines.some(({ allowed, action, outcome }) =>
    !allowed && /drain/i.test(action) && outcome.startsWith("refused")));
  assert.ok(!JSON.stringify(lines, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))
    .includes(token.reveal()), "no secret is written down");
  await close();
});

test("every method that changes something needs the token", async () => {
  const { address, close } = await open();
  for (const method of Object.values(AdminContract.methods)) {
    if (method.kind !== "unary") continue;
    const { status, body } = await ask(address, `/${AdminContract.name}/${method.wireName}`,
      { "host": address, "content-type": json }, "{}");
    if (method.safe === true) assert.notEqual(status, 401, `${method.name}: ${body}`);
    else assert.equal(status, 401, `${method.name}: ${body}`);
  }
  await close();
});

test("a page that points its own name here (DNS rebinding) is refused, reading too", async () => {
  const { admin, address, close } = await open();
  for (const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", ""]) {
    for (const [path, body] of [[describe, "{}"], [drain, change]] as const) {
      const reply = await ask(address, path, { host, "content-type": json, ...bearer }, body);
      assert.ok(reply.status === 403 || (host === "" && reply.status === 400), `${host} ${path}: ${reply.status}`);
      if (host !== "") assert.match(reply.body, /this server is not called/);
    }
  }
  assert.equal(admin.control.isDrained("eu"), false);
  const port = address.slice(address.lastIndexOf(":"));
  for (const host of [address, `localhost${port}`, `LOCALHOST${port}`, `[::1]${port}`]) {
    assert.equal((await ask(address, describe, { host, "content-type": json }, "{}")).status, 200, host);
  }
  await close();
});

test("a page of elsewhere (CSRF) is refused by origin, fetch metadata, or as a form, and shown nothing", async () => {
  const { admin, address, close } = await open();
  const host = address;
  const attacks: [name: string, headers: Record<string, string>][] = [
    ["another origin", { "origin": "https://evil.example", "content-type": json }],
    ["an opaque origin", { "origin": "null", "content-type": json }],
    ["another port of this host", { "origin": "http://127.0.0.1:1", "content-type": json }],
    ["this host by another scheme", { "origin": `ftp://${host}`, "content-type": json }],
    ["cross-site by fetch metadata", { "sec-fetch-site": "cross-site", "content-type": json }],
    ["same-site by fetch metadata", { "sec-fetch-site": "same-site", "content-type": json }],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }],
    ["a form with files", { "content-type": "multipart/form-data; boundary=x" }],
    ["text, as a form can send it", { "content-type": "text/plain;charset=UTF-8" }],
    ["no type", {}],
  ];
  for (const [name, headers] of attacks) {
    // Even if a browser could be brought to send the token along.
    const reply = await ask(address, drain, { host, ...bearer, ...headers }, change);
    assert.equal(reply.status, 403, `${name}: ${reply.status} ${reply.body}`);
    assert.match(reply.body, /"code":"permission_denied","message":"/, name);
    assert.equal(reply.headers["access-control-allow-origin"], undefined, name);
  }
  const preflight = await ask(address, drain, {
    host, "origin": "https://evil.example", "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
  }, undefined, "OPTIONS");
  assert.equal(preflight.headers["access-control-allow-origin"], undefined);
  assert.equal(preflight.status, 403);
  const image = await ask(address, `${describe}?encoding=json&message=%7B%7D&connect=v1`,
    { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }, undefined, "GET");
  assert.equal(image.status, 403, "an <img> of elsewhere");
  assert.equal(admin.control.isDrained("eu"), false);
  const own = await ask(address, drain, { host, "origin": `http://${host}`, "content-type": json, ...bearer }, change);
  assert.equal(own.status, 200, own.body);
  assert.equal(admin.control.isDrained("eu"), true);
  await close();
});

test("a WebSocket of a page of elsewhere is refused", async () => {
  const { address, close } = await open();
  const upgrade = {
    "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol": "meridian.native",
  };
  for (const more of [{ host: address, origin: "https://evil.example" }, { host: "evil.example" }]) {
    const reply = await ask(address, "/", { ...upgrade, ...more }, undefined, "GET");
    assert.equal(reply.status, 403, JSON.stringify(more));
  }
  await close();
});

test("the token is taken of the authorization header alone", async () => {
  const { admin, address, close } = await open();
  const secretText = encodeURIComponent(token.reveal());
  const tries: [path: string, headers: Record<string, string>][] = [
    [`${drain}?token=${secretText}`, {}], [`${drain}?access_token=${secretText}`, {}],
    [drain, { cookie: `token=${secretText}; authorization=Bearer ${secretText}` }],
    [drain, { "x-api-key": token.reveal() }], [drain, { "proxy-authorization": `Bearer ${token.reveal()}` }],
    [drain, { authorization: `Basic ${Buffer.from(`operator:${token.reveal()}`).toString("base64")}` }],
    [drain, { authorization: token.reveal() }], [drain, { authorization: "Bearer " }],
    [drain, { authorization: `Bearer ${token.reveal()}x` }],
    [drain, { authorization: `Bearer ${token.reveal().slice(1)}` }],
  ];
  for (const [path, headers] of tries) {
    const reply = await ask(address, path, { "host": address, "content-type": json, ...headers }, change);
    assert.ok(reply.status >= 400 && reply.status < 500, `${path} ${JSON.stringify(headers)}: ${reply.status}`);
  }
  assert.equal(admin.control.isDrained("eu"), false);
  await close();
});

test("nothing else is served there: no health, no reflection, no documents, no JSON-RPC", async () => {
  const { address, close } = await open();
  for (const path of ["/", "/healthz", "/openapi.json", "/docs", "/grpc.health.v1.Health/Check", "/metrics"]) {
    const reply = await ask(address, path, { host: address }, undefined, "GET");
    assert.ok(reply.status >= 400 && reply.status < 500, `${path}: ${reply.status} ${reply.body}`);
  }
  const rpc = await ask(address, "/jsonrpc", { "host": address, "content-type": json },
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "Admin/drain", params: {} }));
  assert.ok(rpc.status >= 400, `${rpc.status}`);
  for (const service of ["grpc.health.v1.Health/Check", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]) {
    const reply = await ask(address, `/${service}`, { "host": address, "content-type": json, ...bearer }, "{}");
    assert.ok(reply.status >= 400, `${service}: ${reply.status} ${reply.body}`);
  }
  await close();
});

test("beyond loopback reading needs the token too, and the name must be listed", async () => {
  const { address, close } = await open({ host: "0.0.0.0", hosts: ["ops.example"] });
  const port = address.slice(address.lastIndexOf(":"));
  const at = `127.0.0.1${port}`;
  const nobody = await ask(at, describe, { "host": `ops.example${port}`, "content-type": json }, "{}");
  assert.equal(nobody.status, 401, nobody.body);
  const reader = await ask(at, describe, { "host": `ops.example${port}`, "content-type": json, ...bearer }, "{}");
  assert.equal(reader.status, 200, reader.body);
  const other = await ask(at, describe, { "host": `10.0.0.1${port}`, "content-type": json, ...bearer }, "{}");
  assert.equal(other.status, 403);
  assert.match(other.body, /it may be reached as localhost, 127\.0\.0\.1, \[::1\], ops\.example/);
  await close();
});

test("pages of a listed origin may ask, and are told so by name, never by *", async () => {
  const { address, close } = await open({ origins: ["https://ops.example"] });
  const reply = await ask(address, describe,
    { "host": address, "origin": "https://ops.example", "content-type": json }, "{}");
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["access-control-allow-origin"], "https://ops.example");
  await close();
});

test("a token is made once, in a file that its owner alone can read; others are refused", async () => {
  const file = join(folder, "made", "admin-token");
  const first = await open({ token: { file } });
  const text = readFileSync(file, "utf8").trim();
  assert.ok(text.length >= 43, "256 bits");
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(first.served.tokenFile, file);
  const second = await open({ token: { file } });
  assert.equal(readFileSync(file, "utf8").trim(), text, "the second uses what the first made");
  const source = adminSource("second", { address: second.address, token: secret({ file }) });
  assert.match((await source.calls.drain({ region: "eu", reason: "" })).text, /gets no new calls/);
  source.close();
  await first.close();
  await second.close();
  const open2 = join(folder, "open-token");
  writeFileSync(open2, "x".repeat(40), { mode: 0o644 });
  await assert.rejects(open({ token: { file: open2 } }), /others may read the token at .*chmod 600/);
  const short = join(folder, "short-token");
  writeFileSync(short, "x\n", { mode: 0o600 });
  await assert.rejects(open({ token: { file: short } }), /fewer than 16 characters/);
  await assert.rejects(open({ token: { env: "MERIDIAN_NO_SUCH_TOKEN" } }),
    /the environment has no MERIDIAN_NO_SUCH_TOKEN/);
});

test("three regions: a killed one is seen within the interval, and the merged admin says who is missing", async () => {
  const known = memoryDiscovery();
  const regions = ["eu", "us", "ap"];
  const stopped: (() => Promise<void>)[] = [];
  const places = await Promise.all(regions.map(async (region) => {
    const server = createServer({ region, registry: known, metrics: false });
    server.implement(Shop, {
      read: () => ({ by: region }), pay: () => ({ by: region }),
      watch: async function* () {
        yield { by: region };
      },
    });
    await server.listen();
    const admin = createAdmin({ region, name: region, intervalMs: 250 });
    const gateway = admin.add(createGateway(admin.forGateway({ region, discovery: known, registry: known })));
    await gateway.listen();
    const served = await serveAdmin(admin, { port: 0, token });
    const stop = async (): Promise<void> => {
      admin.close();
      await Promise.all([server.close(0), gateway.close(0), served.close()]);
    };
    stopped.push(stop);
    return { region, admin, address: served.address, stop };
  }));
  const shop = createClient(Shop, { region: "eu", discovery: known, name: gatewayServiceName, metrics: false });
  const merged = mergedAdmin(places.map(({ region, address }) => adminSource(region, { address, token })),
    { intervalMs: 250 });
  const until = async (what: string, holds: (snapshot: Snapshot) => boolean): Promise<Snapshot> => {
    for (const endMs = Date.now() + 30_000; Date.now() < endMs;) {
      await shop.read({ ms: 0 });
      const snapshot = merged.snapshot();
      if (holds(snapshot)) return snapshot;
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
    assert.fail(`${what}: ${JSON.stringify(merged.snapshot(), (_key, value: unknown) =>
      (typeof value === "bigint" ? String(value) : value))}`);
  };
  await until("all three are followed", ({ missing, flows }) => missing.length === 0 &&
    flows.some(({ from, to }) => from === "eu" && to === "eu"));
  await places[0]?.stop();
  const after = await until("eu is missing, and its calls go elsewhere", ({ missing, flows }) =>
    missing.some(({ name }) => name === "eu") && flows.some(({ to }) => to !== "eu"));
  assert.match(after.missing[0]?.why ?? "", /./);
  const row = after.regions.find(({ name }) => name === "eu");
  assert.equal(row?.ready ?? 0, 0);
  merged.close();
  shop.$.close(0);
  await Promise.all(stopped.slice(1).map((stop) => stop()));
});
