/** `meridian top`: regions, services and what happens, on one screen that goes on. */
import { Command, InvalidArgumentError } from "commander";
import type { RegionRow, ServiceRow, Snapshot } from "../admin/index.ts";
import { adminExits, type AdminFlags, asking, exiting, jsonLine, withAdmin } from "./admin-access.ts";
import { type Column, columns } from "./columns.ts";

interface Flags extends AdminFlags {
  readonly once?: boolean;
  readonly interval: number;
}

export function topCommand(ended: (code: number) => void): Command {
  return withAdmin(new Command("top").description("Regions, services and what happens, live."))
    .option("--once", "print the state once, and end")
    .option("--interval <s>", "how often, in seconds", seconds, 1)
    .addHelpText("after", adminExits)
    .action((flags: Flags) => exiting(ended, () => asking(flags, true, async (calls) => {
      const interrupted = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupted.abort());
      const screen = openScreen(flags);
      try {
        let told = 0;
        const { signal } = interrupted;
        for await (const snapshot of calls.watch({ intervalMs: flags.interval * 1_000 }, { signal })) {
          told++;
          // The first may be of a process that has just begun to count.
          if (flags.once === true && told < 2 && snapshot.intervalMs === 0) continue;
          screen.show(snapshot);
          if (flags.once === true) return 0;
        }
      } catch (error) {
        if (!interrupted.signal.aborted) throw error;
      } finally {
        screen.close();
      }
      return 0;
    })));
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 1 && value <= 60) return value;
  throw new InvalidArgumentError("Write seconds from 1 to 60.");
}

interface Screen {
  show(snapshot: Snapshot): void;
  close(): void;
}

const enterScreen = "\u001b[?1049h\u001b[?25l";
const leaveScreen = "\u001b[?25h\u001b[?1049l";
/** What happened lately, on a terminal: as much as there is room for. */
const keptHappenings = 50;

function openScreen(flags: Flags): Screen {
  const { stdout } = process;
  if (flags.json === true) {
    return { show: (snapshot) => void stdout.write(`${jsonLine(snapshot)}\n`), close: () => undefined };
  }
  const lately: Snapshot["happenings"] = [];
  const isLive = stdout.isTTY && flags.once !== true;
  if (isLive) stdout.write(enterScreen);
  return {
    show(snapshot) {
      lately.push(...snapshot.happenings);
      lately.splice(0, Math.max(0, lately.length - keptHappenings));
      const whole = { ...snapshot, happenings: lately };
      const lines = screenLines(whole, stdout.columns ?? 120, isLive ? stdout.rows : Infinity);
      stdout.write(isLive
        ? `\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`
        : `${lines.join("\n")}\n`);
    },
    close: () => void (isLive && stdout.write(leaveScreen)),
  };
}

const regionColumns: readonly Column<RegionRow>[] = [
  { title: "REGION", text: ({ name }) => name || "(none)" },
  { title: "READY", text: ({ ready, endpoints }) => `${ready}/${endpoints}`, right: true },
  { title: "HEALTH", text: ({ health }) => share(health), right: true },
  { title: "CALLS/S", text: ({ figures }) => rate(figures.callsPerSecond), right: true },
  { title: "ERRORS/S", text: ({ figures }) => rate(figures.errorsPerSecond), right: true },
  { title: "P50", text: ({ figures }) => ms(figures.latency.p50Ms), right: true },
  { title: "P99", text: ({ figures }) => ms(figures.latency.p99Ms), right: true },
  { title: "IN FLIGHT", text: ({ figures }) => String(figures.inFlight), right: true },
  { title: "CPU", text: ({ cpu }) => share(cpu), right: true },
  { title: "STATE", text: ({ drained, drainReason }) => (drained ? `drained: ${drainReason}` : "") },
];

const serviceColumns: readonly Column<ServiceRow>[] = [
  { title: "SERVICE", text: ({ service }) => service },
  { title: "READY", text: ({ ready, endpoints }) => `${ready}/${endpoints}`, right: true },
  { title: "CALLS/S", text: ({ figures }) => rate(figures.callsPerSecond), right: true },
  { title: "ERRORS/S", text: ({ figures }) => rate(figures.errorsPerSecond), right: true },
  { title: "P50", text: ({ figures }) => ms(figures.latency.p50Ms), right: true },
  { title: "P99", text: ({ figures }) => ms(figures.latency.p99Ms), right: true },
  { title: "ATTEMPTS", text: ({ figures }) => figures.attemptsPerCall.toFixed(2), right: true },
  { title: "BUDGET", text: ({ retryBudget }) => share(retryBudget), right: true },
];

type Flow = Snapshot["flows"][number];

const flowColumns: readonly Column<Flow>[] = [
  { title: "FROM", text: ({ from }) => from || "(none)" },
  { title: "TO", text: ({ to }) => to || "(none)" },
  { title: "CALLS/S", text: ({ figures }) => rate(figures.callsPerSecond), right: true },
  { title: "ERRORS/S", text: ({ figures }) => rate(figures.errorsPerSecond), right: true },
  { title: "P50", text: ({ figures }) => ms(figures.latency.p50Ms), right: true },
  { title: "P99", text: ({ figures }) => ms(figures.latency.p99Ms), right: true },
];

/** A snapshot as a screen: lines cut to `width`, the last happenings in the rows that are left. */
export function screenLines(snapshot: Snapshot, width: number, rows: number): string[] {
  const { regions, services, flows, missing, happenings, atMs } = snapshot;
  const calls = services.reduce((sum, { figures }) => sum + figures.callsPerSecond, 0);
  const errors = services.reduce((sum, { figures }) => sum + figures.errorsPerSecond, 0);
  const lines = [
    `meridian top  ${new Date(atMs).toISOString().slice(11, 19)}  ${rate(calls)} calls/s  ${rate(errors)} errors/s`,
    ...missing.map(({ name, why }) => `missing: ${name}: ${why}`),
    "", ...columns(regionColumns, regions, width),
  ];
  if (flows.length > 0) lines.push("", ...columns(flowColumns, flows, width));
  if (services.length > 0) {
    const busiest = services.toSorted((a, b) => b.figures.callsPerSecond - a.figures.callsPerSecond);
    lines.push("", ...columns(serviceColumns, busiest.slice(0, 20), width));
    if (services.length > 20) lines.push(`and ${services.length - 20} more services`);
  }
  const room = Math.min(12, rows - lines.length - 2);
  if (room > 0 && happenings.length > 0) {
    lines.push("", ...happenings.slice(-room).toReversed().map(({ atMs: at, severity, text }) =>
      cut(`${new Date(at).toISOString().slice(11, 19)} ${severity === "info" ? "" : `${severity}: `}${text}`, width)));
  }
  return rows === Infinity ? lines : lines.slice(0, rows);
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : perSecond === 0 ? "0" : perSecond.toFixed(1);
}

function ms(value: number): string {
  return value === 0 ? "" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function share(value: number): string {
  return value < 0 ? "" : `${Math.round(value * 100)} %`;
}
