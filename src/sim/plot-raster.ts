/**
 * `rasterise` draws a drawing into pixels: lines by their distance to each pixel, areas by scan lines, letters by the
 * strokes of a plotter's alphabet. Edges are smoothed: a pixel takes as much of a colour as the shape covers of it.
 */
import type { Colour, Drawing, Mark } from "./plot-drawing.ts";
import { strokesOf, textWidth } from "./plot-letters.ts";
import type { Picture } from "./plot-png.ts";

type Rgb = readonly [number, number, number];

/** Sub-rows of a pixel's row by which areas are measured. */
const subRows = 4;

/** How much of each pixel the shape at hand covers, and which pixels it touches. */
interface Mask {
  readonly width: number;
  readonly height: number;
  readonly cover: Float32Array;
  readonly touched: number[];
}

export function rasterise(drawing: Drawing, scale: number, colourOf: (colour: Colour) => Rgb): Picture {
  const [width, height] = [Math.round(drawing.width * scale), Math.round(drawing.height * scale)];
  const pixels = new Uint8Array(width * height * 3);
  const mask: Mask = { width, height, cover: new Float32Array(width * height), touched: [] };
  for (const mark of drawing.marks) {
    cover(mask, mark, scale);
    paint(pixels, mask, colourOf(mark.colour), mark.kind === "area" ? mark.opacity : 1);
  }
  return { width, height, pixels };
}

function cover(mask: Mask, mark: Mark, scale: number): void {
  if (mark.kind === "area") {
    coverArea(mask, mark.points.map((value) => value * scale));
  } else if (mark.kind === "line") {
    const points = mark.points.map((value) => value * scale);
    const lines = mark.dash === undefined ? [points] : dashed(points, mark.dash.map((length) => length * scale));
    for (const line of lines) coverLine(mask, line, mark.width * scale);
  } else {
    const { text, size, anchor, x, y, isTurned = false, isBold = false } = mark;
    const unit = size * 0.12 * scale;
    const back = { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text) * unit;
    const stroke = Math.max(1, unit * (isBold ? 1.15 : 0.8));
    for (const points of strokesOf(text)) {
      const placed = points.map((_, i) => {
        const [u, v] = [points[i - (i % 2)] as number, points[i - (i % 2) + 1] as number];
        const [along, up] = [u * unit - back, v * unit];
        if (isTurned) return i % 2 === 0 ? x * scale - up : y * scale - along;
        return i % 2 === 0 ? x * scale + along : y * scale - up;
      });
      coverLine(mask, placed, stroke);
    }
  }
}

function paint(pixels: Uint8Array, { cover: covered, touched }: Mask, [r, g, b]: Rgb, opacity: number): void {
  for (const index of touched) {
    const share = (covered[index] as number) * opacity;
    covered[index] = 0;
    const at = index * 3;
    pixels[at] = blend(pixels[at] as number, r, share);
    pixels[at + 1] = blend(pixels[at + 1] as number, g, share);
    pixels[at + 2] = blend(pixels[at + 2] as number, b, share);
  }
  touched.length = 0;
}

function blend(below: number, above: number, share: number): number {
  return Math.round(below + (above - below) * share);
}

function touch({ cover: covered, touched }: Mask, index: number, share: number): void {
  const before = covered[index] as number;
  if (before === 0) touched.push(index);
  // The segments of a line overlap at its joints, where it is not twice as dark.
  if (share > before) covered[index] = Math.min(1, share);
}

function coverLine(mask: Mask, points: readonly number[], lineWidth: number): void {
  const reach = lineWidth / 2 + 0.5;
  for (let i = 0; i + 3 < points.length; i += 2) {
    const [ax, ay] = [points[i] as number, points[i + 1] as number];
    const [bx, by] = [points[i + 2] as number, points[i + 3] as number];
    const [dx, dy] = [bx - ax, by - ay];
    const lengthSquared = dx * dx + dy * dy;
    const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
    const bottom = Math.min(mask.height - 1, Math.ceil(Math.max(ay, by) + reach));
    for (let y = top; y <= bottom; y++) {
      const [left, right] = columnsOf(ax, bx, mask.width, reach);
      for (let x = left; x <= right; x++) {
        const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
        const along = lengthSquared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared));
        const distance = Math.hypot(px - along * dx, py - along * dy);
        if (distance < reach) touch(mask, y * mask.width + x, Math.min(1, reach - distance));
      }
    }
  }
}

function columnsOf(ax: number, bx: number, width: number, reach: number): [number, number] {
  return [Math.max(0, Math.floor(Math.min(ax, bx) - reach)), Math.min(width - 1, Math.ceil(Math.max(ax, bx) + reach))];
}

/** Fills a polygon, even-odd: crossings of each sub-row, between which pixels are covered in part or whole. */
function coverArea(mask: Mask, points: readonly number[]): void {
  const row = new Float32Array(mask.width);
  for (let y = 0; y < mask.height; y++) {
    let isEmpty = true;
    for (let sub = 0; sub < subRows; sub++) {
      const crossings = crossingsAt(points, y + (sub + 0.5) / subRows);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        isEmpty = false;
        coverSpan(row, crossings[i] as number, crossings[i + 1] as number);
      }
    }
    if (isEmpty) continue;
    for (let x = 0; x < mask.width; x++) {
      if ((row[x] as number) > 0) touch(mask, y * mask.width + x, (row[x] as number) / subRows);
    }
    row.fill(0);
  }
}

function crossingsAt(points: readonly number[], y: number): number[] {
  const crossings: number[] = [];
  for (let i = 0; i < points.length; i += 2) {
    const j = (i + 2) % points.length;
    const [ax, ay, bx, by] = [points[i], points[i + 1], points[j], points[j + 1]] as [number, number, number, number];
    if (ay <= y !== by <= y) crossings.push(ax + ((y - ay) / (by - ay)) * (bx - ax));
  }
  return crossings.sort((a, b) => a - b);
}

function coverSpan(row: Float32Array, from: number, to: number): void {
  const [begin, end] = [Math.max(0, from), Math.min(row.length, to)];
  for (let x = Math.floor(begin); x < end; x++) {
    row[x] = (row[x] as number) + Math.max(0, Math.min(end, x + 1) - Math.max(begin, x));
  }
}

/** Cuts a line into dashes. */
function dashed(points: readonly number[], pattern: readonly number[]): number[][] {
  const dashes: number[][] = [];
  let [turn, left] = [0, pattern[0] ?? 1];
  let current: number[] = [points[0] ?? 0, points[1] ?? 0];
  for (let i = 0; i + 3 < points.length; i += 2) {
    let [ax, ay] = [points[i] as number, points[i + 1] as number];
    const [bx, by] = [points[i + 2] as number, points[i + 3] as number];
    for (let length = Math.hypot(bx - ax, by - ay); length > 0;) {
      const step = Math.min(left, length);
      [ax, ay] = [ax + ((bx - ax) / length) * step, ay + ((by - ay) / length) * step];
      length -= step;
      left -= step;
      current.push(ax, ay);
      if (left > 0) continue;
      if (turn % 2 === 0) dashes.push(current);
      current = [ax, ay];
      turn++;
      left = Math.max(0.1, pattern[turn % pattern.length] ?? 1);
    }
  }
  if (turn % 2 === 0 && current.length > 2) dashes.push(current);
  return dashes;
}
