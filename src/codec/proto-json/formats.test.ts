import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dateText, readDate } from "./formats.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

test("dates are written as toISOString writes them, and read back", () => {
  const [min, max] = [new Date("0001-01-01T00:00:00Z"), new Date("9999-12-31T23:59:59.999Z")];
  const check = (date: Date) => {
    const text = dateText(date);
    assert.equal(text?.replace(/(?<=:\d\d)Z$/, ".000Z"), date.toISOString());
    assert.equal(readDate(text)?.getTime(), date.getTime());
    assert.equal(readDate(date.toISOString())?.getTime(), date.getTime());
  };
  for (const date of [min, max]) check(date);
  // The days around the ends of centuries, others of the whole range, and times at random.
  for (const year of [2, 400, 1600, 1900, 1970, 2000, 2100, 2400, 9990]) {
    const first = Date.UTC(2000, 0, 1) + (year - 2000) * 365.2425 * 86_400_000;
    for (let day = 0; day < 1500; day++) check(new Date(first + day * 86_400_000));
  }
  for (let ms = min.getTime(); ms < max.getTime(); ms += 1013 * 86_399_999) check(new Date(ms));
  fc.assert(fc.property(fc.date({ min, max, noInvalidDate: true }), check), { seed: 7, numRuns: 10 * runs });
});

test("what is no date is read as none", () => {
  const almost = [
    "2030-1-01T00:00:00Z", "2030-01-01T00:00:00", "2030/01/01T00:00:00Z", "2030-00-01T00:00:00Z",
    "2030-13-01T00:00:00Z", "2030-01-00T00:00:00Z", "2030-02-29T00:00:00Z", "2030-01-01T00:00:60Z",
    "2030-01-01T0a:00:00Z",
    "2030-01-01T00:00:00.12aZ", "2030-01-01T00:00:00,123Z", "+030-01-01T00:00:00Z", "",
    "2030-01-01T00:00:00.0000000001Z",
  ];
  for (const text of almost) assert.equal(readDate(text), undefined, text);
  assert.equal(readDate("2028-02-29T00:00:00Z")?.toISOString(), "2028-02-29T00:00:00.000Z");
});
