import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const home = mkdtempSync(join(tmpdir(), "meridian-test-run-"));
after(() => rmSync(home, { recursive: true, force: true }));

/** In a process of its own, since node:test refuses to run inside itself. */
function outcome(source: string, environment: Record<string, string> = {}) {
  writeFileSync(join(home, "fixture.test.ts"), source);
  const module = JSON.stringify(new URL("test-run.ts", import.meta.url).href);
  // A file and not -e: the children of node:test inherit this process's flags.
  const program = `const { runTestFiles } = await import(${module});
    console.log(JSON.stringify(await runTestFiles(["fixture.test.ts"], ${JSON.stringify(home)})));`;
  const { NODE_TEST_CONTEXT: _, MERIDIAN_REQUIRE: __, MERIDIAN_MAY_LACK: ___, ...clean } = process.env;
  writeFileSync(join(home, "runner.mjs"), program);
  const { stdout } = spawnSync(process.execPath, [join(home, "runner.mjs")], {
    cwd: home,
    encoding: "utf8",
    env: { ...clean, ...environment },
  });
  const lines = stdout.trim().split("\n");
  return { tally: JSON.parse(lines.at(-1) ?? "") as unknown, output: stdout };
}

const imports = `import { describe, test } from "node:test"; import assert from "node:assert/strict";\n`;

test("counts tests, not the suites around them, and shows why one failed", () => {
  const { tally, output } = outcome(`${imports}
    describe("suite", () => {
      test("good", () => {});
      test("bad", () => assert.equal(1, 2));
    });`);
  assert.deepEqual(tally, { passed: 1, failed: 1 });
  assert.match(output, /✗ bad \(fixture\.test\.ts:5\)/);
  assert.match(output, /1 !== 2/);
});

test("counts a file that never got to its tests, or threw after them", () => {
  assert.deepEqual(outcome(`import "./missing.ts";`).tally, { passed: 0, failed: 1 });
  const late = `${imports} test("good", () => {}); setTimeout(() => { throw new Error("late"); }, 20);`;
  assert.deepEqual(outcome(late).tally, { passed: 1, failed: 1 });
});

test("counts a file without tests as failed", () => {
  assert.deepEqual(outcome("export {};").tally, { passed: 0, failed: 1 });
});

test("names what was skipped, and counts it as failed where everything is required", () => {
  const source = `${imports} test("proxy", (t) => t.skip("haproxy is not installed"));`;
  const { tally, output } = outcome(source);
  assert.deepEqual(tally, { passed: 0, failed: 0 });
  assert.match(output, /proxy \(fixture\.test\.ts\): haproxy is not installed/);
  assert.deepEqual(outcome(source, { MERIDIAN_REQUIRE: "all" }).tally, { passed: 0, failed: 1 });
});

test("excuses what may be lacking, by name, and nothing else", () => {
  const source = `${imports} for (const program of ["a-server", "b-server"]) {
    test(program, (t) => t.skip("not installed: " + program));
  }`;
  const { tally, output } = outcome(source, { MERIDIAN_REQUIRE: "all", MERIDIAN_MAY_LACK: "a-server" });
  assert.deepEqual(tally, { passed: 0, failed: 1 });
  assert.match(output, /as MERIDIAN_MAY_LACK allows:\n {2}a-server .*: not installed: a-server/);
});
