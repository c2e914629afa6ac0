// Runs every check in order (tidy, types, lint, unit) and stops at the first stage that fails.
//
//   node scripts/test.ts [--only tidy|types|lint|unit] [PATTERN...]
//
// A PATTERN is part of a test file's path; giving one means `--only unit` unless --only says otherwise.
// The last line is always `N passed, N failed`: tests, plus one failure for a stage that has no tests.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { addTallies, runTestFiles, type Tally } from "./test-run.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const { values, positionals } = parseArgs({
  options: { only: { type: "string" } },
  allowPositionals: true,
});

const stages: Record<string, () => Promise<Tally>> = {
  // Cheapest first: a wrong import is worth knowing before ten seconds of tests.
  tidy: async () => {
    const ownTests = await runTestFiles(globSync("scripts/**/*.test.ts"), root);
    return ownTests.failed > 0 ? ownTests : addTallies(ownTests, run("node", "scripts/tidy.ts"));
  },
  types: async () => run("tsc", "-p", "tsconfig.json", "--noEmit"),
  lint: async () => run("oxlint", "--type-aware"),
  unit: async () => {
    const all = globSync(["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"]).sort();
    const chosen = positionals.length === 0 ? all : all.filter((f) => matches(f, positionals));
    if (positionals.length > 0 && chosen.length === 0) {
      console.error(`no test file matches ${positionals.join(" ")}`);
      return { passed: 0, failed: 1 };
    }
    return runTestFiles(chosen, root);
  },
};

const only = values.only ?? (positionals.length > 0 ? "unit" : undefined);
if (only !== undefined && !Object.hasOwn(stages, only)) {
  console.error(`--only takes one of: ${Object.keys(stages).join(", ")}`);
  process.exit(2);
}

let total: Tally = { passed: 0, failed: 0 };
for (const [name, stage] of Object.entries(stages)) {
  if (only !== undefined && only !== name) continue;
  const startedMs = performance.now();
  total = addTallies(total, await stage());
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${total.failed > 0 ? "FAILED" : "ok"} ${name} (${seconds} s)`);
  if (total.failed > 0) break;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;

function run(command: string, ...args: string[]): Tally {
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (error) console.error(`${command}: ${error.message}; start this through npm (npm test)`);
  return { passed: 0, failed: status === 0 ? 0 : 1 };
}

/** A pattern may be a path as the shell completes it (./src/core/) or any part of one. */
function matches(file: string, patterns: string[]): boolean {
  return patterns.some((pattern) => file.includes(pattern.replace(/^\.\//, "")));
}
