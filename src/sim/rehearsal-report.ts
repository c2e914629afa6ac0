/** What a rehearsal showed: its goals judged, rows for each region and stretch of time, and charts. */
import type { Chart, ChartPoint } from "./plot.ts";
import { niceStep } from "./plot-scale.ts";
import type { GoalPlan } from "./rehearsal-goals.ts";
import type { RehearsalPlan } from "./rehearsal-file.ts";
import {
  meanUtilisation, type RehearsalCell, type RehearsalRecord, summed, worstAmplification,
} from "./rehearsal-record.ts";
import { checkRamp } from "./check-shares.ts";

/** What the calls of one region's clients saw in a stretch of time; of several seeds, all together. */
export interface RehearsalRow {
  readonly fromS: number;
  readonly untilS: number;
  readonly region: string;
  /** Calls a second. */
  readonly offered: number;
  readonly goodput: number;
  /** Share of the calls that failed, 0 to 1. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of the answered calls by the region that answered; the callers' own first. */
  readonly servedIn: Readonly<Record<string, number>>;
  /** Share of the region's own workers that were busy; null where it has no servers. */
  readonly utilisation: number | null;
  readonly codes: Readonly<Record<string, number>>;
  /** Events at the beginning of the stretch. */
  readonly events: readonly string[];
}

/** Rows by time, then by region. A stretch ends at every event, and after `everyMs`; default a twelfth of all. */
export function rehearsalRows(
  plan: RehearsalPlan, records: readonly RehearsalRecord[], everyMs = niceStep(plan.durationMs, 12),
): RehearsalRow[] {
  const spanMs = records[0]?.spanMs ?? 1_000;
  const [stretches, seeds] = [stretchesOf(plan, spanMs, everyMs), Math.max(1, records.length)];
  const regions = [...plan.regions.keys()].filter((region) =>
    [...plan.clients.values()].some((client) => client.region === region));
  return stretches.flatMap(({ fromMs, untilMs, events }) => regions.map((region): RehearsalRow => {
    const cell = summed(records, region, fromMs, untilMs);
    const seconds = (untilMs - fromMs) / 1_000 * seeds;
    const ended = cell.good + cell.failed;
    const utilisation = meanUtilisation(records, region, fromMs, untilMs);
    return {
      fromS: fromMs / 1_000, untilS: untilMs / 1_000, region, offered: cell.offered / seconds,
      goodput: cell.good / seconds, errors: ended === 0 ? 0 : cell.failed / ended,
      p50Ms: cell.latency.quantile(0.5), p99Ms: cell.latency.quantile(0.99), servedIn: sharesOf(cell, region),
      utilisation: Number.isNaN(utilisation) ? null : utilisation, codes: Object.fromEntries(cell.codes), events,
    };
  }));
}

interface Stretch {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly events: string[];
}

function stretchesOf({ durationMs, warmUpMs, events }: RehearsalPlan, spanMs: number, everyMs: number): Stretch[] {
  const aligned = (ms: number): number => Math.floor(ms / spanMs) * spanMs;
  const begin = Math.ceil(warmUpMs / spanMs) * spanMs;
  const cuts = new Set([begin, ...events.map(({ atMs }) => aligned(atMs))]);
  for (let ms = 0; ms < durationMs; ms += Math.max(spanMs, everyMs)) cuts.add(aligned(ms));
  const sorted = [...cuts].filter((ms) => ms >= begin && ms < durationMs).sort((a, b) => a - b);
  return sorted.map((fromMs, i) => ({
    fromMs, untilMs: sorted[i + 1] ?? durationMs,
    events: events.filter(({ atMs }) => Math.max(begin, aligned(atMs)) === fromMs).map(({ label }) => label),
  }));
}

function sharesOf({ good, servedIn }: RehearsalCell, own: string): Record<string, number> {
  const order = [...servedIn].sort(([a, m], [b, n]) => Number(b === own) - Number(a === own) || n - m);
  return Object.fromEntries(order.map(([region, count]) => [region, count / Math.max(1, good)]));
}

export interface GoalResult {
  readonly goal: GoalPlan;
  /** By seed. */
  readonly values: readonly number[];
  readonly met: boolean;
}

/** Judges every goal by every seed: one seed that misses it is a miss. */
export function judgeGoals(plan: RehearsalPlan, records: readonly RehearsalRecord[]): GoalResult[] {
  return plan.goals.map((goal) => {
    const values = records.map((record) => valueOf(goal, record));
    const met = values.every((value) => (goal.bound === "least" ? value >= goal.value : value <= goal.value));
    return { goal, values, met };
  });
}

function valueOf({ of, region, fromMs, untilMs }: GoalPlan, record: RehearsalRecord): number {
  const all = (): RehearsalCell => summed([record], region, fromMs, untilMs);
  switch (of) {
    case "goodput": return all().good / Math.max(1, all().offered);
    case "errors": return all().failed / Math.max(1, all().offered);
    case "p50": return all().latency.quantile(0.5);
    case "p99": return all().latency.quantile(0.99);
    case "amplification": return worstAmplification(record, fromMs, untilMs);
    case "utilisation": return busiest(record, region, fromMs, untilMs);
    case "turns": return turnsOf(record, region, fromMs, untilMs);
    case "recovery": return recoveryMs(record, region, fromMs, untilMs);
  }
}

