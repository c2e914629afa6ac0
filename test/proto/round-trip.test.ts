// From .proto to TypeScript and back: what comes out is what went in, by the word of protoc.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { exportProtoFiles, importProto, printProto, readModule } from "../../src/contract/proto/index.ts";
import { loadProto } from "../../src/contract/proto/load.ts";
import { compiled, compilers } from "./descriptors.ts";

const corpus = join(import.meta.dirname, "corpus");
const texts = new Map(readdirSync(corpus).filter((name) => name.endsWith(".proto"))
  .map((name) => [name, readFileSync(join(corpus, name), "utf8")]));
/** What an export says in proto3 although it was not. */
const older = new Set(["legacy.proto", "editions.proto"]);

describe("round trips of .proto", () => {
  for (const name of texts.keys()) {
    const module = `./corpus/${name.replace(/\.proto$/, ".ts")}`;

    test(`${name}: the committed TypeScript is what an import writes`, () => {
      const { text: written, dropped } = importProto([name], (path) => texts.get(path),
        { from: "../../../src/contract/index.ts" });
      assert.equal(written, readFileSync(join(import.meta.dirname, module), "utf8"));
      assert.deepEqual(dropped, []);
    });

    test(`${name}: what we link is what protoc links`, () => {
      const ours = loadProto([name], (path) => texts.get(path)).files.at(-1);
      // Compared through a print, since protoc compares what it reads itself.
      if (older.has(name) || ours === undefined) return;
      assert.deepEqual(compiled(new Map([[name, printProto(ours)]]), name), compiled(texts, name));
    });

    test(`${name}: an export of the TypeScript is the same file to protoc`, async () => {
      const { contracts, facts, types } = readModule(await import(module) as Record<string, unknown>);
      const files = exportProtoFiles(contracts, { facts, types });
      const exported = new Map(files.map((file) => [file.path, file.text]));
      // The last one; types of other packages come before. Its path is kept where something else is, too.
      const path = files.at(-1)?.path ?? "";
      for (const compiler of compilers) {
        const ours = compiled(exported, path, compiler);
        if (older.has(name)) continue;
        assert.deepEqual({ ...ours, name: "" }, { ...compiled(texts, name, compiler), name: "" });
      }
    });

    test(`${name}: the export imports as the same TypeScript`, async () => {
      const { contracts, facts, types } = readModule(await import(module) as Record<string, unknown>);
      const files = new Map(exportProtoFiles(contracts, { facts, types }).map((file) => [file.path, file.text]));
      const again = await written(importProto([...files.keys()].slice(-1), (path) => files.get(path)).text);
      const second = new Map(exportProtoFiles(again.contracts, { facts: again.facts, types: again.types })
        .map((file) => [file.path, file.text]));
      assert.deepEqual(second, files);
    });
  }
});

/** The exports of a module that was just written; it lies in the project so that it finds its imports. */
async function written(text: string): Promise<ReturnType<typeof readModule>> {
  const around = join(import.meta.dirname, "../../.tmp");
  mkdirSync(around, { recursive: true });
  const folder = mkdtempSync(join(around, "import-"));
  try {
    const path = join(folder, "contract.ts");
    writeFileSync(path, text.replace(`"meridian-rpc"`, `"../../src/contract/index.ts"`));
    return readModule(await import(path) as Record<string, unknown>);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
