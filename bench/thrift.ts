// Thrift beside the npm package `thrift`, framed and binary: every client with every server, and native Meridian.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

/** Files in bench/systems by the names that rows have. */
const sides = { meridian: "meridian-thrift", thrift: "thrift" };

/** `client→server`. */
const pairs: Contender[] = [
  ...Object.entries(sides).flatMap(([client, calls]) =>
    Object.entries(sides).map(([server, serves]) => ({ name: `${client}→${server}`, system: serves, client: calls }))),
  { name: "meridian native", system: "meridian" },
];

/** The npm package's client is slow to be compiled. */
const warmUpMs = 5_000;

const given = optionsOrExit({
  cases: ["S@1", "S@64", "S@512", "M@64", "M@512"], systems: pairs.map(({ name }) => name),
});
const options = { ...given, timing: { ...given.timing, warmUpMs } };

const pair = { system: "meridian→meridian", against: ["thrift→thrift"], whom: "thrift with itself" };
const goals: Goal[] = [
  // One call at a time is bound by the round trip over loopback.
  { ...pair, case: "S@1", ratio: 1 },
  ...["S@64", "S@512", "M@64", "M@512"].map((name) => ({ ...pair, case: name, ratio: 5 })),
  { ...pair, system: "meridian→thrift", case: "S@64", ratio: 1 },
  { ...pair, system: "thrift→meridian", case: "S@64", ratio: 1 },
];

const rows = await compare("thrift", pairs.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
