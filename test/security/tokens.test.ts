/** Tokens that are good, and every way in which one is not, on the wires that most callers use. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { grpc, httpJson, native, type Protocol } from "../../src/protocol/index.ts";
import { auth, jwt, type JwtOptions } from "../../src/security/index.ts";
import { startIssuer, type Issuer } from "./issuer.ts";
import { callOnce, Certificates, Ledger, serveLedger } from "./support.ts";

let issuer: Issuer;
let certificates: Certificates;
before(async () => {
  issuer = await startIssuer();
  certificates = new Certificates();
  certificates.certify("server");
});
after(async () => {
  certificates.close();
  await issuer.close();
});

const known = (more: Partial<JwtOptions> = {}) => auth({
  identities: [jwt({
    issuer: issuer.issuer, audience: "ledger", jwks: { url: issuer.url }, regionClaim: "region", cooldownMs: 0, ...more,
  })],
  rules: [{ name: "users", who: { kind: "jwt" } }],
});

const unsigned = (header: object, claims: object): string =>
  [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".") + ".";

interface Bad {
  readonly name: string;
  readonly token: () => Promise<string> | string;
  readonly reason: RegExp;
  readonly says?: RegExp;
}

const nowS = Math.floor(Date.now() / 1_000);
const claims = { iss: "https://issuer.example", aud: "ledger", sub: "alice", exp: nowS + 600 };

const bad: readonly Bad[] = [
  { name: "expired", token: () => issuer.token({ expiresIn: -60 }), reason: /expired \d+ s ago/, says: /expired/ },
  { name: "not yet valid", token: () => issuer.token({ notBeforeIn: 300 }), reason: /not valid yet/ },
  { name: "for another audience", token: () => issuer.token({ audience: "bank" }), reason: /audience is "bank"/ },
  { name: "of another issuer", token: () => issuer.token({ issuer: "https://evil.example" }), reason: /issuer is/ },
  {
    name: "forged", reason: /signature is not the issuer's/,
    token: async () => issuer.token({ key: (await jose.generateKeyPair("ES256")).privateKey }),
  },
  {
    name: "changed behind its signature", reason: /signature is not the issuer's/,
    async token() {
      const [header, , signature] = (await issuer.token()).split(".");
      return `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url")}.${signature}`;
    },
  },
  { name: "alg none", token: () => unsigned({ alg: "none" }, claims), reason: /signed by "none"/ },
  { name: "alg nOnE", token: () => unsigned({ alg: "nOnE" }, claims), reason: /signed by "nOnE"/ },
  {
    name: "signed with the public key as if it were a secret", reason: /signed by "HS256"/,
    async token() {
      const secret = new TextEncoder().encode(await jose.exportSPKI(issuer.publicKey));
      return new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "one" }).sign(secret);
    },
  },
  { name: "of an unknown key", token: () => issuer.token({ kid: "two" }), reason: /key "two" is not among/ },
  {
    name: "without an end", reason: /does not say when it expires/,
    token: () => unsigned({ alg: "ES256" }, { ...claims, exp: undefined }),
  },
  { name: "too long", token: () => issuer.token({ claims: { pad: "x".repeat(9_000) } }), reason: /more than 8192/ },
  { name: "no token at all", token: () => "hello", reason: /has 1 part/ },
  { name: "with extensions", token: () => unsigned({ alg: "ES256", crit: ["b64"] }, claims), reason: /crit/ },
];

const wires: readonly [string, () => Protocol][] = [
  ["native", () => native()], ["gRPC", () => grpc()], ["HTTP+JSON", () => httpJson()],
];

for (const [wire, protocol] of wires) {
  test(`${wire}: a good token names its caller, others are refused with the reason in the audit`, async () => {
    const { server, address, callers, events } = await serveLedger({
      tls: certificates.serving("server"), auth: known(),
    });
    try {
      const options = { protocol: protocol(), tls: certificates.calling() };
      const good = { authorization: `Bearer ${await issuer.token()}` };
      assert.deepEqual(await callOnce(address, options, good), { balance: 3 });
      assert.deepEqual(await callOnce(address, options, good), { balance: 3 });
      assert.deepEqual(callers.map(({ kind, name, region }) => [kind, name, region]),
        [["jwt", "alice", "eu"], ["jwt", "alice", "eu"]]);
      for (const { name, token, reason, says = /credentials are not accepted/ } of bad) {
        const shown = await token();
        const { error } = await callOnce(address, options, { authorization: `Bearer ${shown}` });
        assert.equal(error?.code, "unauthenticated", name);
        assert.match(error.message, says, name);
        assert.equal(error.neverStarted, true, name);
        const told = events.findLast(({ event }) => event === "audit");
        assert.match(String(told?.["reason"]), reason, name);
        assert.ok(!JSON.stringify(events).includes(shown), `${name}: the token stands in a log`);
      }
      assert.equal((await callOnce(address, options)).error?.code, "unauthenticated");
      assert.equal(callers.length, 2);
    } finally {
      await server.close(0);
    }
  });
}

test("keys are fetched anew for a new key id, and the last good ones serve while the issuer is down", async () => {
  const { server, address, events } = await serveLedger({ auth: known({ refreshMs: 0 }) });
  const bearer = async () => ({ authorization: `Bearer ${await issuer.token({ subject: `s${Math.random()}` })}` });
  try {
    assert.equal((await callOnce(address, {}, await bearer())).balance, 3);
    issuer.down(true);
    assert.equal((await callOnce(address, {}, await bearer())).balance, 3);
    const until = Date.now() + 20_000;
    while (!events.some(({ event }) => event === "auth.keys.failed") && Date.now() < until) {
      assert.equal((await callOnce(address, {}, await bearer())).balance, 3);
    }
    assert.ok(events.some(({ event, error }) => event === "auth.keys.failed" && /503/.test(String(error))));
    issuer.down(false);
    await issuer.rotate("three");
    assert.equal((await callOnce(address, {}, await bearer())).balance, 3);
  } finally {
    issuer.down(false);
    await server.close(0);
  }
});

test("without keys calls are unavailable, not refused for ever", async () => {
  issuer.down(true);
  const { server, address } = await serveLedger({ auth: known() });
  try {
    const { error } = await callOnce(address, {}, { authorization: `Bearer ${await issuer.token()}` });
    assert.equal(error?.code, "unavailable");
    issuer.down(false);
    assert.equal((await callOnce(address, {}, { authorization: `Bearer ${await issuer.token()}` })).balance, 3);
  } finally {
    issuer.down(false);
    await server.close(0);
  }
});

test("a stream ends when its caller's token expires, unless the server says otherwise", async () => {
  const { server, address } = await serveLedger({ auth: known({ clockToleranceMs: 0 }) });
  using client = createClient(Ledger, { address, metrics: false });
  try {
    const token = await issuer.token({ expiresIn: 3 });
    const seen: number[] = [];
    const error = await (async () => {
      for await (const { balance } of client.watch({ account: "endless" },
        { metadata: { authorization: `Bearer ${token}` }, timeoutMs: 60_000 })) seen.push(balance);
    })().catch((failure: unknown) => RpcError.from(failure));
    assert.deepEqual(seen, [7]);
    assert.equal(error?.code, "unauthenticated");
    assert.match(error.message, /expired/);
  } finally {
    await server.close(0);
  }
});

test("options that cannot be are refused by name", () => {
  const base = { issuer: "i", audience: "a", jwks: { keys: [] } };
  assert.throws(() => jwt({ ...base, algorithms: ["HS256"] }), /algorithms.*by a shared secret can forge/);
  assert.throws(() => jwt({ ...base, algorithms: ["none"] }), /algorithms/);
  assert.throws(() => jwt({ ...base, jwks: { url: "http://issuer.example/keys" } }), /jwks.url.*https/);
  assert.throws(() => jwt({ ...base, issuer: "" }), /issuer/);
  assert.throws(() => auth({ rules: [{ name: "a", who: { kind: "jwt" } }] }), /identities/);
});
