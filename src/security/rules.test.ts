import assert from "node:assert/strict";
import { test } from "node:test";
import { anonymous, Context, type Identity, type MethodInfo, nextMethodOrdinal } from "../core/index.ts";
import { authorisation } from "./auth.ts";
import { compilePatterns } from "./patterns.ts";
import type { AuthorisationRule } from "./rules.ts";

function method(path: string): MethodInfo {
  const [service, name] = path.split("/") as [string, string];
  return {
    service, name, path, wireName: name, kind: "unary", idempotent: false, criticality: "default",
    timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
  };
}

function decide(rules: readonly AuthorisationRule[], identity: Identity, path = "a.B/c", metadata = {}) {
  const info = method(path);
  const of = authorisation(rules).of(info);
  return of.decide(identity, new Context(info, 0, Infinity, { metadata }));
}

const orders: Identity = {
  kind: "mtls", name: "spiffe://prod/ns/shop/sa/orders", trustDomain: "prod", region: "eu",
  claims: { groups: ["staff", "audit"], scope: "read write", org: { team: "billing" }, age: 3 },
};

test("without rules everybody may; with any, what none allows is denied", () => {
  assert.equal(decide([], anonymous).isAllowed, true);
  const { isAllowed, rule, reason } = decide([{ name: "other", method: "d" }], orders);
  assert.deepEqual([isAllowed, rule, reason], [false, undefined, "no rule allows it"]);
});

test("the first rule that matches decides", () => {
  const rules: AuthorisationRule[] = [
    { name: "not billing", effect: "deny", claims: { "org.team": "billing" }, method: "c" },
    { name: "staff", claims: { groups: "staff" } },
  ];
  assert.deepEqual(decide(rules, orders), { isAllowed: false, rule: "not billing", reason: "the rule denies it" });
  assert.equal(decide(rules, orders, "a.B/d").rule, "staff");
  assert.equal(decide(rules.toReversed(), orders).rule, "staff");
});

const kinds: readonly [string, Omit<AuthorisationRule, "name">, boolean][] = [
  ["anyone", { who: "anyone" }, true],
  ["identified", { who: "identified" }, true],
  ["a kind", { who: { kind: "mtls" } }, true],
  ["another kind", { who: { kind: "jwt" } }, false],
  ["a name", { who: { name: "spiffe://prod/ns/shop/sa/orders" } }, true],
  ["a pattern of SPIFFE ids", { who: { spiffe: "spiffe://prod/ns/*/sa/orders" } }, true],
  ["a star that does not cross a slash", { who: { spiffe: "spiffe://prod/*/orders" } }, false],
  ["another trust domain", { who: { spiffe: "spiffe://test/*" } }, false],
  ["a trust domain", { who: { trustDomain: ["test", "prod"] } }, true],
  ["one of several callers", { who: [{ kind: "jwt" }, { trustDomain: "prod" }] }, true],
  ["all conditions of a caller", { who: { kind: "mtls", trustDomain: "test" } }, false],
  ["via a gateway", { who: { via: "*" } }, false],
  ["a region", { region: "eu" }, true],
  ["another region", { region: ["us", "ap-*"] }, false],
  ["a member of a list", { claims: { groups: "audit" } }, true],
  ["no member", { claims: { groups: "root" } }, false],
  ["a word of a scope", { claims: { scope: "write" } }, true],
  ["a part of a word", { claims: { scope: "wri" } }, false],
  ["a number", { claims: { age: 3 } }, true],
  ["a claim that is not there", { claims: { "org.boss": "*" } }, false],
  ["an inherited name", { claims: { constructor: "*" } }, false],
  ["service and method", { service: "a.*", method: ["x", "c"] }, true],
  ["another service", { service: "a.C" }, false],
  ["metadata", { metadata: { tenant: "t*" } }, true],
  ["other metadata", { metadata: { tenant: "u" } }, false],
];
for (const [name, rule, isAllowed] of kinds) {
  test(`a rule may ask for ${name}`, () => {
    const decided = decide([{ name: "one", ...rule }], orders, "a.B/c", { tenant: "t1" });
    assert.equal(decided.isAllowed, isAllowed);
  });
}

test("who showed nothing is anyone alone", () => {
  for (const who of ["identified", { name: "*" }, { kind: "*" }] as const) {
    assert.equal(decide([{ name: "one", who }], anonymous).isAllowed, false);
  }
  assert.equal(decide([{ name: "one", who: "anyone" }], anonymous).isAllowed, true);
});

test("a token that names itself like a workload is none", () => {
  const forged: Identity = { ...orders, kind: "jwt" };
  assert.equal(decide([{ name: "one", who: { spiffe: "spiffe://prod/*" } }], forged).isAllowed, false);
});

test("health and reflection are allowed by name alone", () => {
  const path = "grpc.health.v1.Health/check";
  assert.equal(decide([{ name: "all", who: "anyone", service: "*" }], orders, path).isAllowed, false);
  assert.equal(decide([{ name: "all", who: "anyone" }], orders, path).isAllowed, false);
  assert.equal(decide([{ name: "health", who: "anyone", service: "grpc.health.*" }], anonymous, path).isAllowed, true);
});

test("rules are replaced as a whole, and refused as a whole", () => {
  const rules = authorisation([{ name: "one", who: "anyone" }]);
  const info = method("a.B/c");
  assert.throws(() => rules.set([{ name: "two", who: {} }]), /rules\[0\]\.who: it says nothing/);
  assert.equal(rules.version, 0);
  rules.set([{ name: "two", effect: "deny", who: "anyone" }]);
  assert.equal(rules.of(info).decide(anonymous, new Context(info, 0)).rule, "two");
});

const wrong: readonly [unknown, RegExp][] = [
  [[{}], /a rule needs "name"/],
  [[{ name: "a" }, { name: "a" }], /"a" is the name of rule number 1 already/],
  [[{ name: "a", effect: "alow" }], /expected "allow" or "deny".*did you mean "?allow/],
  [[{ name: "a", whom: "x" }], /unknown key "whom"/],
  [[{ name: "a", who: "everybody" }], /expected "anyone" or "identified"/],
  [[{ name: "a", who: { spiffe: "spiffe://*/x" } }], /no pattern of SPIFFE ids/],
  [[{ name: "a", method: "*a*b*c*d*" }], /more than 4/],
  [[{ name: "a", metadata: { "meridian-caller": "*" } }], /what gateways say is no condition/],
  [{}, /expected a list of rules/],
];
for (const [rules, why] of wrong) {
  test(`refused: ${JSON.stringify(rules)}`, () => {
    assert.throws(() => authorisation(rules as never), { code: "invalid_argument", message: why });
  });
}

test("patterns cost little, however a name is made", () => {
  const fits = compilePatterns(["*a*a*a*b"]);
  for (let i = 0; i < 100; i++) assert.equal(fits("a".repeat(2_048)), false);
  assert.equal(fits("aaab"), true);
});
