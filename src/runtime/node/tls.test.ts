import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type { ByteSink, ByteStream, Listener, Security } from "../../core/runtime.ts";
import { createNetwork } from "./network.ts";
import { tls, type TlsOptions } from "./tls.ts";

const network = createNetwork();
let folder = "";
const file = (name: string): string => join(folder, name);
const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

/** An authority, and certificates that it vouches for. */
function certify(name: string, days = "2", authority = "ca"): void {
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`,
    "-out", `${name}.csr`, "-subj", `/CN=${name}`);
  writeFileSync(file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
  openssl("x509", "-req", "-in", `${name}.csr`, "-CA", `${authority}.crt`, "-CAkey", `${authority}.key`,
    "-CAcreateserial", "-days", days, "-out", `${name}.crt`, "-extfile", "names");
}

function authority(name: string): void {
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-tls-"));
  authority("ca");
  authority("stranger");
  for (const name of ["first", "second", "orders"]) certify(name);
  certify("mallory", "2", "stranger");
});
after(() => rmSync(folder, { recursive: true, force: true }));

const pem = (name: string): TlsOptions => ({ cert: { file: file(`${name}.crt`) }, key: { file: file(`${name}.key`) } });
const trusting = (): TlsOptions => ({ ca: { file: file("ca.crt") } });

interface Served {
  readonly listener: Listener;
  readonly streams: ByteStream[];
  readonly refusals: string[];
}

/** Echoes what it gets. */
async function serve(security: Security, options: { plaintext?: boolean; openingTimeoutMs?: number } = {}):
  Promise<Served> {
  const streams: ByteStream[] = [];
  const refusals: string[] = [];
  const listener = await network.listen("127.0.0.1:0", (stream) => {
    streams.push(stream);
    return { received: (bytes) => void stream.write(bytes), closed: () => undefined };
  }, {
    security: security.offering(["h2", "http/1.1"]), plaintext: options.plaintext ?? false,
    openingTimeoutMs: options.openingTimeoutMs ?? 1_000, refused: (_peer, error) => void refusals.push(error.message),
  });
  return { listener, streams, refusals };
}

/** What one connection came to: the echo of a word, or why there was none. */
function echo(address: string, security?: Security): Promise<{ text: string; stream: ByteStream; error?: Error }> {
  return new Promise((resolve) => {
    let text = "";
    const sink: ByteSink = {
      opened: () => void stream.write(Buffer.from("hello")),
      received(bytes) {
        text += Buffer.from(bytes).toString();
        if (text.length === 5) stream.end();
      },
      closed: (error) => resolve({ text, stream, ...(error === undefined ? undefined : { error }) }),
    };
    const stream = network.connect(address, sink, security);
  });
}

test("both sides are secured, and agree on an application protocol", async () => {
  const { listener, streams } = await serve(tls(pem("first")));
  const { text, stream } = await echo(listener.address, tls(trusting()).offering(["http/1.1"]));
  assert.equal(text, "hello");
  assert.equal(stream.secure?.protocol, "http/1.1");
  assert.equal(streams[0]?.secure?.protocol, "http/1.1");
  assert.match(stream.secure?.peerSubject ?? "", /CN=first/);
  const { stream: plain } = await echo(listener.address, tls(trusting()));
  assert.equal(plain.secure?.protocol, undefined);
  await listener.close();
});

test("a server that nobody vouches for is refused, and the error says so", async () => {
  const { listener } = await serve(tls(pem("mallory")));
  const { text, error } = await echo(listener.address, tls(trusting()));
  assert.equal(text, "");
  assert.match(error?.message ?? "", /cannot connect to 127.0.0.1:\d+: .*certificate/);
  const named = await echo(listener.address, tls({ ca: { file: file("stranger.crt") }, serverName: "elsewhere.test" }));
  assert.match(named.error?.message ?? "", /elsewhere.test/);
  assert.equal((await echo(listener.address, tls({ verify: false }))).text, "hello");
  await listener.close();
});

test("clients show certificates where they must, and are known by them", async () => {
  const security = tls({ ...pem("first"), ...trusting(), clientCertificate: "require" });
  const { listener, streams, refusals } = await serve(security);
  assert.equal((await echo(listener.address, tls({ ...trusting(), ...pem("orders") }))).text, "hello");
  assert.match(streams[0]?.secure?.peerSubject ?? "", /CN=orders/);
  assert.equal((await echo(listener.address, tls(trusting()))).text, "");
  assert.equal((await echo(listener.address, tls({ ...trusting(), ...pem("mallory") }))).text, "");
  assert.equal(streams.length, 1);
  assert.match(refusals[0] ?? "", /showed no certificate/);
  assert.match(refusals[1] ?? "", /certificate is refused/);
  await listener.close();
});

test("one port takes both, or TLS only", async () => {
  const both = await serve(tls(pem("first")), { plaintext: true });
  assert.equal((await echo(both.listener.address)).text, "hello");
  assert.equal((await echo(both.listener.address, tls(trusting()))).text, "hello");
  assert.deepEqual(both.streams.map((one) => one.secure !== undefined), [false, true]);

  const only = await serve(tls(pem("first")));
  assert.equal((await echo(only.listener.address)).text, "");
  assert.match(only.refusals[0] ?? "", /takes TLS only/);
  const answer = await fetch(`http://${only.listener.address}/`);
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /write https/);
  const { error } = await echo(both.listener.address, tls({}));
  assert.match(error?.message ?? "", /give the one that does: tls\(\{ ca/);
  await both.listener.close();
  await only.listener.close();
});

