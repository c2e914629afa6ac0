// Runs test files with node:test, one process a file, and prints one line a file and failures in full.
import { relative, resolve } from "node:path";
import { availableParallelism } from "node:os";
import { run, type EventData } from "node:test";
import { inspect } from "node:util";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** A file that hangs must fail, not hold up the gate. */
const fileTimeoutMs = 600_000;

export function addTallies(a: Tally, b: Tally): Tally {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed };
}

export async function runTestFiles(files: readonly string[], root: string): Promise<Tally> {
  if (files.length === 0) return { passed: 0, failed: 0 };
  // The whole point of MERIDIAN_REQUIRE=all: nothing may quietly not run.
  const skippingFails = process.env["MERIDIAN_REQUIRE"] === "all";
  const mayLack = (process.env["MERIDIAN_MAY_LACK"] ?? "").split(",").filter((program) => program !== "");
  const excused: string[] = [];
  const show = (file: string | undefined) => (file ? relative(root, file) : "?");
  const failures: EventData.TestFail[] = [];
  const skipped: string[] = [];
  const empty: string[] = [];
  let tally: Tally = { passed: 0, failed: 0 };

  const stream = run({
    files: [...files],
    cwd: root,
    concurrency: availableParallelism(),
    timeout: fileTimeoutMs,
  });
  for await (const { type, data } of stream) {
    if (type === "test:stdout" || type === "test:stderr") {
      process.stderr.write(data.message);
    } else if (type === "test:pass" && data.skip !== undefined && data.skip !== false) {
      const list = mayLack.some((program) => data.skip === `not installed: ${program}`) ? excused : skipped;
      list.push(`${data.name} (${show(data.file)})${reason(data.skip)}`);
    } else if (type === "test:pass" && resolve(root, data.name) === data.file) {
      // A file with no tests in it passes in node:test's eyes; a test file that tests nothing is a mistake.
      empty.push(show(data.file));
      console.log(`\n✗ ${show(data.file)}: holds no tests\n`);
    } else if (type === "test:fail" && !onlyBecauseOfChildren(data)) {
      failures.push(data);
      printFailure(data, show(data.file));
    } else if (type === "test:summary" && data.file !== undefined) {
      const { passed, failed, cancelled, skipped: skips } = data.counts;
      const parts = [`${passed} passed`];
      if (failed + cancelled > 0) parts.push(`${failed + cancelled} failed`);
      if (skips > 0) parts.push(`${skips} skipped`);
      console.log(`  ${show(data.file)}: ${parts.join(", ")} (${Math.round(data.duration_ms)} ms)`);
    } else if (type === "test:summary") {
      const { passed, failed, cancelled } = data.counts;
      tally = {
        passed: passed - empty.length,
        failed: Math.max(failed + cancelled, failures.length) + empty.length,
      };
    }
  }

  if (failures.length > 1) {
    console.log(`\nfailed:\n${failures.map((f) => `  ${f.name} (${show(f.file)})`).join("\n")}`);
  }
  if (excused.length > 0) console.log(`\nskipped, as MERIDIAN_MAY_LACK allows:\n  ${excused.join("\n  ")}`);
  if (skipped.length === 0) return tally;
  console.log(`\n${skippingFails ? "skipped, but required" : "skipped"}:\n  ${skipped.join("\n  ")}`);
  return skippingFails ? addTallies(tally, { passed: 0, failed: skipped.length }) : tally;
}

/** A suite fails when a test in it does; only the test's own failure is news. */
function onlyBecauseOfChildren(data: EventData.TestFail): boolean {
  const { error } = data.details;
  return "failureType" in error && error.failureType === "subtestsFailed";
}

function printFailure(data: EventData.TestFail, file: string): void {
  const { error } = data.details;
  const cause: unknown = error.cause ?? error;
  if (data.name === data.file || cause === "test failed") {
    // node:test names a whole file's failure after the file; its error went to stderr above.
    console.log(`\n✗ ${file}: the file failed outside its tests; see its output above\n`);
    return;
  }
  const lines = inspect(cause, { depth: 6, colors: process.stdout.isTTY }).split("\n");
  const detail = lines.filter((line) => !/ at .*\bnode:internal\//.test(line));
  const place = data.line === undefined ? file : `${file}:${data.line}`;
  console.log(`\n✗ ${data.name} (${place})\n    ${detail.join("\n    ")}\n`);
}

function reason(skip: string | boolean): string {
  return typeof skip === "string" ? `: ${skip}` : "";
}
