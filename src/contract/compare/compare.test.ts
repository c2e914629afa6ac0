// Each rule of docs/check.md: a change that breaks it, on the wires named, and one like it that breaks nobody.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as z from "zod";
import { type AnyContract, field, oneof, openEnum, rpc, scalar, service } from "../index.ts";
import { compareContracts, compareLocks, lockContracts, readLock, type RuleName, rules } from "./index.ts";

type Options = Omit<Parameters<typeof rpc>[0], "input" | "output"> & { input?: z.ZodType; output?: z.ZodType };

function contract(options: Options = {}, name = "m"): AnyContract {
  const { input = z.object({}), output = z.object({}), ...rest } = options;
  return service("a.S", { [name]: rpc({ input, output, ...rest }) });
}

const object = (shape: Record<string, z.ZodType>, id = "T") => z.object(shape).meta({ id });
const input = (type: z.ZodType): AnyContract => contract({ input: object({ x: type }, "In") });
const output = (type: z.ZodType): AnyContract => contract({ output: object({ x: type }, "Out") });
const fields = (shape: Record<string, z.ZodType>): AnyContract => contract({ input: object(shape, "In") });
const answers = (shape: Record<string, z.ZodType>): AnyContract => contract({ output: object(shape, "Out") });
const wrong = (data: z.ZodType, more: object = {}): AnyContract => contract({ errors: { Wrong: { code: "aborted",
  data, ...more } } });
const kinds = (names: readonly [string, ...string[]], numbers: Record<string, number>) =>
  z.enum(names).meta({ id: "K", numbers });
const shape = (...tags: readonly [string, ...string[]]) => z.discriminatedUnion("is",
  tags.map((tag, i) => field(i + 1, z.object({ is: z.literal(tag) }).meta({ id: `V${tag}` }))) as never).meta({
    id: "U" });
const s = z.string();
const old = contract();

interface Case {
  readonly rule: RuleName;
  readonly breaks: readonly [before: AnyContract, after: AnyContract];
  /** `wire place`, of this rule. */
  readonly on: readonly string[];
  readonly holds: readonly [before: AnyContract, after: AnyContract];
}

