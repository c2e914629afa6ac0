/** `meridian endpoints`: who serves a name, whether each is fit to be called, and why. */
import { Command, InvalidArgumentError } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import type { Observer } from "../core/observer.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { connect } from "../protocol/connect/index.ts";
import { grpc } from "../protocol/grpc/index.ts";
import { createClient } from "../client/index.ts";
import { type EndpointRow, endpointTable } from "../client/endpoint-table.ts";
import { RpcError } from "../core/error.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { Health } from "../server/health.ts";
import { type Column, columns } from "./columns.ts";
import { openSource, sourceForms } from "./source.ts";

interface Flags {
  readonly from: string;
  readonly protocol: keyof typeof protocols;
  readonly wait: number;
  readonly watch?: boolean;
  readonly json?: boolean;
}

const protocols: Readonly<Record<"native" | "grpc" | "connect", Protocol | undefined>> = {
  native: undefined, grpc: grpc(), connect: connect(),
};

/** `ended` hears the exit code: 0 if one of them is ready, 3 if none is. */
export function endpointsCommand(ended: (code: number) => void): Command {
  return new Command("endpoints")
    .description("Who serves a name, whether each is fit to be called, and why.")
    .argument("<name>", "the service, as it is registered: geo.v1.Cities")
    .requiredOption("--from <source>", `where they are found:\n${sourceForms.join("\n")}`)
    .option("--protocol <name>", "what is spoken to them: native, grpc, connect", protocolName, "native")
    .option("--wait <ms>", "how long to wait for those that do not answer", milliseconds, 2_000)
    .option("-w, --watch", "go on, and show every change until interrupted")
    .option("--json", "one JSON object a row")
    .addHelpText("after", "\nStatuses: ready is called; idle and connecting may be; suspect, busy, ejected and " +
      "draining\nare not, for the reason shown. Exit code 0 if one is ready, 3 if none is.")
    .action(async (name: string, flags: Flags) => {
      ended(await show(name, flags));
    });
}

function protocolName(text: string): string {
  if (Object.hasOwn(protocols, text)) return text;
  throw new InvalidArgumentError(`Write one of ${Object.keys(protocols).join(", ")}.`);
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && value <= 600_000) return value;
  throw new InvalidArgumentError("Write milliseconds from 0 to 600000.");
}

/** What is the matter with the source. */
interface Complaints {
  readonly observer: Observer;
  /** Why it is not to be had. */
  source(): string | undefined;
}

/** Entries that are left out are told at once; once each. */
function listening(): Complaints {
  let source: string | undefined;
  const said = new Set<string>();
  const say = (text: string): void => {
    if (said.has(text) || said.size > 1_000) return;
    said.add(text);
    process.stderr.write(`${text}\n`);
  };
  return {
    source: () => source,
    observer: {
      event(event, fields) {
        if (event === "discovery.skipped") say(`left out: ${String(fields["entry"])}: ${String(fields["why"])}`);
        if (event === "discovery.failed" || event === "discovery.lost") source = String(fields["error"]);
      },
    },
  };
}

async function show(name: string, flags: Flags): Promise<number> {
  const complaints = listening();
  const { observer } = complaints;
  const source = await openSource(flags.from, name, observer);
  // Any contract does: nobody is called but by heartbeats. Everybody is connected to, since that is what is asked.
  const client = createClient(Health, {
    name, discovery: source.discovery, observer, metrics: false, eagerConnections: Infinity,
    protocol: protocols[flags.protocol], outliers: false,
  });
  const rows = (): EndpointRow[] => endpointTable(client.$.endpoints(), nodeRuntime.clock.now());
  try {
    await settled(rows, flags.wait);
    const found = rows();
    const error = complaints.source();
    if (found.length === 0 && error !== undefined) throw new RpcError("unavailable", error);
    print(name, found, flags);
    if (flags.watch === true) await follow(name, rows, flags);
    return rows().some(({ status }) => status === "ready") ? 0 : 3;
  } finally {
    client.$.close(0);
    await source.close();
  }
}

/** Until nobody is still being tried, or the time is over. */
async function settled(rows: () => readonly EndpointRow[], waitMs: number): Promise<void> {
  const { clock } = nodeRuntime;
  for (const untilMs = clock.now() + waitMs; clock.now() < untilMs; await sleep(20)) {
    const now = rows();
    if (now.length > 0 && now.every(({ status, pingMs }) => status !== "idle" && status !== "connecting" &&
      (status !== "ready" || pingMs > 0))) return;
  }
}

async function follow(name: string, rows: () => EndpointRow[], flags: Flags): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  const { signal } = interrupted;
  for (const one of ["SIGINT", "SIGTERM"]) process.once(one, interrupt);
  let before = fingerprint(rows());
  while (!signal.aborted) {
    await sleep(250, undefined, { signal }).catch(() => undefined);
    const now = rows();
    const present = fingerprint(now);
    if (present !== before) print(name, now, flags);
    before = present;
  }
}

/** What a change of is worth showing: figures change all the time. */
function fingerprint(rows: readonly EndpointRow[]): string {
  return JSON.stringify(rows.map(({ id, address, weight, role, priority, status, why }) =>
    [id, address, weight, role, priority, status, why]));
}

const shown: readonly Column<EndpointRow>[] = [
  { title: "ENDPOINT", text: ({ id, address }) => (id === address ? address : `${id} ${address}`) },
  { title: "REGION", text: ({ region }) => region },
  { title: "ZONE", text: ({ zone }) => zone },
  { title: "WEIGHT", text: ({ weight }) => String(weight), right: true },
  { title: "ROLE", text: ({ role, priority }) => (priority === 0 ? role : `${role} ${priority}`) },
  { title: "STATUS", text: ({ status }) => status },
  { title: "PING", text: ({ pingMs }) => (pingMs > 0 ? `${pingMs.toFixed(1)} ms` : ""), right: true },
  { title: "CPU", text: ({ cpu }) => share(cpu), right: true },
  { title: "MEMORY", text: ({ memory }) => share(memory), right: true },
  { title: "WHY", text: ({ evidence, why }) => (evidence.length > 0 ? evidence.join("; ") : why) },
];

function share(value: number | undefined): string {
  return value === undefined ? "" : `${Math.round(value * 100)} %`;
}

function print(name: string, rows: readonly EndpointRow[], { json, watch }: Flags): void {
  if (json === true) {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    return;
  }
  const ready = rows.filter(({ status }) => status === "ready").length;
  const time = watch === true ? `${new Date().toISOString().slice(11, 19)} ` : "";
  const lines = rows.length === 0 ? [] : columns(shown, rows, process.stdout.columns);
  const summary = `${time}${name}: ${ready} of ${rows.length} ready`;
  process.stdout.write([summary, ...lines, ""].join("\n"));
}
