/**
 * A Chart is lines, steps or areas over one axis, drawn as SVG (light and dark, by the reader's own choice) or as PNG.
 *
 * Both are made from one Drawing (plot-layout.ts), so that what is seen in one is what is seen in the other. No
 * library: charts of experiments need a dozen marks, and the simulator depends on nothing.
 */
import { badOption } from "../core/option.ts";
import type { Colour, Drawing, Mark } from "./plot-drawing.ts";
import { layOut } from "./plot-layout.ts";
import { type Deflate, encodePng } from "./plot-png.ts";
import { rasterise } from "./plot-raster.ts";

/** One point: x, y, and optionally the bounds of its error band. A y of NaN interrupts the line. */
export type ChartPoint = readonly [x: number, y: number, low?: number, high?: number];

export interface ChartSeries {
  readonly name: string;
  /** In order of x, at most 1,000,000; of more than fit beside each other the extremes are drawn. */
  readonly points: readonly ChartPoint[];
  /** `line` joins the points, `step` keeps each value until the next, `area` fills down to the axis. Default `line`. */
  readonly kind?: "line" | "step" | "area";
}

export interface ChartAxis {
  /** With the unit: `p99 latency, ms`. */
  readonly label?: string;
  /** Default: from and to what the points say; a linear y axis begins at 0 unless values are negative. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Logarithmic; values of 0 or less are left out. Default false. */
  readonly isLog?: boolean;
}

/** Something that happened: a line across the chart, with a word. */
export interface ChartMarker {
  readonly x: number;
  readonly label: string;
}

export interface Chart {
  readonly title: string;
  /** Set-up, seeds: in smaller letters below the title. */
  readonly note?: string;
  readonly x?: ChartAxis;
  readonly y?: ChartAxis;
  /** At most 16. */
  readonly series: readonly ChartSeries[];
  readonly markers?: readonly ChartMarker[];
  /** Whether areas stand on each other: shares of a whole. The series must have the same x. Default false. */
  readonly isStacked?: boolean;
  /** Pixels: default 800 by 420. */
  readonly width?: number;
  readonly height?: number;
}

/** Light, dark. */
const palette: Readonly<Record<Exclude<Colour, number>, readonly [string, string]>> = {
  background: ["#ffffff", "#0d1117"], grid: ["#e4e8ec", "#262c36"], axis: ["#6e7781", "#8b949e"],
  text: ["#1f2328", "#e6edf3"], faint: ["#57606a", "#9aa4af"], marker: ["#82071e", "#ff8182"],
};

/** Of the series in order; told apart also where red and green are not. */
const seriesColours: readonly (readonly [string, string])[] = [
  ["#0969da", "#58a6ff"], ["#d4570a", "#ff9f4a"], ["#1a7f37", "#3fb950"], ["#8250df", "#bc8cff"],
  ["#bf3989", "#f778ba"], ["#7d5a00", "#d9b036"], ["#0e7490", "#39c5cf"], ["#57606a", "#8b949e"],
];

function colourOf(colour: Colour): readonly [string, string] {
  return typeof colour === "number"
    ? seriesColours[colour % seriesColours.length] as readonly [string, string]
    : palette[colour];
}

/** Most charts of one picture. */
const maxCharts = 50;

/** One chart, or several below each other. */
function drawn(charts: Chart | readonly Chart[]): Drawing {
  const all = Array.isArray(charts) ? charts as readonly Chart[] : [charts as Chart];
  if (all.length > maxCharts) throw badOption("charts", all.length, `a picture has at most ${maxCharts}`);
  const marks: Mark[] = [];
  let [width, height] = [0, 0];
  for (const drawing of all.map(layOut)) {
    for (const mark of drawing.marks) marks.push(moved(mark, height));
    width = Math.max(width, drawing.width);
    height += drawing.height;
  }
  return { width, height, marks };
}

function moved(mark: Mark, by: number): Mark {
  if (by === 0) return mark;
  if (mark.kind === "text") return { ...mark, y: mark.y + by };
  return { ...mark, points: mark.points.map((value, i) => (i % 2 === 0 ? value : value + by)) };
}

/** Draws a chart, or several below each other, as SVG that follows the reader's preference for light or dark. */
export function chartSvg(charts: Chart | readonly Chart[]): string {
  const drawing = drawn(charts);
  const { width, height } = drawing;
  const title = (Array.isArray(charts) ? charts as readonly Chart[] : [charts as Chart]).map((one) => one.title);
  const used = [...new Set(drawing.marks.map(({ colour }) => colour))];
  const css = (shade: 0 | 1): string => used.map((colour) => {
    const value = colourOf(colour)[shade];
    return `.s${colour}{stroke:${value}}.f${colour}{fill:${value}}`;
  }).join("");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img" aria-label="${escaped(title.join("; "))}">`,
    "<style>text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}" +
      `path{stroke-linejoin:round;stroke-linecap:round}${css(0)}@media(prefers-color-scheme:dark){${css(1)}}</style>`,
    ...drawing.marks.map(element),
    "</svg>\n",
  ].join("\n");
}

function element(mark: Mark): string {
  if (mark.kind === "text") {
    const { x, y, size, anchor, text, isTurned, isBold } = mark;
    const turn = isTurned === true ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : "";
    const weight = isBold === true ? ' font-weight="600"' : "";
    const at = `x="${round(x)}" y="${round(y)}"`;
    return `<text class="f${mark.colour}" ${at} font-size="${size}" text-anchor="${anchor}"${weight}${turn}>` +
      `${escaped(text)}</text>`;
  }
  const d = pathOf(mark.points);
  if (mark.kind === "area") return `<path class="f${mark.colour}" d="${d}Z" fill-opacity="${mark.opacity}"/>`;
  const dash = mark.dash === undefined ? "" : ` stroke-dasharray="${mark.dash.join(" ")}"`;
  return `<path class="s${mark.colour}" d="${d}" fill="none" stroke-width="${mark.width}"${dash}/>`;
}

function pathOf(points: readonly number[]): string {
  let d = "";
  for (let i = 0; i + 1 < points.length; i += 2) {
    d += `${i === 0 ? "M" : "L"}${round(points[i] as number)} ${round(points[i + 1] as number)}`;
  }
  return d;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

export interface PngOptions {
  /** Compresses into the zlib format (RFC 1950): `deflateSync` of `node:zlib`. */
  readonly deflate: Deflate;
  /** Default light. */
  readonly theme?: "light" | "dark";
  /** Pixels of the picture for one of the chart. Default 2. */
  readonly scale?: number;
}

/** Draws a chart, or several below each other, as a PNG picture. */
export function chartPng(charts: Chart | readonly Chart[], options: PngOptions): Uint8Array {
  const { deflate, theme = "light", scale = 2 } = options;
  const drawing = drawn(charts);
  const shade = theme === "dark" ? 1 : 0;
  return encodePng(rasterise(drawing, scale, (colour) => rgb(colourOf(colour)[shade])), deflate);
}

function rgb(hex: string): readonly [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