test("who says nothing, or garbage in a handshake, is closed in time", async () => {
  const { listener, refusals, streams } = await serve(tls(pem("first")), { openingTimeoutMs: 100, plaintext: true });
  const port = Number(listener.address.split(":")[1]);
  const closed = (first: Buffer | undefined): Promise<void> => new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      if (first !== undefined) socket.write(first);
    });
    socket.on("error", () => undefined).on("close", () => resolve()).resume();
  });
  await closed(undefined);
  assert.match(refusals[0] ?? "", /nothing came within 100 ms/);
  await closed(Buffer.from([22, 3, 1, 0, 4, 1, 2, 3, 4]));
  assert.match(refusals[1] ?? "", /^TLS: /);
  await closed(Buffer.from([22]));
  assert.match(refusals[2] ?? "", /^TLS: .*timeout/i);
  assert.equal(streams.length, 0);
  await listener.close();
});

test("a certificate renewed on disk is used from then on; half a renewal changes nothing", async () => {
  const failures: string[] = [];
  copyFileSync(file("first.crt"), file("live.crt"));
  copyFileSync(file("first.key"), file("live.key"));
  const security = tls({ ...pem("live"), reloadFailed: (error) => void failures.push(error.message) });
  const { listener } = await serve(security);
  const subject = (): Promise<string> => new Promise((resolve, reject) => {
    const socket = connectTls({ port: Number(listener.address.split(":")[1]), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    }).on("error", reject);
  });
  assert.equal(await subject(), "first");
  copyFileSync(file("second.crt"), file("live.crt"));
  // Handshakes make it look, once a second at most, and do not wait for what it finds.
  for (; failures.length === 0; await sleep(50)) await subject();
  assert.equal(await subject(), "first", "its key has not come yet");
  copyFileSync(file("second.key"), file("live.key"));
  for (let now = "first"; now !== "second"; await sleep(50)) {
    now = await subject();
    assert.ok(now === "first" || now === "second", now);
  }
  await listener.close();
});

test("what cannot be used is refused at once, by name", () => {
  const message = (options: TlsOptions): string => {
    try {
      tls(options);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(message({ cert: "x" }), "tls: cert without key; give both");
  assert.match(message({ ca: "ca.pem" }), /ca is no PEM .*for a path write ca: \{ file/);
  assert.match(message({ ca: { file: file("nowhere") } }), /nowhere cannot be read: ENOENT/);
  assert.match(message({ cert: { file: file("first.crt") }, key: { file: file("second.key") } }), /cannot be used/);
});
