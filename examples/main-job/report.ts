/** The report of one unattended run: the object that `--once --json` prints, and the same for people. */
import type { Verdict } from "./checker.ts";
import {
  amplification, type CallRecord, clientToProxyMs, failbackMs, failover, failures, isMonotone, type Latency, latencyOf,
  proxyToServerMs, shareByWindow,
} from "./figures.ts";
import { regions } from "./geography.ts";
import type { Recording } from "./recording.ts";

/** When what happened, on the machine's clock. */
export interface Timeline {
  /** Connections are open and code is warm: the steady phase begins. */
  readonly steadyMs: number;
  readonly killedMs: number;
  /** The dead processes are started again; they are ready some time later. */
  readonly restoredMs: number;
  readonly readyMs: number;
  readonly endedMs: number;
}

export interface Run {
  readonly recording: Recording;
  /** The region that was killed. */
  readonly region: string;
  readonly timeline: Timeline;
  readonly verdict: Verdict;
}

export type RunReport = ReturnType<typeof reportRun>;

/** Figures of a run. Times are milliseconds, rounded to a tenth; a time is null where nothing ever came. */
export function reportRun({ recording, region, timeline, verdict }: Run) {
  const { calls, attempts, gatewayAttempts, gatewayArrivals } = recording;
  const { steadyMs, killedMs, restoredMs, readyMs, endedMs } = timeline;
  const failed = failures(calls, killedMs);
  const moved = failover(calls, region, killedMs);
  const shares = shareByWindow(calls, region, { fromMs: restoredMs, toMs: endedMs });
  const between = (fromMs: number, toMs: number): CallRecord[] =>
    calls.filter(({ startedMs }) => startedMs >= fromMs && startedMs < toMs);
  const backMs = failbackMs(shares);
  return {
    calls: calls.length,
    failed: failed.failed,
    failedAfter1s: failed.failedAfter1s,
    failedShareIn10s: failed.failedShareIn10s,
    failedCodes: failed.codes,
    failedFirst: failed.first,
    writesAcknowledged: verdict.acknowledged,
    writesLost: verdict.lost,
    writesDoubled: verdict.doubled,
    writesUnacknowledged: verdict.unacknowledged,
    killedRegion: region,
    failoverAffected: moved.affected,
    failoverMs99: rounded(moved.ms99),
    failoverMsMax: rounded(moved.msMax),
    movedWithin500MsShare: moved.movedWithin500MsShare,
    restartMs: rounded(readyMs - restoredMs),
    failbackMs: backMs === undefined ? null : backMs,
    failbackMonotone: isMonotone(shares),
    homeShareBySecond: shares.map((window) => window.calls === 0 ? null : percent(window.home / window.calls)),
    retryAmplificationMax1s: worstByRegion((name) => amplification(
      calls.filter((call) => call.region === name), attempts.filter((attempt) => attempt.region === name))),
    gatewayAmplificationMax1s: worstByRegion((name) => gatewayAmplification(
      gatewayArrivals.filter((arrival) => arrival.region === name),
      gatewayAttempts.filter((attempt) => attempt.region === name))),
    phases: {
      steady: phase(between(steadyMs, killedMs)),
      outage: phase(between(killedMs, restoredMs)),
      restored: phase(between(restoredMs, Infinity)),
    },
    regions: Object.fromEntries(regions.map(({ name }) =>
      [name, latency(latencyOf(calls.filter((call) => call.region === name)))])),
  };
}

/** The goals that the figures are measured against. */
export function goalsOf(report: RunReport): { readonly name: string; readonly value: string; readonly met: boolean }[] {
  const share = (value: number): string => `${(value * 100).toFixed(2)} %`;
  return [
    { name: "no acknowledged write lost", value: `${report.writesLost}`, met: report.writesLost === 0 },
    { name: "no write done twice", value: `${report.writesDoubled}`, met: report.writesDoubled === 0 },
    {
      name: "at most 0.1 % of calls fail in the 10 s after the kill",
      value: share(report.failedShareIn10s), met: report.failedShareIn10s <= 0.001,
    },
    { name: "none fails from 1 s on", value: `${report.failedAfter1s}`, met: report.failedAfter1s === 0 },
    {
      name: "99 % of the dead region's calls move within 500 ms",
      value: share(report.movedWithin500MsShare), met: report.movedWithin500MsShare >= 0.99,
    },
    { name: "traffic comes back", value: `after ${report.failbackMs ?? "—"} ms`, met: report.failbackMs !== null },
    {
      name: "its share never falls while it does", value: report.failbackMonotone ? "yes" : "no",
      met: report.failbackMonotone,
    },
    {
      name: "at most 1.2 attempts per call in any second",
      value: `${Math.max(report.retryAmplificationMax1s, report.gatewayAmplificationMax1s)}`,
      met: Math.max(report.retryAmplificationMax1s, report.gatewayAmplificationMax1s) <= 1.2,
    },
  ];
}

