/** Every kind of rule over every wire: who is let in, and who is not. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  apiKeys, auth, authorisation, type AuthorisationRule, hashApiKey, jwt, mtls,
} from "../../src/security/index.ts";
import { writeFileSync } from "node:fs";
import { allWires } from "../gateway/all-wires.ts";
import { startIssuer, type Issuer } from "./issuer.ts";
import { callOnce, Certificates, serveLedger } from "./support.ts";

let certificates: Certificates;
let issuer: Issuer;
let token = "";
const apiKey = "reports-key-0123456789";
before(async () => {
  issuer = await startIssuer();
  token = await issuer.token({ claims: { groups: ["staff"], scope: "ledger.read ledger.write", level: 3 } });
  certificates = new Certificates();
  certificates.certify("server");
  certificates.certify("orders", { names: "URI:spiffe://prod.example/ns/shop/sa/orders" });
  writeFileSync(certificates.file("keys.yaml"),
    `keys:\n  - name: reports\n    sha256: ${hashApiKey(apiKey)}\n    region: us\n    claims: { plan: gold }\n`);
});
after(async () => {
  certificates.close();
  await issuer.close();
});

/** How a call is made, besides nobody known: by certificate, with a token, with a key. */
type As = "nobody" | "certificate" | "token" | "key";

interface Row {
  readonly rule: Omit<AuthorisationRule, "name">;
  readonly allows: readonly As[];
}

const rows: readonly Row[] = [
  { rule: { who: "anyone" }, allows: ["nobody", "certificate", "token", "key"] },
  { rule: { who: "identified" }, allows: ["certificate", "token", "key"] },
  { rule: {}, allows: ["certificate", "token", "key"] },
  { rule: { who: { kind: "mtls" } }, allows: ["certificate"] },
  { rule: { who: { kind: ["jwt", "apiKey"] } }, allows: ["token", "key"] },
  { rule: { who: { name: "alice" } }, allows: ["token"] },
  { rule: { who: { name: "rep*" } }, allows: ["key"] },
  { rule: { who: { spiffe: "spiffe://prod.example/ns/*/sa/orders" } }, allows: ["certificate"] },
  { rule: { who: { spiffe: "spiffe://test.example/*" } }, allows: [] },
  { rule: { who: { trustDomain: "prod.example" } }, allows: ["certificate"] },
  { rule: { who: { trustDomain: "https://issuer.example" } }, allows: ["token"] },
  { rule: { who: [{ kind: "apiKey" }, { spiffe: "spiffe://prod.example/*" }] }, allows: ["certificate", "key"] },
  { rule: { who: { via: "*" } }, allows: [] },
  { rule: { region: "eu" }, allows: ["token"] },
  { rule: { region: "us" }, allows: ["key"] },
  { rule: { region: "ap" }, allows: ["certificate"] },
  { rule: { claims: { groups: "staff" } }, allows: ["token"] },
  { rule: { claims: { scope: "ledger.read" } }, allows: ["token"] },
  { rule: { claims: { level: 3 } }, allows: ["token"] },
  { rule: { claims: { plan: "gold" } }, allows: ["key"] },
  { rule: { who: "anyone", service: "ledger.v1.Ledger" }, allows: ["nobody", "certificate", "token", "key"] },
  { rule: { who: "anyone", service: "other.*" }, allows: [] },
  { rule: { who: "anyone", method: "re*" }, allows: ["nobody", "certificate", "token", "key"] },
  { rule: { who: "anyone", method: "write" }, allows: [] },
  { rule: { who: "anyone", metadata: { tenant: "t*" } }, allows: ["token", "key"] },
  { rule: { who: "anyone", effect: "deny" }, allows: [] },
];

for (const { name, protocol, without } of allWires) {
  test(`${name}: ${rows.length} kinds of rules`, async () => {
    const rules = authorisation([{ name: "none", effect: "deny", who: "anyone" }]);
    const { server, address, events } = await serveLedger({
      tls: certificates.serving("server"),
      auth: auth({
        identities: [
          jwt({ issuer: issuer.issuer, audience: "ledger", jwks: { url: issuer.url }, regionClaim: "region" }),
          apiKeys({ file: certificates.file("keys.yaml") }), mtls(),
        ],
        trust: { regions: [{ who: { spiffe: "spiffe://prod.example/ns/shop/*" }, region: "ap" }] },
        rules,
      }),
    });
    const security = { nobody: certificates.calling(), certificate: certificates.calling("orders") };
    const ways: readonly (readonly [As, Parameters<typeof callOnce>[1], Record<string, string>])[] = [
      ["nobody", { protocol, tls: security.nobody }, {}],
      ["certificate", { protocol, tls: security.certificate }, {}],
      ...(without.includes("metadata") ? [] : [
        ["token", { protocol, tls: security.nobody }, { authorization: `Bearer ${token}`, tenant: "t1" }],
        ["key", { protocol, tls: security.certificate }, { "x-api-key": apiKey, tenant: "t2" }],
      ] as const),
    ];
    try {
      for (const { rule, allows } of rows) {
        rules.set([{ name: "one", ...rule }]);
        for (const [as, options, metadata] of ways) {
          const { balance, error } = await callOnce(address, options, metadata);
          const what = `${as} under ${JSON.stringify(rule)}: ${error?.message}`;
          if (allows.includes(as)) assert.equal(balance, 3, what);
          else assert.equal(error?.code, as === "nobody" ? "unauthenticated" : "permission_denied", what);
        }
      }
      const denials = events.filter(({ event, decision }) => event === "audit" && decision === "deny");
      const expected = rows.reduce((sum, { allows }) => sum + ways.filter(([as]) => !allows.includes(as)).length, 0);
      assert.equal(denials.length, expected);
    } finally {
      await server.close(0);
    }
  });
}
