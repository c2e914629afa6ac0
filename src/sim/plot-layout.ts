/** `layOut` turns a chart into a drawing: margins, axes with ticks, a legend that wraps, series, markers. */
import { badOption, numberOption } from "../core/option.ts";
import type { Chart, ChartPoint, ChartSeries } from "./plot.ts";
import type { Drawing, Mark } from "./plot-drawing.ts";
import { makeScale, type Scale, shortNumber } from "./plot-scale.ts";
import { fitted, reduced, stacked } from "./plot-series.ts";

/** Series of one chart: more cannot be told apart. */
const maxSeries = 16;
const maxPoints = 1_000_000;
const maxMarkers = 100;
const [titleSize, textSize, smallSize] = [16, 12, 11];

/** Series after the eighth have the colours of the first ones again, with dashes. */
const dashes: readonly (readonly number[] | undefined)[] = [undefined, [6, 4]];

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: Scale;
  readonly y: Scale;
}

export function layOut(chart: Chart): Drawing {
  checkChart(chart);
  const width = numberOption("width", chart.width ?? 800, { least: 200, most: 8_000, whole: true });
  const height = numberOption("height", chart.height ?? 420, { least: 120, most: 8_000, whole: true });
  const marks: Mark[] = [
    { kind: "area", colour: "background", opacity: 1, points: [0, 0, width, 0, width, height, 0, height] },
    { kind: "text", x: 16, y: 26, text: fitted(chart.title, titleSize, width - 32), size: titleSize, anchor: "start",
      colour: "text", isBold: true },
  ];
  let top = 38;
  if (chart.note !== undefined) {
    const text = fitted(chart.note, smallSize, width - 32);
    marks.push({ kind: "text", x: 16, y: 44, text, size: smallSize, anchor: "start", colour: "faint" });
    top = 54;
  }
  top = legend(chart, marks, top, width);
  const series = chart.isStacked === true ? stacked(chart.series) : chart.series;
  const hasMarkers = (chart.markers?.length ?? 0) > 0;
  const frame = frameOf(chart, series, { width, height, top: top + (hasMarkers ? 20 : 8) });
  axes(chart, frame, marks);
  for (const [index, one] of series.entries()) drawSeries(one, index, frame, marks);
  drawMarkers(chart, frame, marks);
  return { width, height, marks };
}

function checkChart({ series, markers = [] }: Chart): void {
  if (series.length > maxSeries) throw badOption("series", series.length, `a chart has at most ${maxSeries} series`);
  if (markers.length > maxMarkers) throw badOption("markers", markers.length, `a chart has at most ${maxMarkers}`);
  for (const { name, points } of series) {
    if (points.length > maxPoints) {
      throw badOption(`points of ${name}`, points.length, `a series has at most ${maxPoints}`);
    }
  }
}

/** Names with a stroke of their colour, in as many rows as they need; returns where it ends. */
function legend({ series }: Chart, marks: Mark[], top: number, width: number): number {
  if (series.length < 2 && (series[0]?.name ?? "") === "") return top;
  let [x, y] = [16, top + 10];
  for (const [index, one] of series.entries()) {
    const name = fitted(one.name, textSize, width - 80);
    const wide = 26 + widthOf(name, textSize) + 18;
    if (x > 16 && x + wide > width - 16) [x, y] = [16, y + 18];
    marks.push({ kind: "line", colour: index, width: 3, dash: dashOf(index), points: [x, y - 4, x + 20, y - 4] },
      { kind: "text", x: x + 26, y, text: name, size: textSize, anchor: "start", colour: "text" });
    x += wide;
  }
  return y + 6;
}

function frameOf(
  chart: Chart, series: readonly ChartSeries[], box: { readonly width: number; readonly height: number; top: number },
): Frame {
  const { x: xAxis = {}, y: yAxis = {} } = chart;
  const bottom = box.height - (xAxis.label === undefined ? 30 : 48);
  const xs = extent(series, xAxis.isLog === true, ([x]) => [x]);
  const ys = extent(series, yAxis.isLog === true, ([, y, low = y, high = y]) => [y, low, high]);
  const yIsLog = yAxis.isLog === true;
  const y = makeScale({
    from: yAxis.from ?? (yIsLog ? ys[0] : Math.min(0, ys[0])), to: yAxis.to ?? ys[1], isLog: yIsLog,
    pixels: [bottom, box.top], ticks: Math.max(2, Math.round((bottom - box.top) / 55)),
    mayGrow: yAxis.to === undefined,
  });
  const labels = Math.max(...y.ticks.map((tick) => widthOf(shortNumber(tick), smallSize)), 16);
  const left = 16 + (yAxis.label === undefined ? 0 : 18) + labels + 6;
  const right = box.width - 20;
  const x = makeScale({
    from: xAxis.from ?? xs[0], to: xAxis.to ?? xs[1], isLog: xAxis.isLog === true, pixels: [left, right],
    ticks: Math.max(2, Math.round((right - left) / 90)), mayGrow: false,
  });
  return { left, right, top: box.top, bottom, x, y };
}

