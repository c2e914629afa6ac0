import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  Context, type ContextFields, createLoad, createMetadata, endpointAddress, type EndpointFields, type EndpointStatus,
  type MethodInfo, nextMethodOrdinal, type Picker, RpcError,
} from "../core/index.ts";
import { leastRequests } from "../balance/index.ts";
import { byRules, createRules, type Rule } from "./index.ts";

function method(path: string): MethodInfo {
  const [service = "", name = ""] = path.split("/");
  return {
    service, name, path, wireName: name, kind: "unary", idempotent: true, criticality: "default", timeoutMs: undefined,
    routeKey: undefined, ordinal: nextMethodOrdinal(),
  };
}

const add = method("calc.v1.Calculator/add");
const context = (fields: ContextFields = {}, called = add): Context => new Context(called, 0, Infinity, fields);

function candidate(fields: EndpointFields, status: EndpointStatus = "ready") {
  return { address: endpointAddress(fields), status, load: createLoad() };
}

function errorOf(act: () => unknown): RpcError {
  try {
    act();
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "expected an error" });
}

test("the first rule that matches decides; a call that none matches has none", () => {
  const rules = createRules([
    { name: "method", match: { service: "calc.v1.Calculator", method: ["sub", "ad*"] }, to: { regions: ["a"] } },
    { name: "tenant", match: { metadata: { tenant: "acme*", plan: ["gold", "silver"] } }, to: { regions: ["b"] } },
    { name: "keys", match: { service: "geo.*", routeKey: ["eu-1", "eu-2", "de-*"] }, to: { regions: ["c"] } },
  ]);
  const cities = method("geo.v1.Cities/find");
  const named = (fields: ContextFields, called?: MethodInfo) => rules.match(context(fields, called))?.name;
  assert.equal(named({}), "method");
  assert.equal(named({ metadata: createMetadata({ tenant: "acme-7", plan: "gold" }) }), "method");
  assert.equal(named({ metadata: createMetadata({ tenant: "acme-7", plan: "gold" }) }, cities), "tenant");
  assert.equal(named({ metadata: createMetadata({ tenant: "acme-7" }) }, cities), undefined);
  assert.equal(named({ metadata: createMetadata({ tenant: "my-acme", plan: "gold" }) }, cities), undefined);
  assert.equal(named({ routeKey: "eu-2" }, cities), "keys");
  assert.equal(named({ routeKey: "de-99" }, cities), "keys");
  assert.equal(named({ routeKey: "eu-20" }, cities), undefined);
  assert.equal(named({}, cities), undefined);
  assert.equal(named({ routeKey: "eu-2" }, method("other.v1.Service/find")), undefined);
});

test("a share by key is the same for a key, only grows with the share, and is close to it", () => {
  const share = (hashPercent: number) => {
    const rules = createRules([{ name: "canary", match: { hashPercent }, to: { regions: ["a"] } }]);
    return new Set(Array.from({ length: 10_000 }, (_, index) => `tenant-${index}`)
      .filter((routeKey) => rules.match(context({ routeKey })) !== undefined));
  };
  const five = share(5);
  const twenty = share(20);
  assert.ok(Math.abs(five.size - 500) < 100, `${five.size} of 10,000`);
  assert.ok(Math.abs(twenty.size - 2_000) < 200, `${twenty.size} of 10,000`);
  for (const key of five) assert.ok(twenty.has(key));
  assert.equal(share(0).size, 0);
  assert.equal(share(100).size, 10_000);
});

test("a share without a key is met within a call or two, whatever it is and wherever one looks", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 500 }), (hashPercent, calls) => {
    const rules = createRules([{ name: "canary", match: { hashPercent }, to: { regions: ["a"] } }]);
    let chosen = 0;
    for (let i = 0; i < calls; i++) if (rules.match(context()) !== undefined) chosen++;
    assert.ok(Math.abs(chosen - calls * hashPercent / 100) <= 4, `${chosen} of ${calls} at ${hashPercent} %`);
  }), { seed: 3, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) });
});

