// From TypeScript to .proto and back: contracts keep their models.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as z from "zod";
import { bytes, field, oneof, openEnum, rpc, scalar, service, wellKnown } from "../../src/contract/index.ts";
import { exportProto, exportProtoFiles } from "../../src/contract/proto/index.ts";
import { contractOf } from "../../src/contract/proto/from-descriptor.ts";
import { loadProto } from "../../src/contract/proto/load.ts";
import { readContracts } from "../../src/contract/proto/read-contracts.ts";
import { sameModel } from "../../src/contract/proto/same-model.ts";
import type { Model } from "../../src/contract/model.ts";
import type { AnyContract } from "../../src/contract/service.ts";
import { Cities } from "../../examples/main-job/contract.ts";
import { RegistryContract } from "../../src/registry/contract.ts";
import { Addition, Subtraction } from "../../examples/two-regions/contract.ts";
import { Shelf } from "./corpus/paths.ts";
import { compiled, compilers, inFolder } from "./descriptors.ts";

/** The contract that its own export says. */
function again(contract: AnyContract): { contract: AnyContract; files: ReadonlyMap<string, string> } {
  const files = new Map(exportProtoFiles([contract]).map(({ path, text }) => [path, text]));
  const { files: linked, roots } = loadProto([...files.keys()].slice(-1), (path) => files.get(path));
  const [read] = readContracts(linked, roots).services;
  assert.ok(read !== undefined);
  return { contract: contractOf(read), files };
}

/** What an export does not say: descriptions apart, the names that follow from the property's, and finiteness. */
function assertSame(one: AnyContract, other: AnyContract): void {
  assert.equal(one.name, other.name);
  assert.deepEqual(Object.keys(one.methods), Object.keys(other.methods));
  for (const [name, method] of Object.entries(one.methods)) {
    const twin = other.methods[name];
    assert.deepEqual([twin?.kind, twin?.wireName], [method.kind, method.wireName]);
    assert.equal(twin?.idempotent, method.idempotent === true);
    assert.deepEqual(twin.http, method.http);
    for (const part of ["input", "output"] as const) {
      const [mine, theirs] = [method[part].model as Model, twin?.[part].model as Model];
      assert.ok(sameModel(mine, theirs), `${name} ${part}\n${show(mine)}\n${show(theirs)}`);
    }
  }
}

function show(model: Model): string {
  return JSON.stringify(model, (_, value: unknown) => (typeof value === "function" ? "()" : value)).slice(0, 2_000);
}

describe("contracts to .proto and back", () => {
  for (const contract of [Cities, RegistryContract, Addition, Subtraction, Shelf] as readonly AnyContract[]) {
    test(`${contract.name} keeps its models, and protoc takes the file`, () => {
      const { contract: twin, files } = again(contract);
      assertSame(contract, twin);
      for (const compiler of compilers) compiled(files, [...files.keys()].at(-1) ?? "", compiler);
    });
  }

  test("buf builds the files, and lints them with its basic rules", () => {
    const contracts = [Cities, RegistryContract, Addition, Subtraction, Shelf] as readonly AnyContract[];
    const files = new Map(exportProtoFiles(contracts).map(({ path, text }) => [path, text]));
    const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
    // Of the paths, one field has a name that is not in snake_case.
    const settings = "version: v2\nlint: { use: [BASIC], ignore: [google, shelf] }\n";
    // The folder also holds files of google/protobuf, which buf knows itself.
    inFolder(new Map([...files, ["buf.yaml", settings]]), (folder) => {
      for (const known of ["protobuf", "rpc"]) rmSync(join(folder, "google", known), { recursive: true });
      for (const command of [["build"], ["lint"]]) execFileSync(process.execPath, [buf, ...command], { cwd: folder });
    });
  });

  test("contracts made at random keep their models", () => {
    let compiledFiles = 0;
    fc.assert(fc.property(contracts(), (contract) => {
      const { contract: twin, files } = again(contract);
      assertSame(contract, twin);
      // A process for each would take minutes.
      if (compiledFiles++ % 20 === 0) compiled(files, [...files.keys()].at(-1) ?? "");
    }), { seed: 3, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200), endOnFailure: true });
  });

  test("descriptions become comments, errors messages, and what cannot be said is refused with its path", () => {
    const contract = service("notes.v1.Notes", {
      put: rpc({
        description: "Keeps a note.\n\nFor ever.", input: z.object({ text: z.string().describe("What to keep.") }),
        output: z.object({}), errors: { TooLong: z.object({ most: z.int32() }) },
      }),
    });
    const text = exportProto(contract);
    assert.match(text, / {2}\/\/ Keeps a note\.\n {2}\/\/\n {2}\/\/ For ever\.\n {2}rpc Put\(/);
    assert.match(text, / {2}\/\/ What to keep\.\n {2}string text = 1;/);
    assert.match(text, /message NotesPutTooLong \{\n {2}int32 most = 1;\n\}/);
    const bad = service("a.B", { c: rpc({ input: z.object({ d: z.set(z.string()) }), output: z.object({}) }) });
    assert.throws(() => exportProto(bad), /a\.B\/c.*input\.d: z\.set\(\) has no place in a schema model/);
  });
});

