/** The view: what the screen shows, computed from the recording, and drawn as plain text with a little colour. */
import type { Verdict } from "./checker.ts";
import {
  type CallRecord, clientToProxyMs, isAnswered, latencyOf, proxyToServerMs, quantile,
} from "./figures.ts";
import { regions } from "./geography.ts";
import type { Recording } from "./recording.ts";
import type { Status } from "./supervised.ts";

export interface ProcessView {
  readonly id: string;
  readonly label: string;
  /** The key that kills and restores it. */
  readonly key: string;
  readonly status: Status;
}

export interface RegionView {
  readonly name: string;
  readonly key: string;
  readonly processes: readonly ProcessView[];
  /** Of its users. */
  readonly callsPerSecond: number;
  readonly failedPerSecond: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly clientToProxyMs: number | undefined;
  readonly proxyToServerMs: number | undefined;
  /** Of its servers. */
  readonly servedPerSecond: number;
  /** Calls served in each of the last seconds, oldest first. */
  readonly history: readonly number[];
}

export interface View {
  readonly elapsedMs: number;
  readonly direct: boolean;
  readonly regions: readonly RegionView[];
  /** Calls per second from the users of a region (first index) to the servers of one (second). */
  readonly flows: readonly (readonly number[])[];
  readonly totals: Recording["totals"];
  /** The last look into the database. */
  readonly verdict: Verdict | undefined;
  /** Newest last. */
  readonly events: readonly string[];
}

/** Rates are averages over so long, which ends when the last reports were due. */
const rateWindowMs = 2_000;
const reportDelayMs = 300;
export const historySeconds = 60;

export type Traffic = Pick<View, "flows"> & { readonly regions: readonly Omit<RegionView, "key" | "processes">[] };

/** What calls say about the regions at `nowMs`. */
export function trafficAt(calls: readonly CallRecord[], nowMs: number): Traffic {
  const toMs = nowMs - reportDelayMs;
  const recent = calls.filter(({ endedMs }) => endedMs >= toMs - rateWindowMs && endedMs < toMs);
  const perSecond = (chosen: readonly CallRecord[]): number => chosen.length / (rateWindowMs / 1_000);
  const flow = (from: string, to: string): number => perSecond(recent.filter((call) =>
    call.region === from && call.servedRegion === to && isAnswered(call)));
  return {
    flows: regions.map((from) => regions.map((to) => flow(from.name, to.name))),
    regions: regions.map(({ name }) => {
      const own = recent.filter((call) => call.region === name);
      const { p50Ms, p99Ms } = latencyOf(own);
      return {
        name,
        callsPerSecond: perSecond(own),
        failedPerSecond: perSecond(own.filter((call) => !isAnswered(call))),
        p50Ms, p99Ms,
        clientToProxyMs: latencyOf(own, clientToProxyMs).p50Ms,
        proxyToServerMs: latencyOf(own, proxyToServerMs).p50Ms,
        servedPerSecond: perSecond(recent.filter((call) => call.servedRegion === name)),
        history: servedBySecond(calls, name, toMs),
      };
    }),
  };
}

