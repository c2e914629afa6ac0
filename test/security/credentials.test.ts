/** What a client shows of itself: over TLS alone, renewed in time, and never written down. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { after, before, test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import type { RpcError } from "../../src/core/index.ts";
import { grpc, httpJson, native } from "../../src/protocol/index.ts";
import { apiKeys, auth, bearerToken, hashApiKey, jwt, secret } from "../../src/security/index.ts";
import { startIssuer, type Issuer } from "./issuer.ts";
import { callOnce, Certificates, Ledger, serveLedger } from "./support.ts";

let certificates: Certificates;
let issuer: Issuer;
before(async () => {
  issuer = await startIssuer();
  certificates = new Certificates();
  certificates.certify("server");
});
after(async () => {
  certificates.close();
  await issuer.close();
});

test("a secret is asked for, and never printed", () => {
  const file = certificates.file("secret");
  writeFileSync(file, "correct horse battery\n");
  const kept = secret({ file });
  assert.equal(kept.reveal(), "correct horse battery");
  assert.deepEqual([String(kept), JSON.stringify({ kept }), inspect({ kept })],
    ["[secret]", '{"kept":"[secret]"}', "{ kept: [secret] }"]);
  assert.throws(() => secret({ file: `${file}-not-there` }).reveal(), /secret-not-there cannot be read/);
  assert.throws(() => secret({ env: "MERIDIAN_NO_SUCH_VARIABLE" }).reveal(), /no MERIDIAN_NO_SUCH_VARIABLE/);
  assert.throws(() => secret("plain text" as never), (error: Error) => !error.message.includes("plain text"));
});

for (const [name, protocol] of [["native", native()], ["gRPC", grpc()], ["HTTP+JSON", httpJson()]] as const) {
  test(`${name}: a token and an API key of a file reach the server`, async () => {
    writeFileSync(certificates.file("token"), "operator-token-0123456789\n");
    writeFileSync(certificates.file("key"), "key-of-reports-0123456789");
    writeFileSync(certificates.file("keys.yaml"),
      `keys:\n  - { name: reports, sha256: ${hashApiKey("key-of-reports-0123456789")} }\n`);
    const token = secret({ file: certificates.file("token") });
    const { server, address, callers } = await serveLedger({
      tls: certificates.serving("server"), auth: auth({
        identities: [bearerToken(token), apiKeys({ file: certificates.file("keys.yaml") })],
        rules: [{ name: "known" }],
      }),
    });
    try {
      const options = { protocol, tls: certificates.calling() };
      assert.equal((await callOnce(address, { ...options, credentials: { bearer: token } })).balance, 3);
      const apiKey = secret({ file: certificates.file("key") });
      assert.equal((await callOnce(address, { ...options, credentials: { apiKey } })).balance, 3);
      assert.deepEqual(callers.map(({ kind, name: who }) => [kind, who]),
        [["token", "operator"], ["apiKey", "reports"]]);
      const wrong = { authorization: "Bearer operator-token-012345678" };
      assert.equal((await callOnce(address, options, wrong)).error?.code, "unauthenticated");
      assert.equal((await callOnce(address, options, { "x-api-key": "guess" })).error?.code, "unauthenticated");
    } finally {
      await server.close(0);
    }
  });
}

test("a token is got anew before it expires, and when a server would not have it", async () => {
  const { server, address, callers } = await serveLedger({
    tls: certificates.serving("server"),
    auth: auth({
      identities: [jwt({ issuer: issuer.issuer, audience: "ledger", jwks: { url: issuer.url } })],
      rules: [{ name: "a" }],
    }),
  });
  let got = 0;
  // The first is refused by the server, though it says nothing of an end.
  const bearer = async () => (++got === 1 ? { token: await issuer.token({ expiresIn: -60 }) }
    : { token: await issuer.token(), expiresAtMs: Date.now() + 600_000 });
  using client = createClient(Ledger, {
    address, tls: certificates.calling(), credentials: { bearer }, metrics: false,
  });
  try {
    assert.equal((await client.read({ account: "abc" })).balance, 3);
    assert.equal(got, 2);
    assert.equal((await client.read({ account: "abc" })).balance, 3);
    assert.equal(got, 2);
    assert.equal(callers.length, 2);
  } finally {
    await server.close(0);
  }
});

test("nothing is shown in the clear, but to this machine where that is said", async () => {
  const bearer = (): string => "operator-token-0123456789";
  assert.throws(() => createClient(Ledger, { address: "127.0.0.1:1", credentials: { bearer } }),
    (error: RpcError) => /credentials.*in the clear: give `tls`/.test(error.message));
  assert.throws(() => createClient(Ledger, { address: "127.0.0.1:1", credentials: {} }), /give bearer or apiKey/);
  const far = await callOnce("192.0.2.1:443", { credentials: { bearer, insecure: true }, timeoutMs: 2_000 });
  assert.match(String(far.error?.message), /in the clear to 192\.0\.2\.1:443/);
  writeFileSync(certificates.file("token"), "operator-token-0123456789\n");
  const { server, address } = await serveLedger({
    auth: auth({ identities: [bearerToken(secret({ file: certificates.file("token") }))], rules: [{ name: "a" }] }),
  });
  try {
    assert.equal((await callOnce(address, { credentials: { bearer, insecure: true } })).balance, 3);
  } finally {
    await server.close(0);
  }
});
