/**
 * How long the compiler takes to check a contract of many methods: declared, implemented and called.
 *
 *   node bench/typecheck.ts [--methods 100,250,500] [--runs 3]
 *
 * Prints one JSON row a figure. `value` is the best of the runs, in milliseconds of a whole `tsc --noEmit`;
 * the row `empty` is what `tsc` takes for a contract of one method, which is the compiler's own start and the
 * libraries. Each contract is one service, the worst case: several services are checked apart.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const compiler = join(root, "node_modules", ".bin", "tsc");

/** What is checked besides the contract's declaration. */
export type TypecheckCase = "declare" | "implement" | "call" | "all";

export interface TypecheckRow {
  readonly bench: "typecheck";
  readonly case: string;
  readonly system: "meridian";
  readonly value: number;
  readonly unit: "ms";
  readonly methods: number;
  /** Types that the compiler made, which is the same on every machine. */
  readonly instantiations: number;
}

/** Generates the program in a directory of its own and checks it `runs` times; the best time counts. */
export function measureTypecheck(what: TypecheckCase, methods: number, runs: number): TypecheckRow {
  const directory = mkdtempSync(join(tmpdir(), "meridian-typecheck-"));
  try {
    writeProgram(directory, what, methods);
    const checks = Array.from({ length: runs }, () => checkOnce(directory));
    return {
      bench: "typecheck", case: methods === 1 ? "empty" : `${what} ${methods}`, system: "meridian",
      value: Math.round(Math.min(...checks.map((check) => check.tookMs))), unit: "ms", methods,
      instantiations: Math.max(...checks.map((check) => check.instantiations)),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function checkOnce(directory: string): { tookMs: number; instantiations: number } {
  const startedMs = performance.now();
  const options = ["-p", directory, "--noEmit", "--extendedDiagnostics"];
  const { status, stdout, error } = spawnSync(compiler, options, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the generated contract does not compile:\n${stdout.slice(0, 2000)}`);
  const [, instantiations] = /^Instantiations:\s+(\d+)/m.exec(stdout) ?? [];
  return { tookMs: performance.now() - startedMs, instantiations: Number(instantiations) };
}

function writeProgram(directory: string, what: TypecheckCase, methods: number): void {
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"), "dir");
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({
    extends: join(root, "tsconfig.json"), include: ["*.ts"], exclude: [],
    // As in most users' projects; without it the libraries' own declarations would be most of the time.
    compilerOptions: { skipLibCheck: true, rewriteRelativeImportExtensions: false },
  }));
  const numbers = Array.from({ length: methods }, (_, i) => i);
  writeFileSync(join(directory, "contract.ts"), contractText(numbers));
  if (what === "implement" || what === "all") {
    writeFileSync(join(directory, "implement.ts"), handlersText(numbers));
  }
  if (what === "call" || what === "all") writeFileSync(join(directory, "call.ts"), callsText(numbers));
}

const source = JSON.stringify(join(root, "src", "contract", "index.ts"));

/** Four kinds in turn; ten fields, two structs, a default, an enum and a typed error in each method. */
function contractText(numbers: readonly number[]): string {
  const kinds = ["unary", "unary", "server_stream", "client_stream", "bidi_stream"];
  const methods = numbers.map((i) => `
  method${i}: rpc({
    kind: "${kinds[i % kinds.length]}",
    input: z.object({
      id${i}: z.int32(), tenant: z.string().min(1), tags: z.array(z.string()).default([]),
      address: z.object({ street: z.string(), zip${i}: z.string().optional(), at: z.date() }),
    }),
    output: z.object({
      sum${i}: z.int64(), status: z.enum(["active", "gone", "s${i}"]), scores: z.record(z.string(), z.number()),
      owner: z.object({ name: z.string(), age: z.int32().nullable() }),
    }),
    errors: { NotFound${i}: z.object({ id: z.int32() }) },
    idempotent: true, timeoutMs: 1000, routeKey: (input) => input.tenant,
  }),`);
  return `import * as z from "zod";
import { rpc, service } from ${source};
export const Big = service("big.v1.Big", {${methods.join("")}
});
`;
}

function handlersText(numbers: readonly number[]): string {
  const answer = (i: number) =>
    `{ sum${i}: BigInt(input.id${i}), status: "s${i}", scores: {}, owner: { name: input.tags.join(), age: null } }`;
  const shapes: readonly ((i: number) => string)[] = [
    (i) => `method${i}: (input) => (${answer(i)}),`,
    (i) => `async method${i}(input, context) {
      if (context.attempt > 3) throw Big.methods.method${i}.error("NotFound${i}", { id: 1 });
      return ${answer(i)};
    },`,
    (i) => `async *method${i}(input) { yield ${answer(i)}; },`,
    (i) => `async method${i}(inputs) {
      for await (const input of inputs) return ${answer(i)};
      throw new Error("nothing came");
    },`,
    (i) => `async *method${i}(inputs) { for await (const input of inputs) yield ${answer(i)}; },`,
  ];
  const handlers = numbers.map((i) => (shapes[i % shapes.length] as (i: number) => string)(i));
  return `import type { Handlers } from ${source};
import { Big } from "./contract.ts";
export const handlers: Handlers<typeof Big> = {
${handlers.join("\n")}
};
`;
}

function callsText(numbers: readonly number[]): string {
  const input = (i: number) => `{ id${i}: 1, tenant: "t", address: { street: "s", at: new Date(0) } }`;
  const read = (i: number, answer: string) => `total += ${answer}.sum${i} + BigInt(${answer}.owner.age ?? 0);`;
  const stream = (i: number, argument: string) =>
    `for await (const answer of client.method${i}(${argument})) ${read(i, "answer")}`;
  const shapes: readonly ((i: number) => string)[] = [
    (i) => read(i, `(await client.method${i}(${input(i)}))`),
    (i) => `try { ${read(i, `(await client.method${i}(${input(i)}, { timeoutMs: 5 }))`)} } catch (error) {
      if (isError(error, Big.methods.method${i}, "NotFound${i}")) total += BigInt(error.data.id);
    }`,
    (i) => stream(i, input(i)),
    (i) => read(i, `(await client.method${i}([${input(i)}]))`),
    (i) => stream(i, `[${input(i)}]`),
  ];
  return `import { type Client, isError } from ${source};
import { Big } from "./contract.ts";
export async function calls(client: Client<typeof Big>): Promise<bigint> {
  let total = 0n;
  ${numbers.map((i) => (shapes[i % shapes.length] as (i: number) => string)(i)).join("\n  ")}
  return total;
}
`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      methods: { type: "string", default: "100,250,500" },
      runs: { type: "string", default: "3" },
      json: { type: "boolean" },
    },
  });
  const runs = Number(values.runs);
  console.log(JSON.stringify(measureTypecheck("declare", 1, runs)));
  for (const what of ["declare", "implement", "call", "all"] as const) {
    for (const methods of values.methods.split(",").map(Number)) {
      console.log(JSON.stringify(measureTypecheck(what, methods, runs)));
    }
  }
}
