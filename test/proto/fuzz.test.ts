// Files that were right until chance changed them: an import gives a module or says where it is wrong.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { importProto } from "../../src/contract/proto/index.ts";
import { RpcError } from "../../src/core/index.ts";

const corpus = join(import.meta.dirname, "corpus");
const files = readdirSync(corpus).filter((name) => name.endsWith(".proto"))
  .map((name) => readFileSync(join(corpus, name), "utf8").match(/\w+|"[^"\n]*"|\/\/.*\n|\s+|[^\w\s]/g) ?? []);

const change = fc.record({
  kind: fc.constantFrom("remove", "repeat", "swap", "replace"), at: fc.nat(), other: fc.nat(),
});

test("changed files import, or are refused with their place", { timeout: 120_000 }, () => {
  let imported = 0;
  const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 1_500);
  fc.assert(fc.property(fc.nat(files.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }), (file, changes) => {
    const pieces = [...files[file] ?? []];
    for (const { kind, at, other } of changes) {
      const [i, j] = [at % pieces.length, other % pieces.length];
      const [one, two] = [pieces[i] ?? "", pieces[j] ?? ""];
      if (kind === "remove") pieces.splice(i, 1);
      else if (kind === "repeat") pieces.splice(i, 0, one);
      else pieces[i] = two;
      if (kind === "swap") pieces[j] = one;
    }
    try {
      const { text } = importProto(["a.proto"], (path) => (path === "a.proto" ? pieces.join("") : undefined));
      assert.match(text, /^\/\/ The contract of a\.proto/);
      imported++;
    } catch (error) {
      assert.ok(RpcError.is(error), error instanceof Error ? error.stack : String(error));
      assert.match(error.message, /^(?:a\.proto:\d+:\d+: |the type )/);
    }
  }), { seed: 23, numRuns: runs, endOnFailure: true });
  assert.ok(imported > runs / 20, `${imported} imports`);
});
