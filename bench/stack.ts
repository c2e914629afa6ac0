/**
 * What each part of the default stack costs over the bare wire, in processor time a call.
 *
 *   node bench/stack.ts [--json] [--rounds 9] [--outstanding 512]
 *
 * One client process makes the same calls in several set-ups in turn, each with one part more than the one
 * before; a server process answers, bare and with its defaults. Each figure is the best round: processor time
 * hardly depends on what else the machine does, and what disturbs it only ever adds.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createClient, createServer } from "../src/index.ts";
import { Context } from "../src/core/index.ts";
import { codersOf } from "../src/contract/coders.ts";
import { protobuf } from "../src/codec/index.ts";
import { nativeConnect } from "../src/protocol/native/index.ts";
import { nodeRuntime } from "../src/runtime/node/index.ts";
import { smallRecord } from "./records.ts";
import { Echo } from "./systems/meridian/contract.ts";

const record = smallRecord(7);
type Call = (request: typeof record) => Promise<unknown>;
const warmUpCalls = 100_000;
const callsARound = 200_000;
/** A round's callers end themselves; nothing here lasts longer than this. */
const maxRunMs = 300_000;

if (process.argv.includes("--serve")) await serve();
else await measure();

/** Two servers, without and with what `createServer` adds; tells its processor time when asked. */
async function serve(): Promise<void> {
  const handlers = {
    small: (request: typeof record) => request, user: (request: unknown) => request,
    async *receive() {}, send: async () => ({ count: 0 }),
  };
  const bare = createServer({ metrics: false, load: false }).implement(Echo, handlers as never);
  const full = createServer().implement(Echo, handlers as never);
  process.on("message", () => process.send?.(cpuMs()));
  process.on("disconnect", () => process.exit());
  setTimeout(() => process.exit(), maxRunMs).unref();
  process.send?.([await bare.listen(), await full.listen()]);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

async function bareWire(address: string): Promise<Call> {
  const coders = codersOf(Echo.methods.small, protobuf);
  const observer = { attemptEnded() {} };
  const connection = await new Promise<ReturnType<ReturnType<typeof nativeConnect>>>((resolve) => {
    const nothing = (): void => undefined;
    const made = nativeConnect({ coders: () => coders })(nodeRuntime, address, {
      opened: () => resolve(made), draining: nothing, closed: nothing, pinged: nothing, reported: nothing,
    });
  });
  const method = Echo.methods.small;
  return (request) => {
    const nowMs = nodeRuntime.clock.now();
    return connection.call(request, new Context(method, nowMs, nowMs + 15_000), observer) as Promise<unknown>;
  };
}

function client(options: Partial<Parameters<typeof createClient>[1]>, address: string): Call {
  const made = createClient(Echo, { ...options, address });
  return (request) => made.small({ ...request, tags: request.tags as string[] });
}

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false }, rounds: { type: "string", default: "9" },
      outstanding: { type: "string", default: "512" },
    },
  });
  const child = fork(fileURLToPath(import.meta.url), ["--serve"]);
  const [[bareServer, fullServer]] = await once(child, "message") as [[string, string]];
  const plain = { stack: () => ({}), retry: false, outliers: false, metrics: false } as const;
  const setups: readonly (readonly [name: string, call: Call])[] = [
    ["bare wire", await bareWire(bareServer)],
    ["+ endpoint, balancer and picker", client(plain, bareServer)],
    ["+ outlier detection", client({ ...plain, outliers: {} }, bareServer)],
    ["+ idempotency keys, retry and budget", client({ metrics: false }, bareServer)],
    ["+ metrics: all client defaults", client({}, bareServer)],
    ["+ region preference", client({ region: "here" }, bareServer)],
    ["all client defaults, server with all of its", client({}, fullServer)],
  ];
  const best = setups.map(() => ({ client: Infinity, server: Infinity }));
  for (const [, call] of setups) await run(call, warmUpCalls, Number(values.outstanding));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, [, call]] of setups.entries()) {
      const [clientMs, serverMs] = [cpuMs(), await serverCpuMs(child)];
      await run(call, callsARound, Number(values.outstanding));
      const figure = best[i] as (typeof best)[number];
      figure.client = Math.min(figure.client, ((cpuMs() - clientMs) / callsARound) * 1e6);
      figure.server = Math.min(figure.server, ((await serverCpuMs(child) - serverMs) / callsARound) * 1e6);
    }
  }
  print(setups.map(([name]) => name), best, values.json, Number(values.outstanding));
  child.disconnect();
  process.exit();
}

async function serverCpuMs(child: ReturnType<typeof fork>): Promise<number> {
  child.send("cpu");
  const [ms] = await once(child, "message") as [number];
  return ms;
}

async function run(call: Call, calls: number, outstanding: number): Promise<void> {
  let left = calls;
  await Promise.all(Array.from({ length: outstanding }, async () => {
    while (left-- > 0) await call(record);
  }));
}

function print(
  names: readonly string[], best: readonly { client: number; server: number }[], json: boolean, outstanding: number,
): void {
  const wire = best[0] as (typeof best)[number];
  const full = best.at(-1) as (typeof best)[number];
  const over = ((full.client + full.server) / (wire.client + wire.server) - 1) * 100;
  for (const [i, name] of names.entries()) {
    const { client, server } = best[i] as (typeof best)[number];
    const row = {
      bench: "stack", case: `S@${outstanding}`, system: "meridian", part: name, unit: "ns of processor time a call",
      value: Math.round(client), serverValue: Math.round(server),
    };
    const [c, v] = [row.value, row.serverValue].map((ns) => String(ns).padStart(5));
    process.stdout.write(json ? `${JSON.stringify(row)}\n` : `${name.padEnd(46)} client ${c} ns   server ${v} ns\n`);
  }
  const goal = {
    bench: "stack", case: `S@${outstanding}`, system: "meridian",
    goal: "< 25 % over the bare wire, both sides together",
    value: Math.round(over * 10) / 10, unit: "%", met: over < 25,
  };
  process.stdout.write(json ? `${JSON.stringify(goal)}\n` : `\n${goal.goal}: ${goal.value} %\n`);
}