test("another gateway's draw is obeyed, not drawn again", () => {
  const rules = createRules([{ name: "canary", match: { hashPercent: 50 }, to: { regions: ["a"] } }]);
  const drawn = createMetadata({ "meridian-rule": "canary" });
  for (let i = 0; i < 10; i++) {
    assert.equal(rules.match(context({ hops: 1 })), undefined);
    assert.equal(rules.match(context({ hops: 1, metadata: drawn }))?.name, "canary");
  }
});

test("a set is taken whole or not at all, and says what it changed", () => {
  const eu: Rule = { name: "eu", match: { routeKey: "eu-*" }, to: { regions: ["eu"] } };
  const rules = createRules([eu, { name: "old", to: {} }]);
  const before = rules.match(context({ routeKey: "eu-1" }));
  assert.equal(rules.version, 0);
  assert.deepEqual(rules.set([{ name: "new", match: { method: "nobody" }, to: {} }, eu]),
    { added: ["new"], removed: ["old"], changed: [] });
  assert.equal(rules.version, 1);
  assert.equal(rules.match(context({ routeKey: "eu-1" })), before, "an unchanged rule keeps what pickers keep with it");
  assert.throws(() => rules.set([{ name: "x", to: {} }, { name: "y" } as Rule]));
  assert.equal(rules.version, 1);
  assert.deepEqual(rules.current.map((rule) => rule.name), ["new", "eu"]);
  assert.deepEqual(rules.set([{ ...eu, to: { regions: ["eu", "uk"] } }]), {
    added: [], removed: ["new"], changed: ["eu"],
  });
});

test("whatever is wrong, the error names rule, key, what was expected and the nearest right word", () => {
  const complaints: [unknown, string][] = [
    [{}, "rules: expected a list of rules, found a mapping"],
    [["x"], 'rules[0]: expected a rule ({ name, match, to }), found "x"'],
    [[{ to: {} }], 'rules[0]: a rule needs a "name"'],
    [[{ name: "a" }], 'rules[0]: a rule needs "to": { regions, attributes, service } or ' +
      '{ reject: { code, message } } (rule "a")'],
    [[{ name: "a", too: {} }], 'rules[0]: unknown key "too"; did you mean "to"? (rule "a")'],
    [[{ name: 7, to: {} }], "rules[0].name: expected text, found the number 7; write it in quotes"],
    [[{ name: "a", to: {} }, { name: "a", to: {} }], 'rules[1].name: "a" is the name of rule number 1 already'],
    [[{ name: "a", match: { servise: "x" }, to: {} }],
      'rules[0].match: unknown key "servise"; did you mean "service"? (rule "a")'],
    [[{ name: "a", match: { hashPercent: 101 }, to: {} }],
      'rules[0].match.hashPercent: expected a number from 0 to 100, found the number 101 (rule "a")'],
    [[{ name: "a", match: { metadata: { Tenant: "x" } }, to: {} }],
      'rules[0].match.metadata: a name of metadata is 1 to 128 of a-z 0-9 _ . - (rule "a")'],
    [[{ name: "a", match: { routeKey: [] }, to: {} }],
      'rules[0].match.routeKey: expected a text or a list of 1 to 10000 texts, found a list of 0 (rule "a")'],
    [[{ name: "a", to: { regions: "eu" } }],
      'rules[0].to.regions: expected a list of 1 to 64 regions, found "eu" (rule "a")'],
    [[{ name: "a", to: { attributes: { version: 2 } } }],
      'rules[0].to.attributes.version: expected text, found the number 2; write it in quotes (rule "a")'],
    [[{ name: "a", to: { reject: { code: "unavailible", message: "x" } } }],
      "rules[0].to.reject.code: expected one of cancelled, unknown, invalid_argument, deadline_exceeded, not_found, " +
      "already_exists, permission_denied, resource_exhausted, failed_precondition, aborted, out_of_range, " +
      "unimplemented, internal, unavailable, data_loss, unauthenticated; found \"unavailible\"; " +
      'did you mean "unavailable"? (rule "a")'],
    [[{ name: "a", to: { reject: { code: "aborted", message: "x" }, regions: ["eu"] } }],
      'rules[0].to: a rule that rejects sends nowhere: remove either reject or regions (rule "a")'],
    [Array.from({ length: 1_001 }, (_, index) => ({ name: String(index), to: {} })),
      "rules: there are 1001 rules, more than the 1000 allowed"],
  ];
  for (const [rules, message] of complaints) {
    const error = errorOf(() => createRules(rules as Rule[]));
    assert.equal(error.code, "invalid_argument");
    assert.equal(error.message, message);
  }
});

