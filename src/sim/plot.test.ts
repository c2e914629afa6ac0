import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import * as fc from "fast-check";
import { property } from "../../test/policies/support.ts";
import { type Chart, chartPng, chartSvg } from "./plot.ts";
import { makeScale, niceStep, shortNumber } from "./plot-scale.ts";
import { reduced, stacked } from "./plot-series.ts";

const chart: Chart = {
  title: "Calls of <eu-west> & co", note: "seed 1", x: { label: "seconds" }, y: { label: "p99, ms" },
  series: [
    { name: "us-east", points: [[0, 10, 8, 14], [10, 30, 20, 45], [20, 20, 20, 20]] },
    { name: "eu-west", kind: "step", points: [[0, 5], [5, NaN], [10, 5], [20, 50]] },
    { name: "ap-south", kind: "area", points: [[0, 1], [20, 3]] },
  ],
  markers: [{ x: 5, label: "kill" }, { x: 30, label: "outside" }],
};

test("the SVG holds title, legend, ticks, markers and both shades, with everything escaped", () => {
  const svg = chartSvg(chart);
  for (const text of [
    "Calls of &lt;eu-west&gt; &amp; co", "us-east", "ap-south", "kill", "seconds", "p99, ms", "seed 1",
    "@media(prefers-color-scheme:dark)", ">20</text>", 'viewBox="0 0 800 420"',
  ]) {
    assert.ok(svg.includes(text), text);
  }
  assert.ok(!svg.includes("outside") && !svg.includes("NaN") && !svg.includes("undefined"), "what is out of sight");
  // One for the gap, one for the rest: the line is interrupted, not drawn through what is not known.
  assert.equal(svg.match(/<path class="s1" [^>]*stroke-width="2"/g)?.length, 2);
  assert.equal(chartSvg(chart), svg);
});

/** Undoes the filters that are written: only Up. */
function decoded(png: Uint8Array): { width: number; height: number; at(x: number, y: number): number[] } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const length = view.getUint32(33);
  assert.equal(new TextDecoder().decode(png.subarray(37, 41)), "IDAT");
  const rows = inflateSync(png.subarray(41, 41 + length));
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    assert.equal(rows[y * (width * 3 + 1)], 2);
    for (let i = 0; i < width * 3; i++) {
      const above = y === 0 ? 0 : pixels[(y - 1) * width * 3 + i] as number;
      pixels[y * width * 3 + i] = (rows[y * (width * 3 + 1) + 1 + i] as number) + above;
    }
  }
  return { width, height, at: (x, y) => [...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)] };
}

test("the PNG is whole, and has the colours of the theme where the chart has lines", () => {
  for (const [theme, background, line] of [
    ["light", [255, 255, 255], [9, 105, 218]], ["dark", [13, 17, 23], [88, 166, 255]],
  ] as const) {
    const flat: Chart = { title: "", series: [{ name: "", points: [[0, 5], [10, 5]] }], y: { from: 0, to: 10 } };
    const picture = decoded(chartPng(flat, { deflate: deflateSync, theme, scale: 1 }));
    assert.deepEqual([picture.width, picture.height], [800, 420]);
    assert.deepEqual(picture.at(1, 1), background);
    const column = Array.from({ length: 420 }, (_, y) => picture.at(400, y).join());
    const at = column.indexOf(line.join());
    // Half-way between the frame's top, below the legend, and its bottom.
    assert.ok(at > 200 && at < 240, `the line is at ${at}`);
  }
  // The check of the file's own sums, by somebody else's decoder: Node's zlib checks the deflated data (above).
  const png = chartPng(chart, { deflate: deflateSync });
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  // The sum of IEND is known from the standard.
  assert.deepEqual([...png.subarray(-4)], [0xae, 0x42, 0x60, 0x82]);
});

test("ticks are round, within the scale, and not many", () => {
  fc.assert(fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.integer({ min: 2, max: 12 }), fc.boolean(),
    (from, span, count, mayGrow) => {
      const to = from + span;
      if (!(to > from)) return;
      const scale = makeScale({ from, to, isLog: false, pixels: [0, 100], ticks: count, mayGrow });
      assert.ok(scale.ticks.length <= count + 3, `${scale.ticks.length} ticks`);
      const slack = (scale.to - scale.from) * 1e-6;
      for (const tick of scale.ticks) assert.ok(tick >= scale.from - slack && tick <= scale.to + slack);
      if (mayGrow) assert.ok(scale.from <= from + slack && scale.to >= to - slack && scale.ticks.length >= 2);
    }), property);
  assert.deepEqual([niceStep(10, 5), niceStep(7, 5), niceStep(0.9, 4), niceStep(1_000, 3)], [2, 2, 0.25, 500]);
  const log = makeScale({ from: 1, to: 10_000, isLog: true, pixels: [0, 400], ticks: 5, mayGrow: false });
  assert.deepEqual(log.ticks, [1, 10, 100, 1_000, 10_000]);
  assert.equal(log.at(100), 200);
  assert.ok(Number.isNaN(log.at(0)));
  assert.deepEqual([0, 0.25, 1_500, 20_000, 3e6, -2.5e9].map(shortNumber), ["0", "0.25", "1500", "20k", "3M", "-2.5G"]);
});

test("charts of nothing, of one point, of equal values and of a million points are drawn", () => {
  for (const points of [[], [[3, 0]], [[3, 7], [4, 7]], [[0, NaN]], [[1, -5], [2, 5]]] as const) {
    const svg = chartSvg({ title: "t", series: [{ name: "a", points }] });
    assert.ok(!svg.includes("NaN") && !svg.includes("Infinity"), svg);
    assert.ok(chartPng({ title: "t", series: [{ name: "a", points }] }, { deflate: deflateSync }).length > 100);
  }
  const many = Array.from({ length: 200_000 }, (_, i) => [i, i === 77_777 ? 9 : i % 3] as const);
  const few = reduced(many, ([x]) => x / 400, 500);
  assert.ok(few.length < 2_100 && few.some(([, y]) => y === 9), "the one that stands out is kept");
  assert.ok(chartSvg({ title: "many", series: [{ name: "a", points: many }] }).length < 100_000);
});

test("stacked series stand on each other, and need the same x", () => {
  const [first, second] = stacked(
    [{ name: "a", points: [[0, 1], [1, 2]] }, { name: "b", points: [[0, 10], [1, NaN]] }]);
  assert.deepEqual(first?.points, [[0, 1, 0, 1], [1, 2, 0, 2]]);
  assert.deepEqual(second?.points, [[0, 11, 1, 11], [1, 2, 2, 2]]);
  assert.throws(() => stacked([{ name: "a", points: [[0, 1]] }, { name: "b", points: [] }]), /points of b is 0/);
  assert.throws(() => stacked([{ name: "a", points: [[0, 1]] }, { name: "b", points: [[1, 1]] }]), /x of b is 1/);
});

test("what cannot be drawn is refused by name", () => {
  const series = Array.from({ length: 17 }, (_, i) => ({ name: String(i), points: [] }));
  assert.throws(() => chartSvg({ title: "", series }), /series is 17: a chart has at most 16 series/);
  assert.throws(() => chartSvg({ title: "", series: [], width: 10 }), /width is 10/);
});