function extent(
  series: readonly ChartSeries[], isLog: boolean, valuesOf: (point: ChartPoint) => readonly number[],
): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const { points } of series) {
    for (const point of points) {
      for (const value of valuesOf(point)) {
        if (!Number.isFinite(value) || (isLog && value <= 0)) continue;
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
  }
  return least > most ? (isLog ? [1, 10] : [0, 1]) : [least, most];
}

function axes({ x: xAxis = {}, y: yAxis = {} }: Chart, frame: Frame, marks: Mark[]): void {
  const { left, right, top, bottom, x, y } = frame;
  for (const tick of y.ticks) {
    const at = y.at(tick);
    marks.push({ kind: "line", colour: "grid", width: 1, points: [left, at, right, at] },
      { kind: "text", x: left - 6, y: at + 4, text: shortNumber(tick), size: smallSize, anchor: "end",
        colour: "faint" });
  }
  for (const tick of x.ticks) {
    const at = x.at(tick);
    marks.push({ kind: "line", colour: "axis", width: 1, points: [at, bottom, at, bottom + 5] },
      { kind: "text", x: at, y: bottom + 18, text: shortNumber(tick), size: smallSize, anchor: "middle",
        colour: "faint" });
  }
  marks.push({ kind: "line", colour: "axis", width: 1, points: [left, bottom, right, bottom] });
  if (xAxis.label !== undefined) {
    marks.push({ kind: "text", x: (left + right) / 2, y: bottom + 38, text: fitted(xAxis.label, textSize, right - left),
      size: textSize, anchor: "middle", colour: "text" });
  }
  if (yAxis.label !== undefined) {
    marks.push({ kind: "text", x: 20, y: (top + bottom) / 2, text: fitted(yAxis.label, textSize, bottom - top),
      size: textSize, anchor: "middle", colour: "text", isTurned: true });
  }
}

function drawSeries({ points, kind = "line" }: ChartSeries, index: number, frame: Frame, marks: Mark[]): void {
  const { x, y, left, right, top, bottom } = frame;
  const clampY = (value: number): number => Math.min(bottom, Math.max(top, value));
  const inside = points.filter(([at]) => x.at(at) >= left - 1 && x.at(at) <= right + 1);
  for (const run of runsOf(reduced(inside, ([at]) => x.at(at), right - left), y)) {
    const line: number[] = [];
    const [upper, lower]: [number[], number[]] = [[], []];
    for (const [at, value, low = value, high = value] of run) {
      const [px, py] = [x.at(at), clampY(y.at(value))];
      if (kind === "step" && line.length > 0) line.push(px, line.at(-1) as number);
      line.push(px, py);
      upper.push(px, clampY(y.at(high)));
      lower.push(px, clampY(Number.isNaN(y.at(low)) ? bottom : y.at(low)));
    }
    if (kind === "area") {
      // Stacked ones stand on the one below, others on the axis.
      const isStacked = run[0]?.[2] !== undefined;
      const base = isStacked ? backwards(lower) : [line.at(-2) as number, bottom, line[0] as number, bottom];
      marks.push({ kind: "area", colour: index, opacity: isStacked ? 0.75 : 0.3, points: [...line, ...base] });
      // The edge of one that has nothing would cover that of the one below.
      if (isStacked) continue;
    } else if (run.some(([, value, low = value, high = value]) => low !== value || high !== value)) {
      marks.push({ kind: "area", colour: index, opacity: 0.18, points: [...upper, ...backwards(lower)] });
    }
    // A single point has no line: a short stroke shows it.
    const [x0, y0] = [line[0] as number, line[1] as number];
    const shown = line.length > 2 ? line : [x0 - 2, y0, x0 + 2, y0];
    marks.push({ kind: "line", colour: index, width: 2, dash: dashOf(index), points: shown });
  }
}

/** Stretches of points without a gap. */
function runsOf(points: readonly ChartPoint[], y: Scale): ChartPoint[][] {
  const runs: ChartPoint[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(y.at(point[1]))) runs.at(-1)?.push(point);
    else if ((runs.at(-1)?.length ?? 0) > 0) runs.push([]);
  }
  return runs.filter(({ length }) => length > 0);
}

function backwards(points: readonly number[]): number[] {
  const turned: number[] = [];
  for (let i = points.length - 2; i >= 0; i -= 2) turned.push(points[i] as number, points[i + 1] as number);
  return turned;
}

/** Labels stand above the frame, and on the other side of their line where the next is too near. */
function drawMarkers({ markers = [] }: Chart, frame: Frame, marks: Mark[]): void {
  const { x, left, right, top, bottom } = frame;
  let occupied = -Infinity;
  for (const { x: value, label } of markers.toSorted((a, b) => a.x - b.x)) {
    const at = x.at(value);
    if (!(at >= left - 1 && at <= right + 1)) continue;
    marks.push({ kind: "line", colour: "marker", width: 1.2, dash: [4, 3], points: [at, top - 4, at, bottom] });
    const wide = widthOf(label, smallSize);
    const begins = Math.min(at, right - wide);
    if (begins < occupied + 6) continue;
    marks.push({ kind: "text", x: begins, y: top - 7, text: label, size: smallSize, anchor: "start",
      colour: "marker" });
    occupied = begins + wide;
  }
}

function dashOf(index: number): readonly number[] | undefined {
  return dashes[Math.floor(index / 8) % dashes.length];
}

/** About how wide a text is: of sans-serif letters, on average. */
function widthOf(text: string, size: number): number {
  return text.length * size * 0.56;
}
