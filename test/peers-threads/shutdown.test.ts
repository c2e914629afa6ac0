// Threads of other projects on ending a server, and on certificates that are renewed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { createClient, createServer, grpc, tls } from "../../src/index.ts";
import { lacking } from "../peers/programs.ts";
import { Echo, handlers, one, until } from "./echo.ts";
import { startWire } from "./wire.ts";

test("grpc-node#1458, #2624: closing hangs on no dead client, and cuts no reply in flight", async (t) => {
  const started = Promise.withResolvers<void>();
  const server = createServer();
  server.implement(Echo, {
    ...handlers,
    async write(item) {
      started.resolve();
      await sleep(400);
      return item;
    },
  });
  const address = await server.listen();
  t.after(() => server.close(0));
  const wire = await startWire(t, Number(address.split(":").pop()));
  // One client dies in silence with a stream open and a call in flight, one never said a word of HTTP/2.
  using dead = createClient(Echo, { address: wire.address, protocol: grpc({}) });
  const stream = dead.count({ n: 1_000_000, text: "" })[Symbol.asyncIterator]();
  await stream.next();
  dead.write(one).catch(() => undefined);
  await started.promise;
  wire.freeze();
  const mute = connect(Number(address.split(":").pop()), "127.0.0.1").on("error", () => undefined);
  await once(mute, "connect");
  // One is slow, and gets its reply.
  using slow = createClient(Echo, { address, protocol: grpc({}) });
  const reply = slow.write({ n: 7, text: "in flight" });
  await until("it arrived", () => server.inFlight >= 3);
  const startedMs = performance.now();
  const closed = server.close(1_500);
  assert.deepEqual(await reply, { n: 7, text: "in flight" });
  await closed;
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 390 && tookMs < 4_000, `closing took ${Math.round(tookMs)} ms`);
  assert.equal(server.connections, 0);
  mute.destroy();
  await stream.return?.().catch(() => undefined);
});

test("grpc-node#1458: with clients that only hold their connections open, closing takes no time", async (t) => {
  const server = createServer();
  server.implement(Echo, handlers);
  const address = await server.listen();
  t.after(() => server.close(0));
  const clients = Array.from({ length: 10 }, () => createClient(Echo, { address, protocol: grpc({}) }));
  await Promise.all(clients.map((client) => client.echo(one)));
  const startedMs = performance.now();
  await server.close(10_000);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 3_000, `closing took ${Math.round(tookMs)} ms`);
  for (const client of clients) client.$.close(0);
});

const renewed = "grpc-node#570, #1755: a renewed certificate is served and trusted without a restart";
test(renewed, { skip: lacking("openssl") }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "meridian-renewal-"));
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const issue = (name: string): void => {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-days", "2", "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1",
      "-keyout", `${key}.new`, "-out", `${cert}.new`], { stdio: "ignore" });
    renameSync(`${key}.new`, key);
    renameSync(`${cert}.new`, cert);
  };
  issue("first");
  const server = createServer({ tls: tls({ cert: { file: cert }, key: { file: key } }) });
  server.implement(Echo, handlers);
  const address = await server.listen();
  const security = tls({ ca: { file: cert } });
  try {
    const port = Number(address.split(":").pop());
    assert.equal(await served(port), "first");
    using old = createClient(Echo, { address, protocol: grpc({}), tls: security });
    assert.deepEqual(await old.echo(one), one);
    issue("second");
    // Files are looked at when somebody connects, at most once a second; who comes after that one gets it.
    let name: string | undefined;
    for (let n = 0; n < 40 && name !== "second"; n++) {
      await sleep(100);
      name = await served(port);
    }
    assert.equal(name, "second");
    assert.deepEqual(await old.echo(one), one, "the old connection goes on");
    for (let n = 0; ; n++) {
      // The client's own look at its file may be as late as that.
      using fresh = createClient(Echo, { address, protocol: grpc({}), tls: security });
      const reply = await fresh.echo(one, { timeoutMs: 1_000 }).catch((error: unknown) => error);
      if (n < 30 && reply instanceof Error) await sleep(100);
      else {
        assert.deepEqual(reply, one);
        break;
      }
    }
  } finally {
    await server.close(0);
    rmSync(directory, { recursive: true });
  }
});

/** The name on the certificate that is shown at a port. */
async function served(port: number): Promise<string | undefined> {
  const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return Array.isArray(name) ? name[0] : name;
}