function servedBySecond(calls: readonly CallRecord[], region: string, toMs: number): number[] {
  const counts = Array.from({ length: historySeconds }, () => 0);
  for (const { servedRegion, endedMs } of calls) {
    const at = historySeconds - 1 - Math.floor((toMs - endedMs) / 1_000);
    if (servedRegion === region && endedMs < toMs && at >= 0) counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

export interface Size {
  readonly columns: number;
  readonly rows: number;
  /** Default true. */
  readonly colour?: boolean;
}

/** The least that the full picture needs; below it a plain line a region is drawn. */
export const leastSize = { columns: 76, rows: 22 } as const;

/** Draws `view` as lines that fit `size`. */
export function draw(view: View, size: Size): string[] {
  const paint = (text: string, ...styles: Style[]): string => size.colour === false || styles.length === 0
    ? text : `\u001b[${styles.map((style) => codes[style]).join(";")}m${text}\u001b[0m`;
  const lines = size.columns < leastSize.columns || size.rows < leastSize.rows
    ? [paint("make the window larger for the whole picture; q quits", "dim"), ...plainLines(view)]
    : fullLines(view, size, paint);
  return lines.slice(0, size.rows).map((line) => clip(line, size.columns));
}

/** The whole state in one line, for when there is no terminal. */
export function drawLine(view: View): string {
  const parts = view.regions.map((region) => {
    const dead = region.processes.filter(({ status }) => status !== "up").map(({ label }) => label);
    return `${region.name} ${rate(region.callsPerSecond)}/s p50 ${ms(region.p50Ms)} p99 ${ms(region.p99Ms)} serves ` +
      `${rate(region.servedPerSecond)}/s${dead.length === 0 ? "" : ` (down: ${dead.join(", ")})`}`;
  });
  return [clock(view.elapsedMs), ...parts, accounts(view)].join("  |  ");
}

type Paint = (text: string, ...styles: Style[]) => string;

function plainLines(view: View): string[] {
  return [...view.regions.map((region) =>
    `${region.key} ${region.name.padEnd(8)} ${rate(region.callsPerSecond)}/s p99 ${ms(region.p99Ms)} serves ` +
    `${rate(region.servedPerSecond)}/s`), accounts(view)];
}

function fullLines(view: View, size: Size, paint: Paint): string[] {
  const way = view.direct ? "clients balance themselves" : "through each region's gateway";
  const head = [
    `${paint("Meridian", "bold")}  geo.v1.Cities in three regions, ${way}  ${paint(clock(view.elapsedMs), "dim")}`, "",
    ...view.regions.flatMap((region) => regionLines(region, size, paint)),
    ...flowLines(view, paint), "", accounts(view), "",
  ];
  const foot = paint("1 2 3: kill or restore a region   the key in brackets: one process   q: quit", "dim");
  const room = Math.max(0, size.rows - head.length - 1);
  const events = view.events.slice(Math.max(0, view.events.length - room));
  const blanks = Array.from({ length: room - events.length }, () => "");
  return [...head, ...events.map((text) => paint(text, "dim")), ...blanks, foot];
}

const statusStyle: Readonly<Record<Status, Style>> = { up: "green", starting: "yellow", down: "red" };
const statusSign: Readonly<Record<Status, string>> = { up: "●", starting: "◐", down: "○" };

function regionLines(region: RegionView, size: Size, paint: Paint): string[] {
  const processes = region.processes.map(({ label, key, status }) =>
    `${paint(statusSign[status], statusStyle[status])} ${label} [${key}]`).join("   ");
  const failed = region.failedPerSecond === 0 ? "" : paint(`  ${rate(region.failedPerSecond)} failed/s`, "red");
  const parts = region.proxyToServerMs === undefined ? "" :
    `  (to proxy ${ms(region.clientToProxyMs)} + to server ${ms(region.proxyToServerMs)})`;
  const room = Math.min(historySeconds, size.columns - 24);
  return [
    `${paint(`${region.key} ${region.name.padEnd(9)}`, "bold", "cyan")} ${processes}`,
    `  users  ${rate(region.callsPerSecond).padStart(4)} calls/s  p50 ${ms(region.p50Ms)}  p99 ${ms(region.p99Ms)}` +
    `${paint(parts, "dim")}${failed}`,
    `  serves ${rate(region.servedPerSecond).padStart(4)} calls/s  ` +
    paint(sparkline(region.history.slice(-room)), "cyan"),
    "",
  ];
}

function flowLines(view: View, paint: Paint): string[] {
  const names = view.regions.map(({ name }) => name);
  const head = `${"calls/s  from \\ to".padEnd(20)}${names.map((name) => name.padStart(10)).join("")}`;
  return [paint(head, "dim"), ...view.flows.map((row, from) =>
    `${(names[from] ?? "").padStart(17)}   ${row.map((calls, to) =>
      paint((calls === 0 ? "·" : rate(calls)).padStart(10), ...flowStyle(calls, from === to))).join("")}`)];
}

function flowStyle(calls: number, home: boolean): Style[] {
  if (calls === 0) return ["dim"];
  return home ? ["green"] : ["yellow"];
}

function accounts({ totals, verdict }: View): string {
  const checked = verdict === undefined ? "" : `, ${verdict.lost} lost, ${verdict.doubled} doubled`;
  return `${totals.calls} calls, ${totals.failed} failed; ${totals.writes} writes acknowledged${checked}`;
}

const bars = " ▁▂▃▄▅▆▇█";

/** One character a value, the tallest for the greatest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(1, quantile([...values].sort((a, b) => a - b), 1) ?? 1);
  return values.map((value) => bars[Math.ceil((value / most) * (bars.length - 1))] ?? " ").join("");
}

/** Cuts a line to `columns` visible characters, keeping colour sequences whole. */
export function clip(line: string, columns: number): string {
  let visible = 0;
  let clipped = "";
  // eslint-disable-next-line no-control-regex -- colour sequences begin with a control character
  for (const part of line.match(/\u001b\[[0-9;]*m|[^\u001b]/gu) ?? []) {
    if (part.startsWith("\u001b")) clipped += part;
    else if (visible++ < columns) clipped += part;
  }
  return clipped;
}

function rate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

function ms(value: number | undefined): string {
  return value === undefined ? "   — ms" : `${value.toFixed(1).padStart(5)} ms`;
}

function clock(elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}
