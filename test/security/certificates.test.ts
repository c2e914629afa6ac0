/** Certificates that are not accepted, with the reason on both sides, and certificates renewed under load. */
import assert from "node:assert/strict";
import { copyFileSync, renameSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { grpc, httpJson, native, type Protocol } from "../../src/protocol/index.ts";
import { tls } from "../../src/runtime/node/index.ts";
import { auth, mtls } from "../../src/security/index.ts";
import { onMachine } from "../machine/stalls.ts";
import { callOnce, Certificates, Ledger, serveLedger } from "./support.ts";

let certificates: Certificates;
before(() => {
  certificates = new Certificates();
  certificates.authority("stranger");
  certificates.certify("server");
  certificates.certify("expired", { isExpired: true });
  certificates.certify("elsewhere", { names: "DNS:elsewhere.example" });
  certificates.certify("mallory", { by: "stranger" });
  certificates.certify("orders", { names: "URI:spiffe://prod.example/ns/shop/sa/orders" });
  certificates.certify("double", { names: "URI:spiffe://prod.example/a,URI:spiffe://prod.example/b" });
  certificates.certify("root", { names: "URI:spiffe://prod.example" });
});
after(() => certificates.close());

const wires: readonly [string, () => Protocol][] = [
  ["native", () => native()], ["gRPC", () => grpc()], ["HTTP+JSON", () => httpJson()],
];

async function waited(events: readonly Record<string, unknown>[], why: RegExp): Promise<Record<string, unknown>> {
  for (const untilMs = Date.now() + 10_000; Date.now() < untilMs; await sleep(20)) {
    const found = events.find(({ event, why: said }) =>
      event === "server.connection.refused" && why.test(String(said)));
    if (found !== undefined) return found;
  }
  assert.fail(`nothing like ${why.source} among ${JSON.stringify(events)}`);
}

for (const [wire, protocol] of wires) {
  for (const [name, says] of [
    ["expired", /certificate has expired/], ["elsewhere", /localhost|altnames|127\.0\.0\.1/],
    ["mallory", /certificate/],
  ] as const) {
    test(`${wire}: a server's certificate that is ${name} is refused, and both sides say so`, async () => {
      const { server, address, events, callers } = await serveLedger({ tls: certificates.serving(name, "none") });
      try {
        const { error } = await callOnce(address,
          { protocol: protocol(), tls: certificates.calling(), timeoutMs: 3_000 });
        assert.ok(["unavailable", "deadline_exceeded"].includes(error?.code ?? ""), error?.message);
        assert.match(String(error?.message) + String((error?.cause as Error | undefined)?.message), says);
        const told = await waited(events, /certificate/);
        assert.match(String(told["peer"]), /^127\.0\.0\.1:\d+$/);
        assert.equal(callers.length, 0);
      } finally {
        await server.close(0);
      }
    });
  }

  for (const [name, says] of [
    ["expired", /certificate is refused: CERT_HAS_EXPIRED/], ["mallory", /certificate is refused/],
  ] as const) {
    test(`${wire}: a client's certificate that is ${name} is refused, and both sides say so`, async () => {
      const security = certificates.serving("server", "require");
      const { server, address, events, callers } = await serveLedger({ tls: security });
      try {
        const { error } = await callOnce(address,
          { protocol: protocol(), tls: certificates.calling(name), timeoutMs: 3_000 });
        assert.match(String(error?.message), says);
        const told = await waited(events, says);
        assert.match(String(told["peer"]), /^127\.0\.0\.1:\d+$/);
        assert.equal(callers.length, 0);
      } finally {
        await server.close(0);
      }
    });
  }
}

test("a certificate with two SPIFFE ids, or that of a trust domain, is nobody's", async () => {
  const { server, address, events } = await serveLedger({
    tls: certificates.serving("server"), auth: auth({ identities: [mtls()] }),
  });
  try {
    for (const [name, reason] of [["double", /has 2 URIs/], ["root", /names a trust domain/]] as const) {
      const { error } = await callOnce(address, { tls: certificates.calling(name) });
      assert.equal(error?.code, "unauthenticated");
      assert.match(String(events.findLast(({ event }) => event === "audit")?.["reason"]), reason);
    }
  } finally {
    await server.close(0);
  }
});

test("what is no handshake is logged with where it came from", async () => {
  const { server, address, events } = await serveLedger({ tls: certificates.serving("server", "none") });
  const { connect } = await import("node:net");
  const [host, port] = address.split(":") as [string, string];
  const socket = connect(Number(port), host, () => socket.write(Buffer.from([22, 3, 1, 0, 2, 255, 255])));
  socket.on("error", () => undefined);
  try {
    const told = await waited(events, /TLS/);
    assert.match(String(told["peer"]), /^127\.0\.0\.1:\d+$/);
  } finally {
    socket.destroy();
    await server.close(0);
  }
});

/** Calls a second, as many as the machine bears of a thousand. */
const wantedPerSecond = 1_000;
const seconds = 6;

test("certificates are renewed under a thousand calls a second without a failure", async () => {
  await onMachine(async () => {
    const rotated = ["one", "two"];
    for (const name of rotated) certificates.certify(`rotating-${name}`);
    const live = (end: string): string => certificates.file(`live.${end}`);
    const use = (name: string): void => {
      // As renewals are made: each file by a rename, key and certificate one after the other.
      for (const end of ["key", "crt"]) {
        copyFileSync(certificates.file(`rotating-${name}.${end}`), live(`${end}.new`));
        renameSync(live(`${end}.new`), live(end));
      }
    };
    use("one");
    const { server, address } = await serveLedger({
      tls: tls({ cert: { file: live("crt") }, key: { file: live("key") }, ca: { file: certificates.file("ca.crt") },
        clientCertificate: "require" }),
    });
    const failures: string[] = [];
    const subjects = new Set<string>();
    let made = 0;
    let opened = 0;
    const make = () => createClient(Ledger, {
      address, retry: false, hedge: false, metrics: false, timeoutMs: 20_000,
      tls: tls({ cert: { file: live("crt") }, key: { file: live("key") }, ca: { file: certificates.file("ca.crt") } }),
    });
    const call = async (client: ReturnType<typeof make>): Promise<void> => {
      try {
        await client.read({ account: "abc" });
      } catch (error) {
        failures.push(RpcError.from(error).message);
      }
    };
    const steady = make();
    await call(steady);
    const startedMs = performance.now();
    const out: Promise<void>[] = [];
    let rotations = 0;
    for (let tick = 1; tick <= seconds * 100; tick++) {
      const lateMs = performance.now() - startedMs - tick * 10;
      if (lateMs < 0) await sleep(-lateMs);
      for (let i = 0; i < wantedPerSecond / 100; i++) out.push(call(steady));
      made += wantedPerSecond / 100;
      if (tick % 150 === 0) use(rotated[++rotations % 2] as string);
      // Who comes new meets the certificate of now.
      if (tick % 20 === 0) {
        const fresh = make();
        out.push(call(fresh).finally(() => fresh.$.close()));
        opened++;
        subjects.add(await subjectOf(address, certificates));
      }
    }
    await Promise.all(out);
    const tookS = (performance.now() - startedMs) / 1_000;
    steady.$.close();
    await server.close(1_000);
    assert.deepEqual(failures, []);
    assert.ok(rotations >= 3, `${rotations} rotations`);
    assert.deepEqual([...subjects].toSorted(), ["rotating-one", "rotating-two"]);
    const perSecond = made / tookS;
    // Open loop: a slower machine makes them later, and not fewer; what it bore is said.
    console.log(`# ${made} calls in ${tookS.toFixed(1)} s (${perSecond.toFixed(0)}/s), ${opened} new connections, ` +
      `${rotations} renewals, 0 failures`);
  });
});

/** The name of the certificate that the server shows now. */
async function subjectOf(address: string, { folder }: Certificates): Promise<string> {
  const { connect } = await import("node:tls");
  const { readFileSync } = await import("node:fs");
  const [host, port] = address.split(":") as [string, string];
  const read = (name: string): Buffer => readFileSync(`${folder}/${name}`);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host, port: Number(port), ca: read("ca.crt"), cert: read("orders.crt"), key: read("orders.key"),
    }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}
