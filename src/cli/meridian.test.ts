// The program as people call it: what it prints, what it writes, and how it ends.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { run } from "./run.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "meridian-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function meridian(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, "src/cli/meridian.ts"), ...args], { cwd: root }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

/** The same in this process, where nothing but what it returns and prints matters. */
async function here(...args: readonly string[]): Promise<Ended> {
  const printed = { out: "", err: "" };
  const { write: out } = process.stdout;
  const { write: err } = process.stderr;
  process.stdout.write = (text: unknown) => ((printed.out += String(text)), true);
  process.stderr.write = (text: unknown) => ((printed.err += String(text)), true);
  try {
    const code = await run(args);
    return { code, ...printed };
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
}

describe("the meridian program", () => {
  test("tells its commands and its version", async () => {
    const help = await meridian("--help");
    assert.equal(help.code, 0);
    for (const command of ["endpoints", "export", "import", "sim", "swarm"]) {
      assert.match(help.out, new RegExp(`^ {2}${command} `, "m"));
    }
    const version = await meridian("--version");
    const { version: expected } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    assert.deepEqual(version, { code: 0, out: `${expected}\n`, err: "" });
  });

  test("exports a contract, and imports what it exported", async () => {
    const printed = await meridian("export", "examples/two-regions/contract.ts", "--to", "proto");
    assert.equal(printed.code, 0);
    assert.match(printed.out, /^service Addition \{\n {2}rpc Add\(AdditionAddInput\) returns \(AdditionAddOutput\)/m);
    const written = await meridian("export", "examples/two-regions/contract.ts", "--to", "proto", "-o", folder);
    assert.deepEqual(written, { code: 0, out: "", err: "" });
    assert.equal(readFileSync(join(folder, "demo/v1/demo.proto"), "utf8"), printed.out);
    const back = await meridian("import", join(folder, "demo/v1/demo.proto"), "-I", folder);
    assert.equal(back.code, 0);
    assert.match(back.out, /^export const Addition = service\("demo\.v1\.Addition", \{$/m);
    assert.match(back.out, /from "meridian-rpc";$/m);
  });

  test("ends with 1 and one line for what it cannot do", async () => {
    writeFileSync(join(folder, "bad.proto"), 'syntax = "proto3";\nmessage A { string a = 1 }\n');
    writeFileSync(join(folder, "empty.ts"), "export const nothing = 1;\n");
    writeFileSync(join(folder, "broken.ts"), 'throw new Error("on purpose");\n');
    const cases: readonly (readonly [args: readonly string[], complaint: RegExp])[] = [
      [["import", join(folder, "bad.proto")], /^meridian: bad\.proto:2:26: expected ";", found "\}"\n$/],
      [["import", join(folder, "none.proto")], /^meridian: there is no file .*none\.proto\n$/],
      [["import", join(folder, "bad.proto"), "-I", "src"],
        /^meridian: .*bad\.proto lies in none of the folders src \(-I\)\n$/],
      [["export", join(folder, "empty.ts"), "--to", "proto"],
        /^meridian: the module exports neither a contract nor a type/],
      [["export", join(folder, "broken.ts"), "--to", "proto"],
        /^meridian: .*broken\.ts cannot be loaded: on purpose\n$/],
      [["export", join(folder, "none.ts"), "--to", "proto"], /^meridian: there is no file .*none\.ts\n$/],
    ];
    assert.equal((await meridian("export", "nowhere.ts", "--to", "proto")).code, 1);
    for (const [args, complaint] of cases) {
      const { code, out, err } = await here(...args);
      assert.equal(code, 1, err);
      assert.equal(out, "");
      assert.match(err, complaint);
    }
  });

  test("ends with 2 for a command line that it cannot read", async () => {
    const lines = [["export", "x.ts"], ["export", "x.ts", "--to", "cobol"], ["nonsense"], ["import"],
      ["import", "--x"]];
    for (const args of lines) {
      const { code, err } = await here(...args);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, /^error: /);
    }
  });
});
