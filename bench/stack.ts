/**
 * What each part of the default stack costs over the bare wire, in processor time a call.
 *
 *   node bench/stack.ts [--json] [--rounds 60] [--processes 3] [--outstanding 512] [--only "bare wire" ...]
 *
 * Each set-up has one part more than the one before, and a client process of its own: what a call costs depends on
 * what else its process has compiled. Server processes answer, bare and with their defaults. All make the same call,
 * with the same record, and await it. They take turns in slices of some hundredths of a second; a figure is the median
 * of all slices, those of several generations of processes, since no two compile alike. The first decile stands beside
 * it: what else the machine does only ever adds. The goal is the median of what neighbouring slices make of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pinned } from "./harness/process.ts";
import { type SetUp, setUps } from "./stack/set-ups.ts";

/** Calls that a process makes before the first that counts: until its code is compiled. */
const warmUpCalls = 300_000;
const callsASlice = 20_000;
/** Longest time that a process may take for a slice. */
const mostMs = 60_000;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false }, rounds: { type: "string", default: "60" },
    processes: { type: "string", default: "3" }, outstanding: { type: "string", default: "512" },
    only: { type: "string", multiple: true },
  },
});
const outstanding = Number(values.outstanding);
const chosen = setUps.filter(({ name }) => values.only === undefined || values.only.includes(name));

/** Nanoseconds of processor time a call, of each slice. */
interface Slices {
  readonly client: number[];
  readonly server: number[];
}

const slices: readonly Slices[] = chosen.map(() => ({ client: [], server: [] }));
for (let generation = 0; generation < Number(values.processes); generation++) await measure();
tell();

/** A process of the program in bench/stack, pinned to the core of its role. */
function start(role: "client" | "server", args: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL(`stack/${role}.ts`, import.meta.url));
  const [command = "", ...rest] = pinned(role, [process.execPath, program, ...args]);
  return spawn(command, rest, { stdio: ["ignore", 2, 2, "ipc"] });
}

async function answerOf(child: ChildProcess, question: unknown): Promise<unknown> {
  if (question !== undefined) child.send(question as object);
  const [answer] = await once(child, "message", { signal: AbortSignal.timeout(mostMs) });
  return answer;
}

/** One generation of processes, from their start to their end. */
async function measure(): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    const servers = new Map<string, { child: ChildProcess; addresses: readonly string[] }>();
    for (const kind of ["bare", "full"]) {
      const child = start("server", [kind]);
      children.push(child);
      servers.set(kind, { child, addresses: await answerOf(child, undefined) as string[] });
    }
    const clients: { client: ChildProcess; server: ChildProcess }[] = [];
    for (const { name, server, endpoints } of chosen) {
      const { child, addresses } = servers.get(server) as { child: ChildProcess; addresses: string[] };
      const client = start("client", [name, String(outstanding), ...addresses.slice(0, endpoints)]);
      children.push(client);
      await answerOf(client, undefined);
      clients.push({ client, server: child });
      await answerOf(client, warmUpCalls);
    }
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [i, { client, server }] of clients.entries()) {
        const before = await answerOf(server, "cpu") as number;
        const clientNs = await answerOf(client, callsASlice) as number;
        const serverNs = (await answerOf(server, "cpu") as number) - before;
        slices[i]?.client.push(clientNs / callsASlice);
        slices[i]?.server.push(serverNs / callsASlice);
      }
    }
  } finally {
    // Each ends itself when it is left alone.
    for (const child of children) if (child.connected) child.disconnect();
  }
}

function quantile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}

function tell(): void {
  for (const [i, { name }] of chosen.entries()) {
    const { client, server } = slices[i] as Slices;
    const row = {
      bench: "stack", case: `S@${outstanding}`, system: "meridian", part: name, unit: "ns of processor time a call",
      value: Math.round(quantile(client, 0.5)), serverValue: Math.round(quantile(server, 0.5)),
      quiet: Math.round(quantile(client, 0.1)), serverQuiet: Math.round(quantile(server, 0.1)), slices: client.length,
    };
    const [c, s] = [row.value, row.serverValue].map((ns) => String(ns).padStart(5));
    process.stdout.write(values.json
      ? `${JSON.stringify(row)}
`
      : `${name.padEnd(50)} client ${c} ns (${row.quiet})   server ${s} ns (${row.serverQuiet})
`);
  }
  for (const [i, setUp] of chosen.entries()) if (setUp.isGoal) tellGoal(setUp, slices[i] as Slices);
}

/** How much a set-up costs over the bare wire with as many connections, both sides together. */
function tellGoal({ name, endpoints }: SetUp, { client, server }: Slices): void {
  const bare = slices[chosen.findIndex((one) => one.isBare && one.endpoints === endpoints)];
  if (bare === undefined) return;
  // Slices of one round are neighbours in time: what the machine does falls on both.
  const over = quantile(client.map((ns, i) =>
    ((ns + (server[i] ?? 0)) / ((bare.client[i] ?? 0) + (bare.server[i] ?? 0)) - 1) * 100), 0.5);
  const goal = {
    bench: "stack", case: `S@${outstanding}`, system: "meridian",
    goal: `${name}: < 25 % over the bare wire, both sides together`,
    value: Math.round(over * 10) / 10, unit: "%", met: over < 25,
  };
  process.stdout.write(values.json ? `${JSON.stringify(goal)}\n` : `\n${goal.goal}: ${goal.value} %\n`);
}
