// Avro's RPC beside the npm package avsc, each client with its own server, and native Meridian beside.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

/** `client→server`. The protocols of the two systems differ, so they are not paired with each other. */
const pairs: Contender[] = [
  { name: "meridian→meridian", system: "meridian-avro" },
  { name: "avsc→avsc", system: "avsc" },
  { name: "meridian native", system: "meridian" },
];

/** The npm package is slow to be compiled. */
const warmUpMs = 5_000;

const given = optionsOrExit({
  cases: ["S@1", "S@64", "S@512", "M@64", "M@512"], systems: pairs.map(({ name }) => name),
});
const options = { ...given, timing: { ...given.timing, warmUpMs } };

const pair = { system: "meridian→meridian", against: ["avsc→avsc"], whom: "avsc with itself" };
const goals: Goal[] = [
  ...["S@1", "S@64", "S@512", "M@64", "M@512"].map((name) => ({ ...pair, case: name, ratio: 1 })),
  { ...pair, case: "S@64", ratio: 1, figure: "serverCpuSecondsPerMillion" },
];

const rows = await compare("avro", pairs.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
