import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkImports } from "./tidy/imports.ts";
import { checkChangelog, checkExports, checkLockfile, checkMachinePaths, withExports } from "./tidy/project.ts";
import { blank, type Finding, importsOf } from "./tidy/source.ts";
import { checkText, functionBodies } from "./tidy/text.ts";

const messages = (findings: Finding[]) => findings.map((finding) => finding.message).join("\n");

function importing(path: string, specifier: string, statement = `import { a } from "${specifier}";`): string {
  return messages(checkImports([{ path, text: statement }], ["zod", "@msgpack/msgpack"]));
}

function text(path: string, source: string): string {
  return messages(checkText({ path, text: source }));
}

describe("blank", () => {
  test("takes out comments and strings, and leaves lines and columns in place", () => {
    const source = "a; // Date.now\nb = 'x{'; /* {\n{ */ c = \"\\\"}\";";
    const blanked = blank(source);
    assert.equal(blanked.length, source.length);
    assert.deepEqual(blanked.split("\n").map((line) => line.trim().replace(/\s+/g, " ")), ["a;", "b = ;", "c = ;"]);
  });

  test("keeps the code inside a template and takes out its text", () => {
    assert.match(blank("`a { ${one({ b: `x ${two()}` })} } c`; three"), /^\s+one\(\{ b:\s+two\(\)\s+\}\)\s+; three$/);
  });

  test("tells a pattern from a division", () => {
    assert.equal(blank("a = /[/'\"]{/; b").trimEnd().replace(/\s+/g, " "), "a = ; b");
    assert.equal(blank("a = b / c / d; (e) / f / g[0] / 2"), "a = b / c / d; (e) / f / g[0] / 2");
    assert.match(blank("return /{/.test(x)"), /^return\s+\.test\(x\)$/);
  });
});

describe("imports", () => {
  const read = (source: string) =>
    importsOf(source).map((i) => `${i.typeOnly ? "type " : ""}${i.dynamic ? "dynamic " : ""}${i.specifier}`);

  test("reads every form", () => {
    const source = `
      import "a";
      import b, { type c, d as e } from "b";
      import type { F } from 'c';
      import * as g from "d";
      export * from "e";
      export * as h from "f";
      export {
        i,
      } from "g";
      export type { J } from "h";
      const k = await import("i");`;
    const wanted = ["a", "b", "type c", "d", "e", "f", "g", "type h", "dynamic i"];
    assert.deepEqual(read(source), wanted);
  });

  test("is not taken in by prose, strings and other exports", () => {
    assert.deepEqual(read(`// import x from "a"\nconst t = \`import y from "b"\`;`), []);
    assert.deepEqual(read(`export const from = "a"; export default "b";`), []);
    assert.deepEqual(read(`export { a }\nexport interface B {}\nimport type { C } from "c"`), ["type c"]);
  });
});

