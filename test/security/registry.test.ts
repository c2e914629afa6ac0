/** A registry is asked over TLS, and by those alone who may. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import { endpointAddress } from "../../src/core/index.ts";
import { hostRegistry, registry } from "../../src/registry/index.ts";
import { auth, mtls } from "../../src/security/index.ts";
import { Certificates, Ledger, serveLedger } from "./support.ts";

let certificates: Certificates;
before(() => {
  certificates = new Certificates();
  certificates.certify("server");
  certificates.certify("orders", { names: "URI:spiffe://prod.example/orders" });
  certificates.certify("mallory", { names: "URI:spiffe://elsewhere.example/mallory" });
});
after(() => certificates.close());

test("who has no right cannot register: its calls are refused, and nobody is sent to it", async () => {
  const denied: unknown[] = [];
  const host = await hostRegistry({
    tls: certificates.serving("server"), auth: auth({
      identities: [mtls()], rules: [{ name: "ours", who: { spiffe: "spiffe://prod.example/*" } }],
    }),
    observer: { event: (name, fields) => void (name === "audit" && denied.push(fields["name"])) },
  });
  const ours = registry({ address: host.address, tls: certificates.calling("orders") });
  const theirs = registry({ address: host.address, tls: certificates.calling("mallory") });
  const forged = theirs.register("ledger.v1.Ledger", endpointAddress({ address: "127.0.0.1:1" }));
  forged.registered.catch(() => undefined);
  const { server } = await serveLedger({ registry: ours });
  try {
    using client = createClient(Ledger, { discovery: ours, metrics: false });
    assert.equal((await client.read({ account: "abc" })).balance, 3);
    const untilMs = Date.now() + 20_000;
    while (denied.length === 0 && Date.now() < untilMs) await new Promise((resolve) => void setTimeout(resolve, 20));
    assert.ok(denied.every((name) => name === "spiffe://elsewhere.example/mallory") && denied.length > 0);
  } finally {
    await forged.close().catch(() => undefined);
    await server.close(0);
    await ours.close();
    await theirs.close();
    await host.close();
  }
});
