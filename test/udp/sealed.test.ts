// Sealed UDP on real sockets, with real TLS and real cryptography; and which options can be.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createClient, createServer, native, tls, udp } from "../../src/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSealing } from "../../src/runtime/sim/sealing.ts";
import { createSeededRandom } from "../../src/runtime/sim/index.ts";
import type { Handlers } from "../../src/contract/index.ts";
import type { Sealing } from "../../src/core/runtime.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { lacking } from "../peers/programs.ts";
import { Notes } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-udp-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function handlers(told: number[]): Handlers<typeof Notes> {
  return {
    tell: ({ n }) => {
      told.push(n);
      return {};
    },
    ask: (input) => input, slow: () => ({}), large: () => ({ text: "" }), keyed: () => ({ key: "" }),
  };
}

test("keys come over TLS, calls go sealed; who is in the clear is refused", { skip: lacking("openssl") }, async () => {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1"], { cwd: folder, stdio: "pipe" });
  const own = tls({ cert: { file: join(folder, "cert.pem") }, key: { file: join(folder, "key.pem") } });
  const trusting = tls({ ca: { file: join(folder, "cert.pem") } });
  const told: number[] = [];
  const server = createServer({ tls: own, udp: true }).implement(Notes, handlers(told));
  const address = await server.listen();
  const client = createClient(Notes, { address, tls: trusting, protocol: udp({ acknowledgeOneway: true }) });
  const beside = createClient(Notes, { address, tls: trusting, protocol: udp({ fallback: native() }) });
  const clear = createClient(Notes, { address, retry: false, protocol: udp() });
  const stranger = createClient(Notes, { address, retry: false, tls: tls({}), protocol: udp() });
  try {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => client.ask({ n })));
    assert.deepEqual(answers.map(({ n }) => n), answers.map((_, n) => n));
    await client.tell({ n: 5 });
    assert.deepEqual(told, [5]);
    assert.equal((await beside.ask({ n: 9 })).n, 9);
    assert.match((await codeOf(clear.ask({ n: 1 }))).message, /datagrams are sealed here/);
    assert.equal((await codeOf(stranger.ask({ n: 1 }))).code, "unavailable");
  } finally {
    for (const one of [client, beside, clear, stranger]) one.$.close();
    await server.close(1_000);
  }
});

test("both sealings open what they sealed and nothing else", () => {
  const both: readonly Sealing[] = [nodeRuntime.sealing as Sealing, createSealing(createSeededRandom(1))];
  for (const sealing of both) {
    const [key, nonce, head, text] = [32, 12, 16, 50].map((count) => sealing.random(count)) as
      [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const sealed = sealing.seal(key, nonce, head, text);
    assert.equal(sealed.length, text.length + 16);
    assert.notDeepEqual(sealed.slice(0, 50), text);
    assert.deepEqual(new Uint8Array(sealing.open(key, nonce, head, sealed) as Uint8Array), text);
    const parts = [key, nonce, head, sealed];
    parts.forEach((part, which) => {
      for (let at = 0; at < part.length; at++) {
        const other = parts.map((one) => Uint8Array.from(one)) as typeof parts;
        (other[which] as Uint8Array)[at] = (part[at] as number) ^ 1;
        const [k, n, h, s] = other as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
        assert.equal(sealing.open(k, n, h, s), undefined, `byte ${at} of part ${which}`);
      }
    });
    assert.equal(sealing.open(key, nonce, head, sealed.subarray(0, 15)), undefined);
    assert.equal(sealing.sign(key, text).length, 32);
    assert.notDeepEqual(sealing.sign(key, text), sealing.sign(nonce, text));
  }
});

test("options that cannot be are refused by name", async () => {
  const cases: readonly [() => unknown, RegExp][] = [
    [() => udp({ maxDatagramBytes: 100 }), /maxDatagramBytes is 100: expected a whole number of bytes from 512/],
    [() => udp({ maxTransmissions: 0 }), /maxTransmissions is 0/],
    [() => udp({ maxConcurrentCalls: Number.NaN }), /maxConcurrentCalls is NaN/],
    [() => udp({ acknowledgeOneway: "yes" as never }), /acknowledgeOneway is "yes": expected true or false/],
    [() => createClient(Notes, { address: "127.0.0.1:1", protocol: udp({ encrypted: true }) }),
      /encrypted is true.*`tls`/],
    [() => createServer({ udp: { encrypted: true } }), /udp\.encrypted is true: keys are agreed by TLS/],
    [() => createServer({ udp: { maxSessions: 0 } }), /maxSessions is 0/],
    [() => createServer({ udp: { idleTimeoutMs: 5 } }), /idleTimeoutMs is 5: expected a number of milliseconds/],
  ];
  for (const [make, message] of cases) assert.throws(make, message);
  const server = createServer({ udp: true });
  await assert.rejects(server.listen({ path: join(folder, "socket") }), /there are no datagrams at unix:/);
  await server.close(0);
});

test("where no datagram is served, calls go by the fallback, and without one say so", async () => {
  const server = createServer().implement(Notes, handlers([]));
  const address = await server.listen();
  const beside = createClient(Notes, { address, protocol: udp({ fallback: native() }) });
  const alone = createClient(Notes, { address, retry: false, protocol: udp() });
  try {
    const [answer, error] = await Promise.all([beside.ask({ n: 3 }), codeOf(alone.ask({ n: 3 }))]);
    assert.equal(answer.n, 3);
    assert.match(error.message, /within 2500 ms: it serves no UDP|no connection within/);
  } finally {
    beside.$.close();
    alone.$.close();
    await server.close(1_000);
  }
});
