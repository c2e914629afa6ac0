import assert from "node:assert/strict";
import { test } from "node:test";
import { readSpiffeId, spiffeOf } from "./spiffe.ts";

test("ids by the specification", () => {
  assert.deepEqual(readSpiffeId("spiffe://prod.example/ns/shop/sa/orders_1-a"), {
    id: "spiffe://prod.example/ns/shop/sa/orders_1-a", trustDomain: "prod.example", path: "/ns/shop/sa/orders_1-a",
  });
  for (const [id, why] of [
    ["https://prod/x", /begin with/], ["SPIFFE://prod/x", /begin with/], ["spiffe:///x", /trust domain is empty/],
    ["spiffe://Prod/x", /trust domain has other/], ["spiffe://user@prod/x", /trust domain has other/],
    ["spiffe://prod:80/x", /trust domain has other/], ["spiffe://prod/", /empty segment/],
    ["spiffe://prod//x", /empty segment/], ["spiffe://prod/x/", /empty segment/],
    ["spiffe://prod/../x", /segment "\.\."/],
    ["spiffe://prod/%2e", /path has other/], ["spiffe://prod/x?y", /path has other/],
    [`spiffe://${"a".repeat(256)}/x`, /255/], [`spiffe://a/${"x".repeat(2_048)}`, /2048/],
  ] as const) {
    const problem = readSpiffeId(id);
    assert.ok(typeof problem === "string", id);
    assert.match(problem, why, id);
  }
});

test("a certificate has one, and no other URI", () => {
  assert.deepEqual(spiffeOf(["https://a.example"]), {});
  assert.match(spiffeOf(["spiffe://a/b", "https://c"]).problem ?? "", /2 URIs/);
  assert.match(spiffeOf(["spiffe://a"]).problem ?? "", /trust domain, not a workload/);
  assert.match(spiffeOf(["Spiffe://a/b"]).problem ?? "", /is none/);
  assert.equal(spiffeOf(["spiffe://a/b"]).spiffe?.path, "/b");
});