test("nothing that claims to be rules brings the reader down otherwise than by its own error", () => {
  const key = fc.constantFrom("name", "match", "to", "regions", "reject", "code", "metadata", "__proto__");
  const anything = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.string(), fc.double(), fc.constantFrom(null, true, undefined),
      fc.array(tie("value"), { maxLength: 4 }), fc.dictionary(key, tie("value"), { maxKeys: 5 })),
  })).value;
  fc.assert(fc.property(fc.array(anything, { maxLength: 4 }), (rules) => {
    try {
      createRules(rules as unknown as Rule[]);
    } catch (error) {
      assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
      assert.ok(error.message.length < 2_000);
    }
  }), { seed: 5, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 500) });
});

test("a picker by rules keeps to regions and attributes, and says so where nobody is", () => {
  const rules = createRules([
    { name: "stay", match: { routeKey: "eu-*" }, to: { regions: ["eu"] } },
    { name: "canary", match: { routeKey: "canary" }, to: { attributes: { version: "2" } } },
    { name: "loose", match: { routeKey: "loose" }, to: { regions: ["mars"], fallback: true } },
    { name: "shut", match: { routeKey: "shut" }, to: { reject: { code: "permission_denied", message: "not now" } } },
  ]);
  const picker: Picker = byRules(rules, () => leastRequests({ next: Math.random, id: () => "" }));
  const us = candidate({ address: "u:1", region: "us" });
  const eu = candidate({ address: "e:1", region: "eu", attributes: { version: "2" } }, "connecting");
  const all = [us, eu];
  assert.equal(picker([], context({ routeKey: "eu-1" })), undefined, "nobody is known yet: the call waits");
  for (let i = 0; i < 20; i++) {
    assert.equal(picker(all, context()), us, "one that is connecting is not picked while another is ready");
    assert.equal(picker(all, context({ routeKey: "eu-1" })), eu);
    assert.equal(picker(all, context({ routeKey: "canary" })), eu);
    assert.equal(picker(all, context({ routeKey: "loose" })), us);
  }
  const nobody = errorOf(() => picker([us], context({ routeKey: "eu-1" })));
  assert.equal(nobody.code, "unavailable");
  assert.equal(nobody.neverStarted, true);
  assert.equal(nobody.message,
    'rule "stay" sends this call to region eu only, where none of the 1 known endpoints is');
  const rejected = errorOf(() => picker(all, context({ routeKey: "shut" })));
  assert.deepEqual([rejected.code, rejected.message, rejected.retryAfterMs], ["permission_denied", "not now", -1]);
});

test("each rule's picker is given arrays that keep their identity while the candidates do", () => {
  const seen = new Set<unknown>();
  let made = 0;
  const rules = createRules([{ name: "eu", match: { routeKey: "eu" }, to: { regions: ["eu"] } }]);
  const picker = byRules(rules, () => {
    made++;
    return (candidates) => {
      seen.add(candidates);
      return candidates[0];
    };
  });
  const all = [candidate({ address: "u:1", region: "us" }), candidate({ address: "e:1", region: "eu" })];
  for (let i = 0; i < 100; i++) {
    picker(all, context());
    picker(all, context({ routeKey: "eu" }));
    if (i === 50) rules.set([...rules.current, { name: "other", match: { routeKey: "x" }, to: {} }]);
  }
  assert.equal(seen.size, 2);
  assert.equal(made, 2);
});
