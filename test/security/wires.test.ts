/** On every wire a call tells who is at the other end, and a guard decides before a handler hears of it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { auth, mtls } from "../../src/security/index.ts";
import { udp } from "../../src/protocol/index.ts";
import { allWires, type AnyWire } from "../gateway/all-wires.ts";
import { callOnce, Certificates, serveLedger } from "./support.ts";

let certificates: Certificates;
before(() => {
  certificates = new Certificates();
  certificates.certify("server");
  certificates.certify("orders", { names: "URI:spiffe://prod.example/ns/shop/sa/orders" });
  certificates.certify("reports", { names: "DNS:reports.example" });
});
after(() => certificates.close());

const wires: readonly AnyWire[] = [...allWires, { name: "UDP", protocol: udp(), without: [] }];

const guard = () => auth({
  identities: [mtls()],
  rules: [{ name: "orders read", who: { spiffe: "spiffe://prod.example/ns/shop/*" }, method: "read" }],
});

for (const { name, protocol } of wires) {
  test(`${name}: mutual TLS names the caller, and rules decide by it`, async () => {
    const { server, address, callers, events } = await serveLedger({
      tls: certificates.serving("server"), auth: guard(), udp: name === "UDP",
    });
    try {
      const orders = { protocol, tls: certificates.calling("orders") };
      assert.deepEqual(await callOnce(address, orders), { balance: 3 });
      assert.equal(callers[0]?.name, "spiffe://prod.example/ns/shop/sa/orders");
      assert.equal(callers[0]?.isSecured, true);
      assert.match(callers[0]?.address ?? "", /^127\.0\.0\.1:\d+$/);
      // Datagrams carry what bears a repeat alone; what is not asked is not denied.
      const writes = name !== "UDP";
      if (writes) assert.equal((await callOnce(address, orders, {}, "write")).error?.code, "permission_denied");
      const reports = await callOnce(address, { protocol, tls: certificates.calling("reports") });
      assert.equal(reports.error?.code, "permission_denied");
      const nobody = await callOnce(address, { protocol, tls: certificates.calling() });
      assert.equal(nobody.error?.code, "unauthenticated");
      assert.equal(callers.length, 1);
      const denials = events.filter(({ event }) => event === "audit");
      assert.deepEqual(denials.map(({ method, name: who, code }) => [method, who, code]), [
        ...writes ? [["ledger.v1.Ledger/write", "spiffe://prod.example/ns/shop/sa/orders", "permission_denied"]] : [],
        ["ledger.v1.Ledger/read", "reports.example", "permission_denied"],
        ["ledger.v1.Ledger/read", "", "unauthenticated"],
      ]);
    } finally {
      await server.close(0);
    }
  });

  test(`${name}: without a guard a call still tells who is there`, async () => {
    const { server, address, callers } = await serveLedger({ udp: name === "UDP" });
    try {
      assert.deepEqual(await callOnce(address, { protocol }), { balance: 3 });
      assert.match(callers[0]?.address ?? "", /^127\.0\.0\.1:\d+$/);
      assert.equal(callers[0]?.isSecured, false);
      assert.equal(callers[0]?.kind, "none");
    } finally {
      await server.close(0);
    }
  });
}
