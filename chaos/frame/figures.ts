// What is read off the records of a crowd.
import type { CrowdReport } from "../fleet/ledger.ts";

type Call = CrowdReport["calls"][number];

/** Calls that were due from then to then; of one method or client, where named. */
export function due(
  report: CrowdReport, fromMs: number, untilMs: number, of: { readonly method?: string; readonly client?: string } = {},
): readonly Call[] {
  const method = of.method === undefined ? -1 : report.methods.indexOf(of.method as never);
  const client = of.client === undefined ? -1 : report.clients.indexOf(of.client);
  return report.calls.filter(([whose, , which, dueMs]) => dueMs >= fromMs && dueMs < untilMs &&
    (method < 0 || which === method) && (client < 0 || whose === client));
}

/** Whether it succeeded within so long after it was due. */
export function isGood([, , , , tookMs, end]: Call, withinMs = 1_100): boolean {
  return end === 0 && tookMs <= withinMs;
}

/** The share of them that succeeded, in percent; 100 of none. */
export function goodPercent(calls: readonly Call[]): number {
  return calls.length === 0 ? 100 : 100 * calls.filter((one) => isGood(one)).length / calls.length;
}

export function failed(calls: readonly Call[]): number {
  return calls.filter(([, , , , , end]) => end !== 0).length;
}

/** What so much of the good ones took at most, in milliseconds. */
export function quantileMs(calls: readonly Call[], quantile: number): number {
  const took = calls.filter((one) => isGood(one)).map(([, , , , tookMs]) => tookMs).sort((a, b) => a - b);
  return took[Math.min(took.length - 1, Math.floor(took.length * quantile))] ?? 0;
}

/** Picks of servers that `at` accepts, from then to then; of one client, where named. */
export function picksAt(
  report: CrowdReport, fromMs: number, untilMs: number,
  { at, client }: { readonly at?: (address: string) => boolean; readonly client?: string } = {},
): readonly (readonly [client: number, atMs: number, server: number])[] {
  const servers = report.servers.map((address) => at?.(address) ?? true);
  const whose = client === undefined ? -1 : report.clients.indexOf(client);
  return report.picks.filter(([from, atMs, server]) => atMs >= fromMs && atMs < untilMs &&
    servers[server] === true && (whose < 0 || from === whose));
}

/** How late the callers' event loop was at worst since then. */
export function worstStallMs(report: CrowdReport, fromMs: number): number {
  return report.stalls.reduce((worst, [atMs, lateMs]) => (atMs > fromMs - 500 ? Math.max(worst, lateMs) : worst), 0);
}

/** The commonest errors, in words. */
export function commonErrors(report: CrowdReport): string | undefined {
  const all = Object.entries(report.errors).sort(([, a], [, b]) => b - a).slice(0, 2);
  return all.length === 0 ? undefined : all.map(([kind, count]) => `${count} × ${kind}`).join("; ");
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}
