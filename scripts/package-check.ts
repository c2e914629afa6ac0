// Proves the package as a user gets it: packed, linted, installed, type-checked and run, as ESM and CommonJS.
//
//   npm run package-check      needs the registry; works in a temporary directory that it removes
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Package {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const self = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
const subpaths = Object.keys(self.exports).filter((subpath) => subpath !== "./package.json");
const realPrograms = globSync("test/package/*.ts", { cwd: root });
const scratch = mkdtempSync(join(tmpdir(), "meridian-package-"));

/** The strictest a user may set; what passes here passes anywhere. */
const strictest = {
  compilerOptions: {
    target: "es2024",
    module: "nodenext",
    types: ["node"],
    outDir: "out",
    rootDir: ".",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noImplicitReturns: true,
    noPropertyAccessFromIndexSignature: true,
    noUnusedLocals: true,
    verbatimModuleSyntax: true,
    isolatedModules: true,
    skipLibCheck: false,
  },
  include: ["*.ts"],
};

try {
  if (subpaths.length === 0) throw new Error("package.json exports nothing");
  step("build", () => run(root, "node", "scripts/build.ts"));
  const tarball = step("pack", pack);
  step("publint", () => run(root, "publint", "run", tarball, "--strict"));
  step("attw", () => run(root, "attw", tarball, "--profile", "esm-only"));
  step("ESM user", () => checkUser("module", tarball, esmProgram()));
  step("CommonJS user", () => checkUser("commonjs", tarball, commonJsProgram()));
  console.log(`package ok: ${subpaths.length} subpaths, ${realPrograms.length} programs`);
} catch (error) {
  console.error(`package check failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function step<T>(name: string, action: () => T): T {
  console.log(`package: ${name}`);
  return action();
}

/** Output is shown only where it explains a failure. */
function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${[command, ...args].join(" ")}\n${error?.message ?? `${stdout}\n${stderr}`}`);
}

function pack(): string {
  const output = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [packed] = JSON.parse(output) as { filename: string; files: { path: string }[] }[];
  if (packed === undefined) throw new Error("npm pack packed nothing");
  const stray = packed.files.filter(({ path }) => /\.test\.|^(?:test|bench|scripts)\//.test(path));
  if (stray.length > 0) throw new Error(`does not belong in the package: ${stray.map((f) => f.path).join(", ")}`);
  return join(scratch, packed.filename);
}

function checkUser(type: "module" | "commonjs", tarball: string, program: string): void {
  const home = join(scratch, type);
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), JSON.stringify({ name: "user", private: true, type }));
  writeFileSync(join(home, "tsconfig.json"), JSON.stringify(strictest));
  writeFileSync(join(home, "subpaths.ts"), program);
  if (type === "module") {
    for (const path of realPrograms) cpSync(join(root, path), join(home, basename(path)));
  }
  // The doors name the types of one optional peer: `telemetry/otel` is for those who have it.
  const peers = ["zod", "typescript", "@types/node", "@opentelemetry/api"]
    .map((name) => `${name}@${self.devDependencies[name]}`);
  run(home, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", tarball, ...peers);
  run(home, join(home, "node_modules", ".bin", "tsc"), "-p", ".");
  for (const path of globSync("out/*.js", { cwd: home })) {
    process.stdout.write(run(home, "node", join("out", basename(path))));
  }
  if (!existsSync(join(home, "out", "subpaths.js"))) throw new Error(`${type}: nothing was compiled`);
}

function esmProgram(): string {
  const imports = subpaths.map((subpath, i) => `import * as m${i} from "${specifier(subpath)}";`);
  return [...imports, ...countKeys()].join("\n");
}

function commonJsProgram(): string {
  const imports = subpaths.map((subpath, i) => `import m${i} = require("${specifier(subpath)}");`);
  return [...imports, ...countKeys()].join("\n");
}

function countKeys(): string[] {
  const entries = subpaths.map((subpath, i) => `  ["${specifier(subpath)}", Object.keys(m${i}).length],`);
  return [
    "const counts: [string, number][] = [",
    ...entries,
    "];",
    "console.log(counts.map(([name, keys]) => `  ${name}: ${keys}`).join('\\n'));",
    "const empty = counts.filter(([, keys]) => keys === 0);",
    "if (empty.length > 0) throw new Error(`exports nothing: ${empty.join(' ')}`);",
    "",
  ];
}

function specifier(subpath: string): string {
  return self.name + subpath.slice(1);
}
