import assert from "node:assert/strict";
import { test } from "node:test";
import { hostCheck } from "./host-check.ts";

const check = hostCheck({ hosts: ["ops.example"], origins: ["https://board.example"] });
const ask = (authority: string, fields: Record<string, string> = {}) => check({ authority, fields });

test("a name that is not the server's is refused: DNS rebinding", () => {
  for (const host of ["localhost:7070", "127.0.0.1:7070", "[::1]:7070", "LOCALHOST", "ops.example"]) {
    assert.equal(ask(host), undefined, host);
  }
  for (const host of ["evil.example:7070", "127.0.0.1.evil.example", "localhost.evil.example", "", "10.0.0.1"]) {
    assert.match(ask(host) ?? "", /this server is not called/, host);
  }
  assert.match(check({ authority: undefined, fields: { host: "evil.example" } }) ?? "", /not called/);
});

test("pages of elsewhere may not ask: CSRF", () => {
  assert.equal(ask("localhost:7070", { origin: "http://localhost:7070" }), undefined);
  assert.equal(ask("localhost:7070", { origin: "https://board.example" }), undefined);
  assert.match(ask("localhost:7070", { origin: "http://localhost:9999" }) ?? "", /may not ask/);
  assert.match(ask("localhost:7070", { origin: "null" }) ?? "", /may not ask/);
  const image = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  assert.match(ask("localhost:7070", image) ?? "", /elsewhere/);
  assert.equal(ask("localhost:7070", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }), undefined);
});