function busiest(record: RehearsalRecord, region: string | undefined, fromMs: number, untilMs: number): number {
  let most = 0;
  for (const [name, its] of record.utilisation) {
    if (region !== undefined && name !== region) continue;
    for (let i = Math.ceil(fromMs / record.spanMs); i < its.length && i * record.spanMs < untilMs; i++) {
      most = Math.max(most, its[i] as number);
    }
  }
  return most;
}

/** Of the share of calls that stay at home, in the region named or in the one where it turns most. */
function turnsOf(record: RehearsalRecord, region: string | undefined, fromMs: number, untilMs: number): number {
  let most = 0;
  for (const [name, cells] of record.cells) {
    if (region !== undefined && name !== region) continue;
    const samples = cells.map(({ good, servedIn }, i) =>
      ({ atMs: i * record.spanMs, share: good === 0 ? NaN : (servedIn.get(name) ?? 0) / good }));
    const seen = samples.filter(({ atMs, share }) => atMs >= fromMs && atMs < untilMs && !Number.isNaN(share));
    most = Math.max(most, checkRamp(seen).figures["turns"] ?? 0);
  }
  return most;
}

function recoveryMs(record: RehearsalRecord, region: string | undefined, fromMs: number, untilMs: number): number {
  const { spanMs } = record;
  let recoveredMs = fromMs;
  for (let ms = Math.ceil(fromMs / spanMs) * spanMs; ms < untilMs; ms += spanMs) {
    const { offered, good } = summed([record], region, ms, ms + spanMs);
    if (offered > 0 && good / offered < 0.99) recoveredMs = ms + spanMs;
  }
  return recoveredMs - fromMs;
}

/** Charts of a rehearsal: goodput, latency, load, and where the calls of each region went. */
export function rehearsalCharts(name: string, plan: RehearsalPlan, records: readonly RehearsalRecord[]): Chart[] {
  const [first] = records;
  if (first === undefined) return [];
  const { spanMs, spans } = first;
  const from = Math.ceil(plan.warmUpMs / spanMs);
  const times = Array.from({ length: Math.max(0, spans - from) }, (_, i) => (from + i) * spanMs);
  const callers = [...first.cells.keys()].filter((region) => summed(records, region, 0, Infinity).offered > 0);
  const series = (regions: readonly string[], value: (region: string, fromMs: number) => number) =>
    regions.map((region) => ({
      name: region, points: times.map((ms): ChartPoint => [ms / 1_000, value(region, ms)]),
    }));
  const at = (region: string, ms: number): RehearsalCell => summed(records, region, ms, ms + spanMs);
  const perSecond = 1_000 / spanMs / records.length;
  const markers = markersOf(plan);
  const x = { label: "seconds", from: (times[0] ?? 0) / 1_000, to: plan.durationMs / 1_000 };
  const seeds = records.length === 1 ? `seed ${first.seed}` : `${records.length} seeds`;
  const common = { x, markers, height: 320 };
  const charts: Chart[] = [
    { ...common, title: `${name}: calls answered in time`, note: [plan.about, seeds].filter(Boolean).join("; "),
      y: { label: "calls/s" }, series: series(callers, (region, ms) => at(region, ms).good * perSecond) },
    { ...common, title: "99th percentile of latency, by the callers' region", y: { label: "ms", isLog: true },
      series: series(callers, (region, ms) => at(region, ms).latency.quantile(0.99)) },
    { ...common, title: "Busy workers, by region", y: { label: "%" },
      series: series([...plan.regions.keys()],
        (region, ms) => 100 * meanUtilisation(records, region, ms, ms + spanMs)) },
  ];
  // Where nobody ever left home there is nothing to see.
  const travelled = callers.filter((region) => {
    const { good, servedIn } = summed(records, region, 0, Infinity);
    return (servedIn.get(region) ?? 0) < good * 0.995;
  });
  for (const region of travelled.slice(0, 6)) {
    const share = (where: string, ms: number): number => {
      const { good, servedIn } = at(region, ms);
      return good === 0 ? 0 : 100 * (servedIn.get(where) ?? 0) / good;
    };
    charts.push({ ...common, title: `Where calls of ${region} were answered`, y: { label: "% of calls", to: 100 },
      isStacked: true, series: series([...plan.regions.keys()], share) });
  }
  return charts;
}

function markersOf({ events }: RehearsalPlan): { x: number; label: string }[] {
  const byTime = Map.groupBy(events, ({ atMs }) => atMs);
  return [...byTime].slice(0, 50).map(([atMs, its]) =>
    ({ x: atMs / 1_000, label: its.map(({ label }) => label).join(", ").slice(0, 60) }));
}
