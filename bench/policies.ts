/**
 * What each policy costs a call that it lets alone: nanoseconds beside a bare call, and as a ratio of it.
 *
 *   node bench/policies.ts [--json] [--rounds 100] [--only retry]
 *
 * A bare call is a context, a promise that is kept by another turn, and nothing around it. Cases come from the files of
 * bench/policies, each of which exports `cases`. Each case has a process of its own; rounds with and without it take
 * turns, and the best of each counts: what disturbs a round only ever adds. Some cases are compared with what stands in
 * `over` instead, which does the same without the policy. What the whole default stack costs on a real connection is
 * `bench -- stack`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { Context, type Layer, nextMethodOrdinal } from "../src/core/index.ts";
import { nodeRuntime } from "../src/runtime/node/index.ts";

/** One policy over the service that it is given. */
export interface PolicyCase {
  readonly name: string;
  /** What it stands at, for the reader: the client or the server. */
  readonly side: "client" | "server";
  /** Whether it is part of a default client or server. */
  readonly isDefault: boolean;
  /** The case that it is compared with; a bare call where none is named. */
  readonly over?: string;
  /** Most that it may cost more, in nanoseconds, where that is promised. */
  readonly goalNs?: number;
  layer(): Layer;
}

const files = ["client", "overload", "replay"];
const callsARound = 10_000;
/** So many calls are under way at once, as behind a busy connection. */
const together = 200;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false }, rounds: { type: "string", default: "100" }, only: { type: "string" },
    // What a process of one case is told by the one that started it.
    case: { type: "string" },
  },
});

const cases: PolicyCase[] = [];
for (const file of files) {
  const url = new URL(`policies/${file}.ts`, import.meta.url);
  // Each file belongs to somebody else; the figures of those that are there are told.
  if (existsSync(url)) cases.push(...((await import(url.href)) as { cases: readonly PolicyCase[] }).cases);
}
const chosen = cases.filter(({ name }) => (values.only === undefined || name.includes(values.only)) &&
  // What others are compared with is no policy.
  !cases.some(({ over }) => over === name));

const method = {
  service: "bench.v1.Bench", name: "call", wireName: "Call", path: "bench.v1.Bench/call", kind: "unary" as const,
  idempotent: true, safe: true, criticality: "default" as const, timeoutMs: undefined, routeKey: undefined,
  ordinal: nextMethodOrdinal(),
};
const resolved = Promise.resolve(1);
/** Answers a turn later, and says so as an endpoint does. */
const bare = (_request: unknown, context: Context): Promise<unknown> => {
  context.attemptEnded = true;
  return resolved.then(same);
};
const same = (value: unknown): unknown => value;

type Call = (request: unknown, context: Context) => unknown;

if (values.case === undefined) {
  for (const { name } of chosen) await inItsOwnProcess(name);
} else {
  await measure(values.case);
}
process.exit();

/** What other cases leave behind, compiled or to be collected, is no cost of this one. */
async function inItsOwnProcess(name: string): Promise<void> {
  const child = spawn(process.execPath, [...process.argv.slice(1), "--case", name], { stdio: "inherit" });
  const [code] = await once(child, "exit") as [number | null];
  if (code !== 0) throw new Error(`the process of "${name}" ended with ${code}`);
}

/** Rounds of a bare call, of what the case is compared with, and of the case, by turns. */
async function measure(name: string): Promise<void> {
  const one = cases.find((other) => other.name === name) as PolicyCase;
  const off = cases.find((other) => other.name === one.over);
  const contenders = [undefined, off, one].filter((other, i) => i === 0 || other !== undefined)
    .map((other) => ({ call: (other === undefined ? bare : other.layer()(bare)) as Call, best: Infinity }));
  for (let i = 0; i < 5; i++) for (const contender of contenders) await round(contender.call);
  for (let i = 0; i < Number(values.rounds); i++) {
    for (const contender of contenders) contender.best = Math.min(contender.best, await round(contender.call));
  }
  const [onNs = 0, offNs = 0] = contenders.map(({ best }) => best).toReversed();
  tell(one, offNs, onNs);
}

async function round(call: Call): Promise<number> {
  const { clock } = nodeRuntime;
  const beganMs = performance.now();
  for (let made = 0; made < callsARound; made += together) {
    const answers: unknown[] = [];
    for (let i = 0; i < together; i++) {
      const nowMs = clock.now();
      answers.push(call(i, new Context(method, nowMs, nowMs + 15_000)));
    }
    for (const answer of answers) await answer;
  }
  return ((performance.now() - beganMs) / callsARound) * 1e6;
}

function tell(one: PolicyCase, offNs: number, onNs: number): void {
  const row = {
    bench: "policies", case: one.name, system: "meridian", unit: "ns a call", value: Math.round(onNs),
    off: Math.round(offNs), more: Math.round(onNs - offNs), ratio: Math.round((onNs / offNs) * 100) / 100,
    side: one.side, default: one.isDefault,
  };
  print(row, `${one.name.padEnd(44)} ${String(row.value).padStart(6)} ns ${String(row.more).padStart(6)} more ` +
    `${row.ratio.toFixed(2).padStart(6)} times${one.isDefault ? "   by default" : ""}`);
  if (one.goalNs === undefined) return;
  const goal = {
    bench: "policies", case: one.name, system: "meridian", goal: `under ${one.goalNs} ns more`, unit: "ns a call",
    value: row.more, met: row.more < one.goalNs,
  };
  print(goal, `  ${goal.goal}: ${goal.met ? "met" : "missed"}`);
}

function print(row: object, text: string): void {
  process.stdout.write(`${values.json ? JSON.stringify(row) : text}\n`);
}
