// Charts of rows: a figure over what was varied, a line for each policy, the published figures beside them.
import type { Chart, ChartAxis, ChartSeries } from "../../src/sim/plot.ts";
import type { Row } from "./rows.ts";

export interface Curve {
  readonly title: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** Where a row stands on the x axis; undefined for rows that are not in this chart. */
  readonly at: (row: Row) => number | undefined;
  /** Those drawn, in this order. Default: all that have such rows. */
  readonly policies?: readonly string[];
  /** What lines of published figures are called, one for each policy that has some; absent for none. */
  readonly published?: string;
}

/** A chart with one line for each policy. Bands are the confidence over seeds; ranges, of what was published. */
export function curve(rows: readonly Row[], { title, x, y, at, policies, published }: Curve): Chart {
  const placed = rows.flatMap((row) => {
    const place = at(row);
    return place === undefined ? [] : [{ row, place }];
  }).sort((a, b) => a.place - b.place);
  const names = policies ?? [...new Set(placed.map(({ row }) => row.policy))];
  const series: ChartSeries[] = names.flatMap((name) => {
    const points = placed.filter(({ row }) => row.policy === name)
      .map(({ row: { value, ci95 }, place }) => [place, value, value - ci95, value + ci95] as const);
    return points.length === 0 ? [] : [{ name, points }];
  });
  for (const name of published === undefined ? [] : names) {
    const points = placed.filter(({ row }) => row.policy === name).flatMap(({ row, place }) => {
      const [low, high] = rangeOf(row.published);
      return Number.isNaN(low) ? [] : [[place, (low + high) / 2, low, high] as const];
    });
    if (points.length > 0) series.push({ name: names.length > 1 ? `${name}, ${published}` : `${published}`, points });
  }
  const seeds = [...new Set(placed.map(({ row }) => row.seeds))].sort((a, b) => a - b);
  return { title, note: `${seeds.join(" or ")} seeds; bands: 95 % confidence`, x, y, series };
}

/** `195-207` and `74`, out of whatever else is said; NaN where nothing is. */
function rangeOf(text: string | null): readonly [low: number, high: number] {
  const [low, high] = /^(\d[\d,]*(?:\.\d+)?)(?:\s*-\s*(\d[\d,]*(?:\.\d+)?))?/.exec(text ?? "")?.slice(1) ?? [];
  const number = (digits: string | undefined): number =>
    (digits === undefined ? NaN : Number(digits.replaceAll(",", "")));
  return [number(low), number(high ?? low)];
}

/** Where a percentile stands on an axis of nines: p90 at 1, p99 at 2, p99.9 at 3. */
export function ninesOf(unit: string): number | undefined {
  const percentile = /\bp(\d+(?:\.\d+)?)$/.exec(unit)?.[1];
  return percentile === undefined ? undefined : -Math.log10(1 - Number(percentile) / 100);
}

export const nines: ChartAxis = { label: "nines of the percentile: 0.3 is the median, 1 p90, 2 p99, 3 p99.9", to: 3 };

/** The first number in a text after a word. */
export function numberAfter(word: string, text: string): number | undefined {
  const found = new RegExp(`${word}\\D{0,2}(\\d+(?:\\.\\d+)?)`).exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** What a chart shows, for those who do not see it. */
export function altOf(chart: Chart): string {
  const { title, x, y, series } = chart;
  const axes = [y?.label, x?.label].filter((label) => label !== undefined).join(" over ");
  return `${title}: ${axes}, of ${series.map(({ name }) => name).join("; ")}`.replaceAll(/[[\]]/g, "");
}
