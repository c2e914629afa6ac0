// The frame of `npm run sim`: what it lists, what it refuses, and the arithmetic of its rows.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { growthOf, meanOf, quantile } from "../../experiments/frame/rows.ts";

const program = new URL("../../experiments/run.ts", import.meta.url).pathname;
const run = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });

test("an unknown experiment, a missing name and bad numbers are refused with what there is", () => {
  for (const [args, why] of [
    [["nonsense"], /there is no experiment called nonsense/], [[], /name an experiment/],
    [["discovery-scale", "--seeds", "0"], /--seeds 0 is not 1 to/],
    [["discovery-scale", "--seed", "x"], /--seed x is no whole number/],
    [["discovery-scale", "more"], /one experiment at a time/], [["discovery-scale", "--sed", "1"], /--sed/],
  ] as const) {
    const { status, stderr, stdout } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, why);
    assert.match(stderr, /^ {2}discovery-scale +\w/m);
    assert.equal(stdout, "");
  }
});

test("means have the interval of Student's t, growth is the exponent, quantiles are of the sorted values", () => {
  assert.deepEqual(meanOf([4]), { value: 4, ci95: 0 });
  const { value, ci95 } = meanOf([1, 2, 3, 4, 5]);
  assert.equal(value, 3);
  assert.ok(Math.abs(ci95 - 2.78 * Math.sqrt(2.5 / 5)) < 1e-9);
  for (const exponent of [0, 0.5, 1, 2]) {
    assert.ok(Math.abs(growthOf([1, 2, 4, 8].map((x) => [x, 7 * x ** exponent])) - exponent) < 1e-9);
  }
  assert.equal(quantile([5, 1, 3, 2, 4], 0.5), 3);
  assert.equal(quantile([5, 1, 3, 2, 4], 0.99), 5);
});