const m = "a.S/m";
const cases: readonly Case[] = [
  { rule: "service-removed", breaks: [old, service("a.Other", {})], on: ["all a.S"], holds: [service("a.S", {}), old] },
  { rule: "method-removed", breaks: [old, contract({}, "n")], on: [`all ${m}`], holds: [service("a.S", {}), old] },
  { rule: "method-kind", breaks: [old, contract({ kind: "server_stream" })], on: [`all ${m}`], holds: [old,
    contract({ description: "x" })] },
  {
    rule: "method-wire-name", breaks: [old, contract({ wireName: "Em" })], on: [`protobuf ${m}`],
    holds: [old, contract({ wireName: "M" })],
  },
  {
    rule: "method-idempotency", breaks: [contract({ idempotent: true }), contract({ idempotent: "keyed" })],
      on: [`all ${m}`],
    holds: [contract({ idempotent: "keyed" }), contract({ idempotent: true })],
  },
  {
    rule: "method-safe", breaks: [contract({ safe: true }), contract({ idempotent: true })], on: [`http ${m}`],
    holds: [contract({ idempotent: true }), contract({ safe: true })],
  },
  {
    rule: "method-oneway", breaks: [old, contract({ oneway: true })], on: [`avro ${m}`],
    holds: [contract({ oneway: true }), contract({ oneway: true, criticality: "critical" })],
  },
  { rule: "error-removed", breaks: [wrong(s), old], on: [`all ${m}, errors.Wrong`], holds: [wrong(s), wrong(s)] },
  {
    rule: "error-added", breaks: [old, wrong(s)], on: [`thrift ${m}, errors.Wrong`, `avro ${m}, errors.Wrong`],
    holds: [wrong(s), wrong(s)],
  },
  {
    rule: "error-code", breaks: [wrong(s), wrong(s, { code: "not_found" })], on: [`all ${m}, errors.Wrong`],
    holds: [wrong(s), wrong(s, { id: 1 })],
  },
  {
    rule: "error-id", breaks: [wrong(s), wrong(s, { id: 2 })], on: [`thrift ${m}, errors.Wrong`],
    holds: [wrong(s), wrong(s, { id: 1 })],
  },
  {
    rule: "http-path-removed", breaks: [contract({ http: { get: "/v1/a" } }), contract({ http: { get: "/v1/b" } })],
    on: [`http ${m}`],
    holds: [contract({ http: { get: "/v1/a" } }), contract({ http: { get: "/v1/b", additional: [{ get: "/v1/a" }] } })],
  },
  {
    rule: "field-number", breaks: [fields({ x: s }), fields({ x: field(2, s) })],
    on: [`protobuf ${m}, input.x`, `thrift ${m}, input.x`], holds: [fields({ x: s }), fields({ x: field(1, s) })],
  },
  {
    rule: "field-reused", breaks: [fields({ x: s, y: s }), fields({ y: field(1, s) })],
    on: [`protobuf ${m}, input.x`, `thrift ${m}, input.x`], holds: [fields({ x: s, y: s }), fields({ y: field(2, s) })],
  },
  {
    rule: "field-name", breaks: [fields({ x: s }), fields({ y: s })], on: [`json ${m}, input.x`],
    holds: [fields({ x: s }), fields({ y: s.meta({ jsonName: "x" }) })],
  },
  {
    rule: "field-required", breaks: [fields({}), fields({ x: s })], on: [`json ${m}, input.x`, `avro ${m}, input.x`],
    holds: [fields({}), fields({ x: s.default("a"), y: s.optional() })],
  },
  {
    rule: "field-required", breaks: [answers({ x: s }), answers({})], on: [`json ${m}, output.x`,
      `avro ${m}, output.x`],
    holds: [answers({}), answers({ x: s })],
  },
  {
    rule: "field-required", breaks: [fields({ x: s.optional() }), fields({ x: s })],
    on: [`json ${m}, input.x`, `avro ${m}, input.x`], holds: [fields({ x: s }), fields({ x: s.optional() })],
  },
  {
    rule: "field-no-zero", breaks: [fields({}), fields({ x: kinds(["A"], { A: 1 }) })],
    on: [`protobuf ${m}, input.x`, `thrift ${m}, input.x`], holds: [fields({}), fields({ x: kinds(["A"], { A: 0 }) })],
  },
  {
    rule: "type-changed", breaks: [input(z.int32()), input(s)],
    on: ["protobuf", "json", "thrift", "avro"].map((wire) => `${wire} ${m}, input.x`), holds: [input(z.int32()),
      input(z.int32())],
  },
  {
    rule: "type-changed", breaks: [input(z.int32()), input(z.int64())], on: [`json ${m}, input.x`,
      `thrift ${m}, input.x`],
    holds: [input(s), input(s.min(1))],
  },
  {
    rule: "type-changed", breaks: [output(z.int32()), output(z.int64())],
    on: ["protobuf", "json", "thrift", "avro"].map((wire) => `${wire} ${m}, output.x`), holds: [output(s),
      output(s.max(9))],
  },
  {
    rule: "type-changed", breaks: [input(z.int32()), input(scalar("sint32"))], on: [`protobuf ${m}, input.x`],
    holds: [input(z.int32()), input(z.int32().max(5))],
  },
  {
    rule: "type-changed", breaks: [input(z.int32()), input(z.int32().meta({ thrift: "i16" }))],
      on: [`thrift ${m}, input.x`],
    holds: [input(z.array(s)), input(z.array(s).max(3))],
  },
  {
    rule: "type-changed", breaks: [input(z.map(z.int32(), z.array(s))), input(z.map(z.int32(), z.array(z.boolean())))],
    on: ["protobuf", "json", "thrift", "avro"].map((wire) => `${wire} ${m}, input.x{}[]`),
    holds: [input(z.record(s, s)), input(z.map(s, s))],
  },
  {
    rule: "null-unexpected", breaks: [input(s.nullable()), input(s)], on: [`json ${m}, input.x`, `avro ${m}, input.x`],
    holds: [input(s), input(s.nullable())],
  },
  {
    rule: "enum-number", breaks: [input(kinds(["A", "B"], { A: 0, B: 1 })), input(kinds(["A", "B"], { A: 0, B: 2 }))],
    on: [`protobuf ${m}, input.x`, `thrift ${m}, input.x`],
    holds: [input(kinds(["A", "B"], { A: 0, B: 1 })), input(kinds(["A", "B"], { B: 1, A: 0 }))],
  },
  {
    rule: "enum-value", breaks: [output(z.enum(["A"]).meta({ id: "K" })), output(z.enum(["A", "B"]).meta({ id: "K" }))],
    on: ["protobuf", "thrift", "json", "avro"].map((wire) => `${wire} ${m}, output.x`),
    holds: [output(openEnum({ A: 1 }).meta({ id: "K" })), output(openEnum({ A: 1, B: 2 }).meta({ id: "K" }))],
  },
  {
    rule: "enum-value", breaks: [input(z.enum(["A", "B"]).meta({ id: "K" })), input(z.enum(["A"]).meta({ id: "K" }))],
    on: ["protobuf", "thrift", "json", "avro"].map((wire) => `${wire} ${m}, input.x`),
    holds: [input(z.enum(["A"]).meta({ id: "K" })), input(z.enum(["A", "B"]).meta({ id: "K" }))],
  },
  {
    rule: "variant-unknown", breaks: [output(shape("a")), output(shape("a", "b"))], on: [`all ${m}, output.x`],
    holds: [input(shape("a")), input(shape("a", "b"))],
  },
  {
    rule: "variant-unknown", breaks: [input(oneof({ a: s, b: s })), input(oneof({ a: s }))], on: [`all ${m}, input.x`],
    holds: [input(oneof({ a: s })), input(oneof({ a: s, b: s }))],
  },
  {
    rule: "type-name", breaks: [input(object({})), input(object({}, "Other"))], on: [`avro ${m}, input.x`],
    holds: [input(object({})), input(z.object({}).meta({ id: "Other", aliases: ["T"] }))],
  },
];

