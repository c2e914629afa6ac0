/**
 * What each policy costs a call that it lets alone: nanoseconds beside a bare call, and as a ratio of it.
 *
 *   node bench/policies.ts [--json] [--rounds 100] [--only retry]
 *
 * A bare call is a context, a promise that is kept by another turn, and nothing around it. Cases come from the files of
 * bench/policies, each of which exports `cases`. Rounds are short, those of all cases
 * take turns, and the best of each counts: what disturbs a round only ever adds. What the whole default stack costs on
 * a real connection is `bench -- stack`.
 */
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
  layer(): Layer;
}

const files = ["client", "overload", "replay"];
const callsARound = 10_000;
/** So many calls are under way at once, as behind a busy connection. */
const together = 200;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false }, rounds: { type: "string", default: "100" }, only: { type: "string" },
  },
});

const cases: PolicyCase[] = [];
for (const file of files) {
  const url = new URL(`policies/${file}.ts`, import.meta.url);
  // Each file belongs to somebody else; the figures of those that are there are told.
  if (existsSync(url)) cases.push(...((await import(url.href)) as { cases: readonly PolicyCase[] }).cases);
}
const chosen = cases.filter(({ name }) => values.only === undefined || name.includes(values.only));

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

const contenders: { name: string; call: Call; best: number }[] = [
  { name: "bare call", call: bare, best: Infinity },
  ...chosen.map((one) => ({ name: one.name, call: one.layer()(bare) as Call, best: Infinity })),
];
for (let i = 0; i < 5; i++) for (const one of contenders) await round(one.call);
for (let i = 0; i < Number(values.rounds); i++) {
  for (const one of contenders) one.best = Math.min(one.best, await round(one.call));
}
tell();
process.exit();

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

function tell(): void {
  const [first] = contenders as [(typeof contenders)[number]];
  for (const [i, { name, best }] of contenders.entries()) {
    const of = i === 0 ? undefined : chosen[i - 1];
    const row = {
      bench: "policies", case: name, system: "meridian", unit: "ns a call", value: Math.round(best),
      more: Math.round(best - first.best), ratio: Math.round((best / first.best) * 100) / 100,
      side: of?.side ?? null, default: of?.isDefault ?? null,
    };
    process.stdout.write(values.json
      ? `${JSON.stringify(row)}\n`
      : `${name.padEnd(44)} ${String(row.value).padStart(6)} ns ${String(row.more).padStart(6)} more ` +
        `${row.ratio.toFixed(2).padStart(6)} times${row.default === true ? "   by default" : ""}\n`);
  }
}
