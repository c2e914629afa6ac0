import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { RpcError } from "../core/error.ts";
import { isError, rpc, service, type StandardSchema } from "./index.ts";

const input = z.object({ tenant: z.string() });
const output = z.object({ sum: z.int32() });
const plain = () => rpc({ input, output });

function refused(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(RpcError.is(error));
    assert.equal(error.code, "invalid_argument");
    assert.match(error.message, message);
    return true;
  });
}

test("a method takes its defaults, and its names from the service and the property", () => {
  const { methods } = service("calc.v1.Calculator", { add: plain() });
  const { service: serviceName, name, path, kind, idempotent, criticality, timeoutMs, routeKey } = methods.add;
  assert.deepEqual({ serviceName, name, path, kind, idempotent, criticality, timeoutMs, routeKey }, {
    serviceName: "calc.v1.Calculator", name: "add", path: "calc.v1.Calculator/add", kind: "unary",
    idempotent: false, criticality: "default", timeoutMs: undefined, routeKey: undefined,
  });
});

test("options are taken over, and ordinals are unique", () => {
  const { methods } = service("a.B", {
    one: rpc({
      kind: "bidi_stream", input, output, idempotent: "keyed", timeoutMs: 50, criticality: "critical",
      routeKey: ({ tenant }) => tenant, description: "adds",
    }),
    two: plain(),
  });
  assert.equal(methods.one.kind, "bidi_stream");
  assert.equal(methods.one.idempotent, "keyed");
  assert.equal(methods.one.timeoutMs, 50);
  assert.equal(methods.one.criticality, "critical");
  assert.equal(methods.one.description, "adds");
  assert.equal(methods.one.routeKey?.({ tenant: "t" } as never), "t");
  assert.notEqual(methods.one.ordinal, methods.two.ordinal);
});

test("a contract is frozen, and its methods have no inherited names", () => {
  const contract = service("a.B", { add: plain() });
  assert.ok(Object.isFrozen(contract) && Object.isFrozen(contract.methods) && Object.isFrozen(contract.methods.add));
  assert.equal((contract.methods as Record<string, unknown>)["toString"], undefined);
});

test("service names are dotted identifiers", () => {
  for (const name of ["", "a b", "a..b", ".a", "a.", "1a", "a/b", "a.2b", "a".repeat(300)]) {
    refused(() => service(name, {}), /service name .* is not dotted identifiers/);
  }
  for (const name of ["A", "calc.v1.Calculator", "_a.b_2"]) assert.equal(service(name, {}).name, name);
});

test("method names that a client, a promise or an object has itself are reserved", () => {
  for (const name of ["then", "constructor", "close", "$x", "toString", "hasOwnProperty", "toJSON", "__proto__"]) {
    const message = new RegExp(`"${name.replace("$", "\\$")}" is reserved`);
    refused(() => service("a.B", Object.fromEntries([[name, plain()]])), message);
  }
});

test("method names are identifiers that differ by more than case", () => {
  refused(() => service("a.B", { "a-b": plain() }), /method name "a-b" is not an identifier/);
  refused(() => service("a.B", { add: plain(), Add: plain() }), /"add" and "Add" differ only by case/);
  refused(() => service("a.B", { add: {} as never }), /a\.B\/add is not made by rpc/);
});

test("no method is called on the wire as another is", () => {
  const named = (wireName: string) => rpc({ input, output, wireName });
  refused(() => service("a.B", { a: named("B"), b: plain() }), /"a" and "b" would both be called "B" on the wire/);
  refused(() => service("a.B", { get: named("list"), list: plain() }), /"list" and "get" would both be called "list"/);
  assert.equal(service("a.B", { a: named("a"), b: named("A") }).methods.b.wireName, "A");
});

test("rpc names the option that is wrong", () => {
  const make = (options: object) => () => rpc({ input, output, ...options });
  refused(make({ kind: "stream" }), /kind is "stream", expected one of unary/);
  refused(make({ idempotent: "yes" }), /idempotent is "yes"/);
  refused(make({ criticality: "high" }), /criticality is "high"/);
  refused(make({ timeoutMs: 0 }), /timeoutMs is 0, expected milliseconds/);
  refused(make({ timeoutMs: NaN }), /timeoutMs is NaN/);
  refused(make({ routeKey: "tenant" }), /routeKey is "tenant", expected a function/);
  refused(make({ input: { a: 1 } }), /input is \[object Object\], expected a Zod 4 schema/);
  refused(make({ output: undefined }), /output is undefined/);
  refused(make({ errors: { "not found": z.string() } }), /errors is "not found"/);
  refused(make({ errors: { Gone: 1 } }), /errors\.Gone is 1/);
  refused(make({ errors: { Gone: { code: "gone", data: z.string() } } }), /errors\.Gone\.code is "gone"/);
});

test("declared errors carry reason, data and code, and are told apart", () => {
  const { methods } = service("a.B", {
    list: rpc({
      input, output,
      errors: { CityNotFound: z.object({ city: z.string() }), Quota: { code: "resource_exhausted", data: z.string() } },
    }),
    add: plain(),
  });
  const error = methods.list.error("CityNotFound", { city: "Rome" });
  assert.equal(error.code, "failed_precondition");
  assert.equal(error.reason, "CityNotFound");
  assert.equal(error.message, "CityNotFound");
  assert.deepEqual(error.data, { city: "Rome" });
  assert.ok(isError(error, methods.list, "CityNotFound") && error.data.city === "Rome");
  assert.ok(!isError(error, methods.list, "Quota"));
  assert.ok(!isError(new Error("CityNotFound"), methods.list, "CityNotFound"));
  assert.equal(methods.list.error("Quota", "x", "no more today").code, "resource_exhausted");
  assert.equal(methods.list.error("Quota", "x", "no more today").message, "no more today");
  assert.deepEqual(Object.keys(methods.list.errors), ["CityNotFound", "Quota"]);
  refused(() => methods.list.error("Gone" as never, {} as never), /declares no error Gone \(declared: CityNotFound/);
  refused(() => methods.add.error("toString" as never, {} as never), /declares no error toString \(declared: none/);
});

test("no schema is read before it is used", () => {
  let reads = 0;
  const Lazy = z.object({ get inner() { reads++; return z.string(); } });
  const { methods } = service("a.B", { add: rpc({ input: Lazy, output: Lazy }) });
  assert.equal(reads, 0);
  assert.equal(methods.add.input.model?.kind, "struct");
  assert.ok(reads > 0);
});

test("a schema of another library validates, and says why it has no model", () => {
  const shouting: StandardSchema<string, string> = {
    "~standard": {
      version: 1, vendor: "acme",
      validate: (value) => (typeof value === "string" ? { value: value.toUpperCase() }
        : { issues: [{ message: "not a text", path: ["a", { key: 0 }] }] }),
    },
  };
  const { input: schema } = service("a.B", { shout: rpc({ input: shouting, output }) }).methods.shout;
  assert.equal(schema.model, undefined);
  assert.match(schema.modelError?.message ?? "", /input: the structure of a acme schema cannot be read; use the JSON/);
  assert.equal(schema.validate("hey"), "HEY");
  assert.equal(schema.refine?.("hey"), "HEY");
  refused(() => schema.validate({ a: [7] }), /^input\.a\[0\]: not a text, received number \(7\)$/);
});

test("five hundred methods are declared in a few milliseconds", () => {
  const startedMs = performance.now();
  const declarations = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`m${i}`, plain()]));
  service("big.Big", declarations);
  assert.ok(performance.now() - startedMs < 200);
});
