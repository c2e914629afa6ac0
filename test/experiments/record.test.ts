// How rows become documents: tables, the overview, the sections between markers; and what the recorder refuses.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { overviewTable, rowsOf, rowTable, withSection } from "../../experiments/frame/tables.ts";
import type { Row } from "../../experiments/frame/rows.ts";

const row = (fields: Partial<Row> = {}): Row => ({
  experiment: "one", case: "load 0.9", policy: "ours", seeds: 5, value: 12.3456, ci95: 0.5, unit: "ms",
  published: null, goal: null, met: null, ...fields,
});

test("a table has a line for each figure and a column for each policy", () => {
  const rows = [
    row({ goal: "at most 13", met: true }), row({ policy: "theirs", value: 20_000, ci95: 0, published: "20 s" }),
    row({ unit: "errors", value: 0, ci95: 0, goal: "none", met: false }),
  ];
  assert.deepEqual(rowTable(rows).split("\n"), [
    "|  | ours | theirs | published |", "| --- | ---: | ---: | --- |",
    "| load 0.9: ms | **12.35** ± 0.5 (at most 13: met) | 20,000 | 20 s |",
    "| load 0.9: errors | **0** (none: missed) |  |  |",
  ]);
  assert.deepEqual(rowsOf(`> npm says\n${JSON.stringify(rows[0])}\n`), [rows[0]]);
});

test("the overview shows every goal of few, and of many those that were missed", () => {
  const document = "# Page\n\n## one: what it is (really)\n\n## one-more: other\n";
  const few = [row({ goal: "at most 13", met: true }), row({ goal: "none", met: false, policy: "ours, tuned" }), row()];
  assert.deepEqual(overviewTable(few, document).split("\n").slice(2), [
    "| [one](#one-what-it-is-really) | load 0.9: ms | 12.35 ± 0.5 | at most 13 | met |",
    "| [one](#one-what-it-is-really) | load 0.9: ms (ours, tuned) | 12.35 ± 0.5 | none | **missed** |",
  ]);
  const many = [...Array.from({ length: 9 }, () => row({ goal: "x", met: true })), row({ goal: "y", met: false })];
  assert.deepEqual(overviewTable(many).split("\n").slice(2), [
    "| one | load 0.9: ms | 12.35 ± 0.5 | y | **missed** |", "| one | the others of 10 goals | | | 9 met |",
  ]);
  assert.match(overviewTable(many.slice(0, 9)), /all of 9 goals \| \| \| 9 met/);
  assert.match(overviewTable([row()]), /without goals: 1 figures/);
});

test("a section is replaced between its markers, and only there", () => {
  const document = "a\n<!-- one: from rows -->\n\nold\n\n<!-- end of one -->\nb\n";
  assert.equal(withSection(document, "one", "new"), document.replace("old", "new"));
  assert.equal(withSection(document, "two", "new"), undefined);
});

test("unknown experiments and bad numbers are refused with what there is", () => {
  const program = new URL("../../experiments/record.ts", import.meta.url).pathname;
  for (const [args, why] of [
    [["nonsense"], /no experiment called nonsense: .* there are .*detector/],
    [["--seeds", "0"], /--seeds 0 is not 1 to 9999/],
    [["--sed"], /--sed/],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
    assert.equal(status, 2);
    assert.match(stderr, why);
  }
});
