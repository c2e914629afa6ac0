// How many unary calls a second, how soon, and for how much processor time: every system echoes the same records.
import { ceilings, direct, ours, peers } from "./contenders.ts";
import { compare } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

const options = optionsOrExit({
  cases: ["S@1", "S@64", "S@512", "M@64", "M@512", "S@rate:5000", "S@rate:20000"],
  systems: [...ours, ...peers, ...ceilings],
});

const fastest = { against: peers, whom: "the fastest peer" };
const grpc = { against: ["grpc-js"], whom: "grpc-js" };
const ceiling = { against: ["raw-codec"], whom: "raw-codec" };
const goals: Goal[] = [
  // Three in a hundred are noise: one call at a time, all are bound by the round trip over loopback.
  { case: "S@1", ...fastest, ratio: 0.97 },
  { case: "S@64", ...grpc, ratio: 20 },
  { case: "S@64", ...fastest, ratio: 1.8 },
  { case: "S@64", ...ceiling, ratio: 0.65 },
  { case: "S@512", ...grpc, ratio: 45 },
  { case: "S@512", ...fastest, ratio: 3 },
  { case: "S@512", ...ceiling, ratio: 0.65 },
  { case: "M@64", ...fastest, ratio: 1.5 },
  { case: "M@512", ...fastest, ratio: 2.5 },
  { case: "S@rate:5000", ...fastest, whom: "the peer with the least", ratio: 1, figure: "p99Ms" },
  { case: "S@rate:20000", ...fastest, whom: "the peer with the least", ratio: 1, figure: "p99Ms" },
];

const rows = await compare("unary", direct(options.systems), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
