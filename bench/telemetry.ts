/**
 * What telemetry costs a unary call, in processor time of both sides, as a ratio to none.
 *
 *   node bench/telemetry.ts [--json] [--rounds 30] [--processes 2] [--outstanding 256] [--calls 20000]
 *
 * Each set-up has a client and a server process of its own, which take turns in slices; a ratio is the median of what
 * neighbouring slices make of it, since what else the machine does falls on both.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pinned } from "./harness/process.ts";
import { setUps } from "./telemetry/set-ups.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false }, rounds: { type: "string", default: "30" },
    processes: { type: "string", default: "2" }, outstanding: { type: "string", default: "256" },
    calls: { type: "string", default: "20000" },
  },
});
const calls = Number(values.calls);
/** Calls before the first that counts, in slices: until the code is compiled. */
const warmUp = 8;
/** Longest time that a process may take for a slice. */
const mostMs = 60_000;
/** Most of a call's processor time that metrics, sampled traces and logs may add. */
const goal = 1.1;

const slices = setUps.map((): number[] => []);
for (let generation = 0; generation < Number(values.processes); generation++) await measure();
tell();

function start(children: ChildProcess[], side: "client" | "server", args: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL("telemetry/side.ts", import.meta.url));
  const [command = "", ...rest] = pinned(side, [process.execPath, program, side, ...args]);
  const child = spawn(command, rest, { stdio: ["ignore", 2, 2, "ipc"] });
  children.push(child);
  return child;
}

async function answerOf(child: ChildProcess, question?: unknown): Promise<unknown> {
  if (question !== undefined) child.send(question as object);
  const [answer] = await once(child, "message", { signal: AbortSignal.timeout(mostMs) });
  return answer;
}

async function measure(): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    const pairs: { client: ChildProcess; server: ChildProcess }[] = [];
    for (const setUp of setUps) {
      const server = start(children, "server", [setUp]);
      const address = await answerOf(server) as string;
      const client = start(children, "client", [setUp, values.outstanding, address]);
      await answerOf(client);
      for (let i = 0; i < warmUp; i++) await answerOf(client, calls);
      pairs.push({ client, server });
    }
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [i, { client, server }] of pairs.entries()) {
        const before = await answerOf(server, "cpu") as number;
        const clientNs = await answerOf(client, calls) as number;
        slices[i]?.push((clientNs + (await answerOf(server, "cpu") as number) - before) / calls);
      }
    }
  } finally {
    // Each ends itself when it is left alone.
    for (const child of children) if (child.connected) child.disconnect();
  }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor((figures.length - 1) / 2)] ?? 0;
}

function tell(): void {
  const off = slices[0] ?? [];
  for (const [i, setUp] of setUps.entries()) {
    const own = slices[i] ?? [];
    const ratio = median(own.map((ns, slice) => ns / (off[slice] ?? ns)));
    const hasGoal = i > 0 && setUp !== "traces at 100 %" && !setUp.includes("marked");
    const row = {
      bench: "telemetry", case: `S@${values.outstanding}`, system: "meridian", part: setUp,
      value: Math.round(ratio * 1_000) / 1_000, unit: "times the processor time without, both sides",
      nsACall: Math.round(median(own)), slices: own.length,
      ...(hasGoal ? { goal: `at most ${goal}`, met: ratio <= goal } : undefined),
    };
    process.stdout.write(values.json ? `${JSON.stringify(row)}\n`
      : `${setUp.padEnd(32)} ${row.value.toFixed(3)} times   ${row.nsACall} ns a call\n`);
  }
}
