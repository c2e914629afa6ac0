import assert from "node:assert/strict";
import { test } from "node:test";
import { redact } from "./redact.ts";
import { Secret } from "./secret.ts";

test("values under names of secrets are hidden, however the name is written", () => {
  const { hides } = redact();
  for (const name of [
    "authorization", "Authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "apiKey",
    "accessToken", "refresh_token", "client-secret", "password", "db.password", "X-Auth-Token",
  ]) assert.equal(hides(name), true, name);
  for (const name of ["routeKey", "idempotency-key", "method", "keys", "tokens", "secretary", "peer"]) {
    assert.equal(hides(name), false, name);
  }
  const own = redact({ names: ["iban", "card*"], except: ["csrf-token"] });
  assert.deepEqual(["iban", "cardNumber", "csrf-token"].map((one) => own.hides(one)), [true, true, false]);
});

test("credentials within texts are hidden", () => {
  const { text } = redact();
  const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  assert.equal(text(`refused ${token} of alice`), "refused [redacted] of alice");
  assert.equal(text("sent Bearer abc.def-123, and on"), "sent Bearer [redacted], and on");
  assert.equal(text("postgres://app:hunter2@db:5432/x"), "postgres://app:[redacted]@db:5432/x");
  assert.equal(text("127.0.0.1:80 says nothing of the kind"), "127.0.0.1:80 says nothing of the kind");
  assert.ok(!text("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----").includes("MIIabc"));
});

test("values are copied without what is hidden, and bounded", () => {
  const deep: { inner?: unknown } = {};
  deep.inner = deep;
  const value = {
    metadata: { authorization: "Bearer x", tenant: "t" }, list: [{ token: "y" }], error: new Error("Bearer abcdef"),
    map: new Map([["api-key", "z"]]), secret: new Secret(() => "s"), when: new Date(0), deep,
  };
  const copy = JSON.stringify(redact().value(value));
  for (const hidden of ['"Bearer x"', '"y"', "abcdef", '"z"', '"s"']) assert.ok(!copy.includes(hidden), hidden);
  assert.ok(copy.includes('"tenant":"t"') && copy.includes("[circular]"));
});