for (const [i, { rule, breaks, on, holds }] of cases.entries()) {
  test(`${rule} (${i + 1})`, () => {
    const found = compareContracts([breaks[0]], [breaks[1]]);
    assert.deepEqual(found.filter((one) => one.rule === rule).map(({ wire, place }) => `${wire} ${place}`), on,
      JSON.stringify(found, undefined, 1));
    assert.ok(found.every(({ what, why, instead }) => what !== "" && why !== "" && instead !== ""));
    assert.deepEqual(compareContracts([holds[0]], [holds[1]]).filter((one) => one.rule === rule), []);
    // What is the same breaks nobody.
    for (const one of [...breaks, ...holds]) assert.deepEqual(compareContracts([one], [one]), []);
  });
}

test("every rule is tried, and told in docs/check.md", () => {
  assert.deepEqual([...new Set(cases.map(({ rule }) => rule))].sort(), Object.keys(rules).sort());
  const page = readFileSync(new URL("../../../docs/check.md", import.meta.url), "utf8");
  for (const rule of Object.keys(rules)) assert.match(page, new RegExp(`^\\| \`${rule}\` \\|`, "m"));
});

test("a type that holds itself is compared to its end, each change once for each way it goes", () => {
  const tree = (extra: Record<string, z.ZodType>) => {
    const Node: z.ZodType = z.object({
      ...extra,
      get next() {
        return field(9, Node.optional());
      },
    }).meta({ id: "Node" });
    return contract({ input: Node, output: Node });
  };
  const found = compareContracts([tree({ a: z.int32() })], [tree({ a: z.string() })]);
  assert.equal(found.length, 8);
});

test("a lock says what its contract says", () => {
  const before = [contract({ input: object({ a: s, b: object({ c: kinds(["A"], { A: 3 }) }, "Inner") }, "In"),
    safe: true })];
  const lock = readLock(JSON.stringify(lockContracts(before)), "x.lock");
  assert.deepEqual(compareLocks(lock, lockContracts(before)), []);
  assert.deepEqual(compareLocks(lock, lockContracts([old])), compareContracts(before, [old]));
  assert.notEqual(compareLocks(lock, lockContracts([old])).length, 0);
  for (const text of ["{", "{}", "null", '{"meridianLock":2}']) {
    assert.throws(() => readLock(text, "x.lock"), /^RpcError: x\.lock is no .*--write/);
  }
});
