// ZooKeeper behind TLS: a port that ends it before the server, as far as the driver can see ZooKeeper's own.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createServer } from "node:tls";
import { zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";
import { tls } from "../../src/runtime/node/index.ts";
import { zookeeper } from "./zookeeper.ts";
import { ids, record, until } from "./recorder.ts";

test("ZooKeeper's driver speaks TLS, and says whose certificate it does not trust",
  { skip: zookeeper.missing ?? false, timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-zookeeper-tls-"));
    const [key, crt] = [join(folder, "key"), join(folder, "crt")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "2", "-keyout", key, "-out", crt, "-subj", "/CN=localhost",
      "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "pipe" });
    await using things = new AsyncDisposableStack();
    things.defer(() => rmSync(folder, { recursive: true, force: true }));
    const server = await zookeeper.start();
    things.defer(() => server.stop());
    const [host, port] = server.address.split(":") as [string, string];
    const secured = createServer({ key: readFileSync(key), cert: readFileSync(crt) }, (near) => {
      const far = connect(Number(port), host);
      near.pipe(far).pipe(near);
      for (const one of [near, far]) one.on("error", () => void [near, far].map((other) => other.destroy()));
    });
    secured.on("tlsClientError", () => undefined);
    secured.listen(0, "127.0.0.1");
    await once(secured, "listening");
    things.defer(() => void secured.close());
    const address = `127.0.0.1:${(secured.address() as AddressInfo).port}`;

    const trusting = zookeeperDiscovery({ address, security: tls({ ca: { file: crt } }) });
    things.defer(() => trusting.close());
    await trusting.register("secured", { address: "127.0.0.1:7001" }).registered;
    const seen = record(trusting, "secured");
    await until(() => ids(seen) === "127.0.0.1:7001");

    const wary = zookeeperDiscovery({ address, security: tls({}) });
    things.defer(() => wary.close());
    const refused = record(wary, "secured");
    await until(() => refused.failures.length > 0);
    assert.match(refused.failures[0] ?? "", /no authority that is trusted here vouches for its certificate/);

    const plain = zookeeperDiscovery({ address });
    things.defer(() => plain.close());
    const unheard = record(plain, "secured");
    await until(() => unheard.failures.length > 0);
    assert.match(unheard.failures[0] ?? "", /is lost|none of its protocol/);
  });
