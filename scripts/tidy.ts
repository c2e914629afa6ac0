// The style guide as a test: reads every file git knows or would add, and prints what breaks a rule.
//
//   node scripts/tidy.ts          exit 1 if anything is found
//   node scripts/tidy.ts --fix    also brings package.json's exports in step with src
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { checkImports } from "./tidy/imports.ts";
import {
  checkChangelog,
  checkExports,
  checkLockfile,
  checkMachinePaths,
  sourceOf,
  withExports,
} from "./tidy/project.ts";
import type { Finding, SourceFile } from "./tidy/source.ts";
import { checkText } from "./tidy/text.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const files = projectFiles();
const paths = new Set(files.map((file) => file.path));
if (process.argv.includes("--fix")) {
  writeFileSync("package.json", withExports(readFileSync("package.json", "utf8"), paths));
}
const packageJson = readFileSync("package.json", "utf8");
const { exports = {}, dependencies = {}, peerDependencies = {} } = JSON.parse(packageJson) as Partial<
  Record<"exports" | "dependencies" | "peerDependencies", Record<string, unknown>>
>;

const findings: Finding[] = [
  ...checkImports(files, [...Object.keys(dependencies), ...Object.keys(peerDependencies)]),
  ...files.flatMap(checkText),
  ...files.flatMap(checkMachinePaths),
  ...files.filter((file) => file.path === "CHANGELOG.md").flatMap(checkChangelog),
  ...files.filter((file) => file.path === "package-lock.json").flatMap(checkLockfile),
  ...checkExports(packageJson, paths),
  ...(await loadsAlone(Object.keys(exports).map(sourceOf).filter((path) => paths.has(path)))),
];
for (const { path, line, message } of findings) {
  console.log(`${line > 0 ? `${path}:${line}` : path}: ${message}`);
}
process.exitCode = findings.length > 0 ? 1 : 0;

/** Tracked files and new ones not ignored, so that a mistake shows before it is committed. */
function projectFiles(): SourceFile[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const listed = execFileSync("git", args, { encoding: "utf8", maxBuffer: 64 << 20 }).split("\0");
  return [...new Set(listed)]
    .filter((path) => path !== "" && existsSync(path))
    .map((path) => ({ path, text: readFileSync(path, "utf8") }))
    .filter((file) => !file.text.includes("\0"));
}

/** A subpath that only works once another was imported breaks the user who needs just that one. */
async function loadsAlone(sources: readonly string[]): Promise<Finding[]> {
  const load = promisify(execFile);
  const results = sources.map(async (path): Promise<Finding[]> => {
    try {
      await load(process.execPath, ["--input-type=module", "-e", `await import("./${path}")`]);
      return [];
    } catch (error) {
      const { stderr = "" } = error as { stderr?: string };
      const reason = stderr.split("\n").find((line) => /Error/.test(line)) ?? stderr.slice(0, 200);
      return [{ path, line: 0, message: `does not load alone: ${reason}` }];
    }
  });
  return (await Promise.all(results)).flat();
}