/** The report for people. */
export function summarise(report: RunReport): string {
  const ms = (value: number | null): string => value === null ? "—" : `${value} ms`;
  const rows = [["phase", "calls", "failed", "p50", "p99", "client to proxy", "proxy to server"]];
  for (const [name, phase] of Object.entries(report.phases)) {
    rows.push([name, `${phase.calls}`, `${phase.failed}`, ms(phase.p50Ms), ms(phase.p99Ms),
      ms(phase.clientToProxyMs.p50Ms), ms(phase.proxyToServerMs.p50Ms)]);
    for (const [region, { calls, p50Ms, p99Ms }] of Object.entries(phase.regions)) {
      rows.push([`  ${region}`, `${calls}`, "", ms(p50Ms), ms(p99Ms), "", ""]);
    }
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const table = rows.map((row) => row.map((cell, column) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join("  "));
  return [
    `${report.calls} calls, ${report.failed} failed; ${report.writesAcknowledged} writes acknowledged, ` +
    `${report.writesLost} lost, ${report.writesDoubled} doubled.`,
    `${report.killedRegion} was killed: 99 % of its clients' calls were answered from elsewhere within ` +
    `${ms(report.failoverMs99)}, all within ${ms(report.failoverMsMax)}.`,
    `It was restored: ready after ${ms(report.restartMs)}, all traffic back after ${ms(report.failbackMs)} ` +
    `(${report.homeShareBySecond.map((share) => share ?? "—").join(" ")} % by second).`,
    "", ...table, "",
    ...report.failedFirst.map((text) => `failed  ${text}`),
    ...goalsOf(report).map(({ name, value, met }) => `${met ? "met   " : "MISSED"}  ${name}: ${value}`),
  ].join("\n");
}

function phase(calls: readonly CallRecord[]) {
  return {
    ...latency(latencyOf(calls)),
    failed: calls.filter(({ code }) => code !== "ok").length,
    clientToProxyMs: times(latencyOf(calls, clientToProxyMs)),
    proxyToServerMs: times(latencyOf(calls, proxyToServerMs)),
    regions: Object.fromEntries(regions.map(({ name }) =>
      [name, latency(latencyOf(calls.filter((call) => call.region === name)))])),
  };
}

/** Gateways see calls arrive; the rest is as for clients. */
function gatewayAmplification(arrivals: Recording["attempts"], attempts: Recording["attempts"]): number {
  const asCalls = arrivals.map(({ region, startedMs }): CallRecord => ({
    region, startedMs, endedMs: startedMs, method: "", code: "ok", why: "", servedRegion: "", servedZone: "",
    proxyMs: undefined,
  }));
  return amplification(asCalls, attempts);
}

function worstByRegion(of: (region: string) => number): number {
  return Math.round(Math.max(...regions.map(({ name }) => of(name))) * 1_000) / 1_000;
}

function latency({ calls, p50Ms, p99Ms }: Latency) {
  return { calls, ...times({ calls, p50Ms, p99Ms }) };
}

function times({ p50Ms, p99Ms }: Latency) {
  return { p50Ms: p50Ms === undefined ? null : rounded(p50Ms), p99Ms: p99Ms === undefined ? null : rounded(p99Ms) };
}

/** JSON has no Infinity, which means that something never happened. */
function rounded(ms: number): number | null {
  return Number.isFinite(ms) ? Math.round(ms * 10) / 10 : null;
}

function percent(share: number): number {
  return Math.round(share * 100);
}
