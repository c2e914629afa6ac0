// The code of README and guides compiles as strictly as ours, runs, and prints what the documents say.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { after, describe, test } from "node:test";
import { readSnippets, root, runnable, type Snippets } from "./snippets.ts";

/** For one program to print what it shall, on a busy machine. */
const limitMs = 60_000;

mkdirSync(join(root, "test/.tmp"), { recursive: true });
const scratch: string[] = [];
const started: ChildProcess[] = [];
after(() => {
  for (const program of started) if (program.exitCode === null) program.kill("SIGKILL");
  for (const directory of scratch) rmSync(directory, { recursive: true, force: true });
});

interface Placed extends Snippets {
  readonly directory: string;
}

const documents = ["README.md", ...globSync("docs/guides/*.md", { cwd: root }).sort()];
const placed = await Promise.all(documents.map((document) => place(document)));

async function place(document: string): Promise<Placed> {
  const snippets = await runnable(readSnippets(document));
  const directory = mkdtempSync(join(root, "test/.tmp", `${basename(document, ".md")}-`));
  scratch.push(directory);
  for (const [name, text] of snippets.files) writeFileSync(join(directory, name), text);
  return { ...snippets, directory };
}

test("the code of README and guides passes the strictest compiler", () => {
  const config = join(placed[0]?.directory ?? "", "tsconfig.json");
  writeFileSync(config, JSON.stringify({
    extends: relative(join(config, ".."), join(root, "tsconfig.json")),
    compilerOptions: { noUnusedLocals: true },
    include: placed.flatMap(({ directory, files }) => [...files.keys()].map((name) => join(directory, name))),
    exclude: [],
  }));
  const { stdout, error } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", config], { encoding: "utf8" });
  // What is wrong with the sources themselves is told by the stage that checks those.
  assert.deepEqual(stdout.split("\n").filter((line) => line !== "" && !line.startsWith("src/")), []);
  assert.equal(error, undefined);
});

describe("programs print what the document says", { concurrency: 3 }, () => {
  for (const { document, directory, files, outputs } of placed) {
    test(document, { timeout: limitMs * 2 }, async () => {
      assert.ok(outputs.size > 0, "no block says what a program prints");
      let last: Program | undefined;
      for (const [name, output] of outputs) {
        assert.ok(files.has(name), `output of ${name}, which is not in the document`);
        last = run(directory, name, output);
        await last.printed;
      }
      // What is shown last ends by itself; servers before it go on.
      assert.equal(await last?.exited, 0);
    });
  }
});

interface Program {
  /** Resolves once it has printed what it shall. */
  readonly printed: Promise<void>;
  readonly exited: Promise<number | null>;
}

function run(directory: string, name: string, output: string): Program {
  const program = spawn(process.execPath, [join(directory, name)], { stdio: ["ignore", "pipe", "pipe"] });
  started.push(program);
  let printed = "";
  let complaints = "";
  program.stderr.setEncoding("utf8").on("data", (text: string) => complaints += text);
  const exited = new Promise<number | null>((resolve, reject) => {
    program.once("close", (code) => printed === output
      ? resolve(code)
      : reject(new Error(`${name} ended with ${code} and printed\n${printed}${complaints}instead of\n${output}`)));
  });
  exited.catch(() => undefined);
  const complete = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} printed only\n${printed}${complaints}`)), limitMs);
    program.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed === output) resolve();
    });
    const stop = (): void => clearTimeout(timer);
    exited.then(stop, stop);
    exited.catch(reject);
  });
  return { printed: complete, exited };
}
