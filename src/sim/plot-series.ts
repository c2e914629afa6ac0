/** What is done to series and texts before they are drawn: stacked, thinned out, shortened. */
import { badOption } from "../core/option.ts";
import type { ChartPoint, ChartSeries } from "./plot.ts";

/** Each series on top of those before it, as areas. They must have the same x, in the same order. */
export function stacked(series: readonly ChartSeries[]): ChartSeries[] {
  const [first] = series;
  const sums = new Array<number>(first?.points.length ?? 0).fill(0);
  return series.map(({ name, points }) => {
    if (points.length !== sums.length) {
      throw badOption(`points of ${name}`, points.length, `stacked series have the same x: ${sums.length} points`);
    }
    return { name, kind: "area" as const, points: points.map(([x, y], i): ChartPoint => {
      if (x !== first?.points[i]?.[0]) throw badOption(`x of ${name}`, x, "stacked series have the same x");
      const below = sums[i] as number;
      const above = sums[i] = below + (Number.isFinite(y) ? y : 0);
      return [x, above, below, above];
    }) };
  });
}

/** Of the points that fall into one pixel the first, the least, the most and the last: it looks the same. */
export function reduced(
  points: readonly ChartPoint[], pixelOf: (point: ChartPoint) => number, pixels: number,
): readonly ChartPoint[] {
  if (points.length <= pixels * 4) return points;
  const kept: ChartPoint[] = [];
  for (let begin = 0; begin < points.length;) {
    const pixel = Math.floor(pixelOf(points[begin] as ChartPoint));
    let end = begin;
    let [least, most] = [begin, begin];
    while (end < points.length && Math.floor(pixelOf(points[end] as ChartPoint)) === pixel) {
      if ((points[end] as ChartPoint)[1] < (points[least] as ChartPoint)[1]) least = end;
      if ((points[end] as ChartPoint)[1] > (points[most] as ChartPoint)[1]) most = end;
      end++;
    }
    const chosen = new Set([begin, least, most, end - 1]);
    for (const index of [...chosen].sort((a, b) => a - b)) kept.push(points[index] as ChartPoint);
    begin = end;
  }
  return kept;
}

/** As much of a text as there is room for. */
export function fitted(text: string, size: number, width: number): string {
  const most = Math.max(4, Math.floor(width / (size * 0.56)));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