describe("the import table", () => {
  test("lets a folder import what lies below it", () => {
    assert.equal(importing("src/http/hpack.ts", "../wire/reader.ts"), "");
    assert.equal(importing("src/balance/ewma.ts", "../core/index.ts"), "");
    assert.equal(importing("src/gateway/index.ts", "../client/index.ts"), "");
    assert.equal(importing("src/cli/main.ts", "../gateway/index.ts"), "");
    assert.equal(importing("src/codec/msgpack.ts", "@msgpack/msgpack"), "");
  });

  test("refuses everything else, types included", () => {
    assert.match(importing("src/core/context.ts", "../wire/reader.ts"), /core may import core; not wire/);
    assert.match(importing("src/balance/ewma.ts", "../region/index.ts"), /not region/);
    const typeImport = `import type { A } from "../client/index.ts";`;
    assert.match(importing("src/server/x.ts", "", typeImport), /not client/);
    const reExport = `export type { A } from "../http/index.ts";`;
    assert.match(importing("src/wire/x.ts", "", reExport), /not http/);
    assert.match(importing("src/mystery/x.ts", "../wire/a.ts"), /mystery is not in the import table/);
  });

  test("keeps protocols apart, but not from what they share", () => {
    assert.match(importing("src/protocol/grpc/client.ts", "../connect/client.ts"), /grpc may not import its sibling/);
    assert.equal(importing("src/protocol/grpc/client.ts", "../status.ts"), "");
    assert.equal(importing("src/protocol/index.ts", "./grpc/index.ts"), "");
  });

  test("gives the default runtime to the front doors only", () => {
    assert.equal(importing("src/index.ts", "./runtime/node/index.ts"), "");
    assert.equal(importing("src/client/index.ts", "../runtime/node/index.ts"), "");
    assert.match(importing("src/client/stack.ts", "../runtime/node/index.ts"), /not runtime\/node/);
    assert.match(importing("src/index.ts", "./cli/main.ts"), /may not import cli/);
  });

  test("keeps node: to the runtime, packages to the declared ones, and core to itself", () => {
    assert.match(importing("src/server/x.ts", "node:net"), /node:net outside/);
    assert.equal(importing("src/runtime/node/net.ts", "node:net"), "");
    assert.match(importing("src/codec/x.ts", "left-pad"), /left-pad is neither/);
    assert.match(importing("src/core/x.ts", "zod"), /core depends on no package/);
    assert.match(importing("src/core/x.ts", "../../scripts/a.ts"), /nothing outside src/);
    assert.match(importing("src/core/x.ts", "./x.test.ts"), /imports a test/);
  });

  test("leaves tests free", () => {
    assert.equal(importing("src/core/x.test.ts", "node:test"), "");
  });

  test("finds a cycle of values and allows one of types", () => {
    const cycle = (kind: string) =>
      messages(
        checkImports(
          [
            { path: "src/core/a.ts", text: `import { b } from "./b.ts";` },
            { path: "src/core/b.ts", text: `import ${kind}{ c } from "./c.ts";` },
            { path: "src/core/c.ts", text: `export * from "./a.ts";` },
          ],
          [],
        ),
      );
    assert.match(cycle(""), /cycle: src\/core\/a.ts → src\/core\/b.ts → src\/core\/c.ts → src\/core\/a.ts/);
    assert.equal(cycle("type "), "");
  });
});

describe("what a file may name", () => {
  const worldly = [
    "Date.now()", "new Date()", "performance.now()", "Math.random()", "setTimeout(f, 1)", "setInterval(f, 1)",
    "setImmediate(f)", "process.nextTick(f)", "process.env", "fetch(url)", "console.log(1)",
    "globalThis.setTimeout(f)", "AbortSignal.timeout(1)", "crypto.randomUUID()", "`${Date.now()}`",
  ];
  for (const expression of worldly) {
    test(`${expression} only in runtime/node, cli and outside src`, () => {
      const source = `x = ${expression};\n`;
      assert.notEqual(text("src/retry/a.ts", source), "");
      assert.notEqual(text("src/runtime/sim/a.ts", source), "");
      for (const path of ["src/runtime/node/a.ts", "src/cli/a.ts", "src/core/a.test.ts", "bench/a.ts"]) {
        assert.equal(text(path, source), "");
      }
    });
  }

  test("leaves look-alikes alone", () => {
    const fine = "queueMicrotask(f); clock.setTimeout(f); new Date(ms); subprocess.x; // Date.now()\nx = 'fetch(';\n";
    assert.equal(text("src/core/a.ts", fine), "");
  });

  test("refuses names that are no concepts", () => {
    for (const name of ["ConnectionManager", "retryHelper", "ClientImpl", "utils", "stringUtils"]) {
      assert.match(text("src/core/a.ts", `const ${name} = 1;\n`), /a name is a concept/);
    }
    for (const path of ["src/core/utils.ts", "src/core/string-utils.ts", "src/core/helper.ts"]) {
      assert.match(text(path, ""), /a file name is a concept/);
    }
    assert.equal(text("src/core/implement.ts", "implement(server); const managed = helped;\n"), "");
  });

  test("refuses syntax that Node cannot strip", () => {
    assert.match(text("src/core/a.ts", "export enum A { B }\n"), /no enum/);
    assert.match(text("src/core/a.ts", "export const enum A { B }\n"), /no enum/);
    assert.match(text("src/core/a.ts", "namespace A {}\n"), /no namespace/);
    assert.match(text("src/core/a.ts", "class A {\n constructor(\n  private readonly b: C) {} }\n"), /no parameter/);
  });

  test("refuses what was left open", () => {
    assert.match(text("src/core/a.ts", `// ${["TO", "DO"].join("")}: later\n`), /finish it/);
    assert.match(text("test/a.ts", `// ${["FIX", "ME"].join("")}\n`), /finish it/);
    assert.match(text("src/core/a.test.ts", "describe.only('x', f);\n"), /no test left out/);
    assert.match(text("src/core/a.test.ts", "test.skip('x', f);\n"), /no test left out/);
    assert.equal(text("src/core/a.test.ts", "t.skip('nginx is not installed'); reader.skip(4);\n"), "");
  });

  test("wants a sentence on top of every index.ts", () => {
    assert.match(text("src/core/index.ts", `export * from "./a.ts";\n`), /open with a comment/);
    assert.match(text("src/core/index.ts", "// stuff\n"), /open with a comment/);
    assert.equal(text("src/core/index.ts", "// The seven words, and nothing else.\n"), "");
    assert.equal(text("src/core/index.ts", "/**\n * The seven words,\n * and nothing else.\n */\n"), "");
  });
});

