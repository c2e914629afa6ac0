/** Descriptors of contracts as protoc and buf take them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createProtobufCodec } from "../../src/codec/protobuf/index.ts";
import { rpc, type Schema, service, Writer } from "../../src/contract/index.ts";
import type { AnyMethod } from "../../src/contract/method.ts";
import { describeContracts, withDependencies } from "../../src/contract/proto/descriptor.ts";
import { encodeFileDescriptorSet } from "../../src/contract/proto/encode-descriptor.ts";
import type { AnyContract } from "../../src/contract/service.ts";
import { models } from "../codec/models.ts";
import { Cities } from "./cities.ts";
import { path } from "./programs.ts";
import * as z from "zod";

const protoc = createRequire(import.meta.url).resolve("protoc/protoc.cjs");
const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "meridian-descriptors-"));
after(() => rmSync(directory, { recursive: true }));

/** A contract with a method for every model there is. */
const everything: AnyContract = {
  name: "test.v1.Everything",
  methods: Object.fromEntries(Object.entries(models).map(([name, model]) => {
    const schema: Schema = { model, name: `Message${name}`, refine: undefined, validate: (value) => value };
    const declared = service("test.v1.Everything", { [name]: rpc({ input: z.object({}), output: z.object({}) }) });
    const method: AnyMethod = { ...declared.methods[name] as AnyMethod, input: schema, output: schema, errors: {} };
    return [name, method];
  })),
};

const set = join(directory, "everything.binpb");
const files = withDependencies(describeContracts([everything, Cities]));
writeFileSync(set, encodeFileDescriptorSet(files));

function run(program: string, args: readonly string[], input?: Uint8Array): string {
  const ended = spawnSync(program, [...args], { input, env: { ...process.env, PATH: path }, timeout: 60_000 });
  assert.equal(ended.status, 0, `${args.join(" ")}: ${ended.stderr.toString()}${String(ended.error ?? "")}`);
  return ended.stdout.toString();
}

test("protoc decodes what our codec encodes", () => {
  const { input } = Cities.methods.nearest;
  const writer = new Writer();
  createProtobufCodec().compile(input).encode({ lat: 1.5, lon: -2, count: 3 }, writer);
  const decoded = run(process.execPath,
    [protoc, `--descriptor_set_in=${set}`, "--decode=geo.v1.CitiesNearestInput", "geo/v1/geo.proto"], writer.finish());
  assert.equal(decoded, "lat: 1.5\nlon: -2\ncount: 3\n");
});

test("protoc takes the descriptors of every model, and gives them back unchanged", () => {
  const out = join(directory, "again.binpb");
  run(process.execPath, [protoc, `--descriptor_set_in=${set}`, `--descriptor_set_out=${out}`, "--include_imports",
    "test/v1/test.proto", "geo/v1/geo.proto"]);
});

test("buf takes the descriptors of every model", () => {
  run(buf, ["build", set, "-o", "/dev/null"]);
});
