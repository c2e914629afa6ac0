// Whatever is refused names the option, its value and what may be instead.
import assert from "node:assert/strict";
import { test } from "node:test";
import { badOption, numberOption } from "./option.ts";

test("numbers within their range pass, bounds included", () => {
  for (const value of [1, 2.5, 10]) assert.equal(numberOption("ratio", value, { least: 1, most: 10 }), value);
  assert.equal(numberOption("calls", 7, { least: 0, whole: true }), 7);
});

for (const [value, range, message] of [
  [0, { least: 1, unit: "milliseconds" }, "timeoutMs is 0: expected a number of milliseconds of at least 1"],
  [11, { least: 1, most: 10 }, "timeoutMs is 11: expected a number from 1 to 10"],
  [1.5, { least: 1, whole: true }, "timeoutMs is 1.5: expected a whole number of at least 1"],
  [NaN, { least: 1 }, "timeoutMs is NaN: expected a number of at least 1"],
  [Infinity, { least: 1 }, "timeoutMs is Infinity: expected a number of at least 1"],
  ["5" as unknown as number, { least: 1 }, 'timeoutMs is "5": expected a number of at least 1'],
] as const) {
  test(`refused: ${message}`, () => {
    assert.throws(() => numberOption("timeoutMs", value, range), { code: "invalid_argument", message });
  });
}

test("a contradiction is told with its value, cut to a length that fits a line", () => {
  assert.equal(badOption("hedge", "x".repeat(500), "no").message.length, `hedge is : no`.length + 200);
});