describe("lengths", () => {
  const body = (lines: number) => "\n  a();".repeat(lines);

  test("of files and lines", () => {
    assert.equal(text("src/core/a.ts", "a();\n".repeat(500)), "");
    assert.match(text("src/core/a.ts", "a();\n".repeat(501)), /501 lines/);
    assert.match(text("src/core/a.ts", `${"a".repeat(121)}\n`), /121 columns/);
  });

  const heads = [
    "function f(a: number) {",
    "function f(a: number): Promise<Map<string, A | undefined>> {",
    "function f(): { a: number } {",
    "const f = async (a: (b: C) => D) => {",
    "class A { async f(): Promise<void> {",
  ];
  for (const head of heads) {
    test(`of ${head}`, () => {
      const tail = head.startsWith("class") ? "\n} }\n" : "\n}\n";
      assert.equal(text("src/core/a.ts", head + body(68) + tail), "");
      assert.match(text("src/core/a.ts", head + body(70) + tail), /a function of 72 lines/);
      assert.equal(text("src/core/a.test.ts", head + body(70) + tail), "");
    });
  }

  test("of blocks that are no functions do not count", () => {
    for (const head of ["if (a(b)) {", "for (const a of b) {", "const a = {", "export interface A {", "switch (a) {"]) {
      assert.deepEqual(functionBodies(`${head}${body(80)}\n}`), []);
    }
  });
});

describe("the project", () => {
  const built = { types: "./dist/core/index.d.ts", default: "./dist/core/index.js" };
  const packageWith = (exports: unknown) => JSON.stringify({ name: "x", exports });

  test("exports what exists, and all of it", () => {
    const paths = new Set(["src/core/index.ts"]);
    const check = (exports: unknown) => messages(checkExports(packageWith(exports), paths));
    assert.equal(check({ "./core": built, "./package.json": "./package.json" }), "");
    assert.match(check({ "./core": built, "./wire": built }), /src\/wire\/index.ts does not exist/);
    assert.match(check({ "./core": "./dist/core.js" }), /exports .\/core must be/);
    assert.match(check({}), /exports has no .\/core/);
    const mended = withExports(packageWith({ "./gone": built }), paths);
    assert.equal(messages(checkExports(mended, paths)), "");
  });

  test("has a changelog of the usual shape", () => {
    const check = (source: string) => messages(checkChangelog({ path: "CHANGELOG.md", text: source }));
    assert.equal(check("# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2030-01-31\n"), "");
    assert.match(check("# Changelog\n\n## [0.1.0] - 2030-01-31\n"), /stands on top/);
    assert.match(check("# Changelog\n\n## [Unreleased]\n\n## 0.1.0\n"), /a version reads/);
    assert.match(check("# Changelog\n\n## [Unreleased]\n\n### News\n"), /a kind of change/);
    assert.match(check("## [Unreleased]\n"), /begin with/);
  });

  test("has no download address in its lockfile and no machine's path anywhere", () => {
    const lock = '{\n"resolved": "https://example.org/a.tgz"\n}';
    assert.match(messages(checkLockfile({ path: "package-lock.json", text: lock })), /no download addresses/);
    assert.equal(messages(checkLockfile({ path: "package-lock.json", text: "{}" })), "");
    for (const home of ["work", "root"]) {
      const found = checkMachinePaths({ path: "a.md", text: `see\n/${home}/x` });
      assert.deepEqual(found, [{ path: "a.md", line: 2, message: "a path of one machine" }]);
    }
    assert.deepEqual(checkMachinePaths({ path: "a.md", text: "src/work/a, https://example.org/root/" }), []);
  });
});
