// `meridian check` and Thrift as people call them: what they print, what they write, and how they end.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { run } from "./run.ts";

const root = join(import.meta.dirname, "../..");
// In the project, so that contracts find what they import.
mkdirSync(join(root, "test/.tmp"), { recursive: true });
const folder = mkdtempSync(join(root, "test/.tmp", "check-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function meridian(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const printed = { out: "", err: "" };
  const { write: out } = process.stdout;
  const { write: err } = process.stderr;
  process.stdout.write = (text: unknown) => ((printed.out += String(text)), true);
  process.stderr.write = (text: unknown) => ((printed.err += String(text)), true);
  try {
    return { code: await run(args), ...printed };
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
}

function contract(name: string, limit: string): string {
  const path = join(folder, `${name}.ts`);
  writeFileSync(path, `import * as z from "zod";
import { rpc, service } from "../../../src/contract/index.ts";
export const Search = service("a.v1.Search", {
  find: rpc({ input: z.object({ prefix: z.string(), limit: ${limit} }), output: z.string(), idempotent: true }),
});
`);
  return path;
}

describe("meridian check", () => {
  const old = contract("old", "z.int32()");
  const lock = join(folder, "locks/contract.lock.json");

  test("keeps what a contract promises, and finds that it still does", async () => {
    assert.deepEqual(await meridian("check", old, "--write", lock), { code: 0, out: "", err: "" });
    assert.equal((JSON.parse(readFileSync(lock, "utf8")) as { meridianLock: number }).meridianLock, 1);
    assert.deepEqual(await meridian("check", old, "--against", lock), { code: 0, out: "nothing breaks\n", err: "" });
  });

  test("says what breaks and ends with 1, against a lock and a module alike", async () => {
    const now = contract("now", "z.string()");
    for (const against of [lock, old]) {
      const { code, out, err } = await meridian("check", now, "--against", against);
      assert.deepEqual([code, err], [1, ""]);
      assert.match(out, /^a\.v1\.Search\/find, input\.limit: its type was int32, and .* \[avro, type-changed\]$/m);
    }
    const { code, out } = await meridian("check", now, "--against", lock, "--json");
    assert.equal(code, 1);
    const findings = JSON.parse(out) as readonly Record<string, string>[];
    assert.deepEqual(findings.map(({ wire }) => wire), ["protobuf", "json", "thrift", "avro"]);
    assert.deepEqual(Object.keys(findings[0] ?? {}).sort(), ["instead", "place", "rule", "what", "why", "wire"]);
    assert.deepEqual(await meridian("check", old, "--against", lock, "--json"), { code: 0, out: "[]\n", err: "" });
  });

  test("ends with 1 and one line for what it cannot read", async () => {
    writeFileSync(join(folder, "bad.json"), "{}");
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[old], /^meridian: name what to compare with \(--against OLD\)/],
      [[old, "--against", join(folder, "none.ts")], /^meridian: there is no file .*none\.ts\n$/],
      [[old, "--against", join(folder, "bad.json")], /^meridian: .*bad\.json is no lock/],
    ];
    for (const [args, complaint] of cases) {
      const { code, out, err } = await meridian("check", ...args);
      assert.deepEqual([code, out], [1, ""]);
      assert.match(err, complaint);
    }
  });
});

describe("Thrift on the command line", () => {
  test("exports a contract, and imports it as one that breaks nobody", async () => {
    const old = contract("told", "z.uint32()");
    const written = join(folder, "a_v1.thrift");
    assert.deepEqual(await meridian("export", old, "--to", "thrift", "-o", written), { code: 0, out: "", err: "" });
    assert.match(readFileSync(written, "utf8"),
      /string find\(1: string prefix, 2: i64 \(meridian\.scalar = "uint32"\) limit\)/);
    const back = join(folder, "back.ts");
    assert.equal((await meridian("import", written, "-o", back, "--from", "../../../src/contract/index.ts")).code, 0);
    assert.equal((await meridian("check", back, "--against", old)).out, "nothing breaks\n");
    assert.equal((await meridian("check", old, "--against", back)).out, "nothing breaks\n");
  });

  test("includes are found beside their file and in -I, and what is wrong is told with its place", async () => {
    mkdirSync(join(folder, "common"), { recursive: true });
    writeFileSync(join(folder, "common/base.thrift"), "struct Base { 1: i32 id }\n");
    writeFileSync(join(folder, "main.thrift"), 'include "base.thrift"\nservice S { base.Base get(1: i32 id) }\n');
    const { out } = await meridian("import", join(folder, "main.thrift"), "-I", join(folder, "common"));
    assert.match(out, /^export const S = service\("S", \{\n {2}get: rpc\(\{ input: .*, output: Base \}\)/m);
    const { code, err } = await meridian("import", join(folder, "main.thrift"));
    assert.equal(code, 1);
    assert.match(err, /^meridian: .*main\.thrift:1:9: there is no file base\.thrift to include\n$/);
  });
});