const letters = fc.constantFrom("alpha", "betaGamma", "delta2", "epsilonZetaEta", "theta", "iota", "kappaLambda", "mu");

let enums = 0;

/** Types that `.proto` says in one way only: no nesting of lists, no null, no default. */
function types(): fc.Arbitrary<z.ZodType> {
  const scalars = fc.constantFrom<() => z.ZodType>(
    z.string, z.boolean, z.int32, z.uint32, z.int64, z.uint64, z.date, bytes, () => scalar("sint32"),
    () => scalar("fixed64"), () => scalar("sfixed32"), () => scalar("double"), () => scalar("float"),
    wellKnown.duration, wellKnown.any, wellKnown.value, wellKnown.struct, () => wellKnown.wrapped(z.string()),
  ).map((make) => make());
  return fc.letrec<{ type: z.ZodType; struct: z.ZodType }>((tie) => ({
    struct: fc.tuple(fc.uniqueArray(letters, { minLength: 1, maxLength: 5 }),
      fc.array(tie("type"), { minLength: 5, maxLength: 5 }), fc.array(fc.nat(5), { minLength: 5, maxLength: 5 }),
    ).map(([names, made, shapes]) => {
      let number = 0;
      return z.object(Object.fromEntries(names.map((name, i) => {
        number += 1 + (shapes[i] ?? 0) % 3;
        return [name, shaped(made[i] as z.ZodType, shapes[i] ?? 0, number)];
      })));
    }),
    type: fc.oneof({ maxDepth: 2 }, scalars, tie("struct")),
  })).struct;
}

function shaped(type: z.ZodType, shape: number, number: number): z.ZodType {
  switch (shape) {
    case 0: return field(number, type);
    case 1: return field(number, type.optional());
    case 2: return field(number, z.array(type));
    case 3: return field(number, z.record(z.string(), type));
    case 4: return field(number, z.map(z.int32(), type));
    // Values are siblings of their enum, so their names differ; one without a name is another type wherever it is used.
    default: {
      const type = openEnum({ [`NONE_${++enums}`]: 0, [`SOME_${enums}`]: number }).meta({ id: `Enum${enums}` });
      return field(number, type.optional());
    }
  }
}

function contracts(): fc.Arbitrary<AnyContract> {
  const kinds = fc.constantFrom("unary", "server_stream", "client_stream", "bidi_stream");
  return fc.tuple(types(), types(), kinds, fc.boolean())
    .map(([input, output, kind, idempotent]) => {
      const choice = z.object({ id: z.string(), choice: oneof({ first: field(7, z.string()), second: input }) });
      return service("random.v1.Random", {
        one: rpc({ kind: kind as "unary", input, output, idempotent }), two: rpc({ input: choice, output: choice }),
      });
    });
}

