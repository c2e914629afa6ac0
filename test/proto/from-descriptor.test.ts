// Descriptors of protobuf-es and of protoc as contracts: the models of an import, and bytes that both sides read.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  create, createFileRegistry, type DescMessage, type DescMethod, fromBinary, toBinary,
} from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { protobuf } from "../../src/codec/index.ts";
import { Writer } from "../../src/contract/index.ts";
import { fromDescriptor, fromFileDescriptorSet, readFileDescriptorSet } from "../../src/contract/proto/index.ts";
import { loadProto } from "../../src/contract/proto/load.ts";
import { sameModel } from "../../src/contract/proto/same-model.ts";
import type { AnyContract } from "../../src/contract/service.ts";
import type { Model } from "../../src/contract/model.ts";
import { RpcError } from "../../src/core/index.ts";
import { compiledSet, normalized } from "./descriptors.ts";
import { Editions } from "./corpus/editions.ts";
import { Greeter } from "./corpus/helloworld.ts";
import { Legacy } from "./corpus/legacy.ts";
import { Shelf } from "./corpus/paths.ts";
import { ServerReflection } from "./corpus/reflection.ts";
import { Everything, Torture } from "./corpus/torture.ts";

const cases: readonly (readonly [file: string, contract: AnyContract])[] = [
  ["helloworld.proto", Greeter], ["legacy.proto", Legacy], ["reflection.proto", ServerReflection],
  ["editions.proto", Editions], ["torture.proto", Torture],
  ["paths.proto", Shelf],
];

interface Kind<K extends DescMethod["methodKind"]> {
  readonly methodKind: K;
  readonly input: DescMessage;
  readonly output: DescMessage;
}

function setOf(file: string): Uint8Array {
  return compiledSet(new Map([[file, readFileSync(join(import.meta.dirname, "corpus", file), "utf8")]]), file);
}

function assertSame(one: AnyContract, other: AnyContract): void {
  assert.equal(one.name, other.name);
  const wireNames = ({ methods }: AnyContract) =>
    Object.values(methods).map(({ wireName, kind }) => `${kind} ${wireName}`);
  assert.deepEqual(wireNames(one), wireNames(other));
  const others = Object.values(other.methods);
  Object.values(one.methods).forEach((method, i) => {
    assert.ok(sameModel(method.input.model as Model, others[i]?.input.model as Model), `${method.path} input`);
    assert.ok(sameModel(method.output.model as Model, others[i]?.output.model as Model), `${method.path} output`);
    assert.deepEqual(others[i]?.http, method.http);
    assert.equal(others[i]?.safe, method.safe);
  });
}

describe("contracts of descriptors", () => {
  for (const [file, contract] of cases) {
    test(`${file}: by protobuf-es the same as by import`, () => {
      const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, setOf(file)));
      const described = registry.getService(contract.name);
      assert.ok(described !== undefined);
      assertSame(fromDescriptor(described), contract);
    });

    test(`${file}: by the bytes of protoc the same as by import`, () => {
      const contracts = fromFileDescriptorSet(setOf(file));
      assert.deepEqual(Object.keys(contracts), [contract.name]);
      assertSame(contracts[contract.name] as AnyContract, contract);
    });

    test(`${file}: bytes of a set read as what we link`, () => {
      const path = join(import.meta.dirname, "corpus", file);
      const ours = loadProto([file], (name) => (name === file ? readFileSync(path, "utf8") : undefined)).files.at(-1);
      const theirs = readFileDescriptorSet(setOf(file)).at(-1);
      assert.deepEqual(normalized(theirs), normalized(ours));
    });
  }

  test("what our codec writes protobuf-es reads, and the other way round", () => {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, setOf("torture.proto")));
    const described = registry.getService("torture.v1.Torture");
    const schema = registry.getMessage("torture.v1.Everything");
    assert.ok(described !== undefined && schema !== undefined);
    const { methods } = fromDescriptor(described) as AnyContract;
    const coder = protobuf.compile((methods["all"] as AnyContract["methods"][string]).input);
    const message = create(schema, {
      aDouble: NaN, anInt64: -5n, aSint32: -7, aBytes: Uint8Array.of(1, 2), maybeText: "", mood: 1, packed: [1, -2],
      labels: { a: "b" }, byNumber: { [-3]: { depth: 7 } }, paymentKind: { case: "note", value: "cash" },
      at: { seconds: 12n, nanos: 5_000_000 }, nickname: "", foo1: "one",
      status: { code: 5, message: "gone" }, needed: { depth: 7 },
    });
    const bytes = toBinary(schema, message);
    const value = coder.decode(bytes, 0, bytes.length) as Record<string, unknown>;
    assert.deepEqual({ ...value, mood: undefined }, { ...Everything.parse(value) as object, mood: undefined });
    assert.deepEqual(value["paymentKind"], { case: "note", value: "cash" });
    const { mood, nickname, maybeText, foo1 } = value;
    assert.deepEqual([mood, nickname, maybeText, foo1], ["MOOD_GOOD", "", "", "one"]);
    assert.deepEqual(value["byNumber"], new Map([[-3, { depth: "DEPTH_DEEP" }]]));
    assert.deepEqual(value["at"], new Date(12_005));
    const writer = new Writer(64);
    coder.encode(value, writer);
    assert.deepEqual(fromBinary(schema, new Uint8Array(writer.finish())), message);
  });

  test("methods have the names and kinds that protobuf-es gives them", () => {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, setOf("torture.proto")));
    const described = registry.getService("torture.v1.Torture");
    assert.ok(described !== undefined);
    assert.deepEqual(Object.keys(fromDescriptor(described).methods), ["all", "empty", "getURL", "say_it", "thenCall"]);
    // For the compiler: a generated service tells its methods, and nothing else is one.
    const typed = (eliza: GenService<{ say: Kind<"unary">; converse: Kind<"bidi_streaming"> }>) => {
      const contract = fromDescriptor(eliza);
      const kinds: ["unary", "bidi_stream"] = [contract.methods.say.kind, contract.methods.converse.kind];
      // @ts-expect-error there is no such method
      return [kinds, contract.methods.shout];
    };
    assert.equal(typeof typed, "function");
  });

  test("whatever the bytes, reads files or throws an RpcError", () => {
    const bytes = setOf("torture.proto");
    fc.assert(fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, byte, length) => {
      const changed = Uint8Array.from(bytes).subarray(0, length);
      if (at < length) changed[at] = byte;
      try {
        fromFileDescriptorSet(changed);
      } catch (error) {
        assert.ok(RpcError.is(error), String(error instanceof Error ? error.stack : error));
      }
    }), { seed: 11, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 500) });
  });
});
