// Calls by UDP beside what Node's dgram does without them, and beside the same calls by TCP.
import { direct } from "./contenders.ts";
import { compare } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

// The small record alone: a call is one datagram, and of the large one none is sent by UDP.
const options = optionsOrExit({
  cases: ["S@1", "S@64", "S@512"], systems: ["meridian-udp", "raw-udp", "meridian", "raw-echo"],
});

/** A datagram each way is a system call each, which is nearly all that either does. */
const ceiling = { system: "meridian-udp", against: ["raw-udp"], whom: "bytes by node:dgram", ratio: 0.5 };
const goals: Goal[] = [{ case: "S@1", ...ceiling }, { case: "S@64", ...ceiling }, { case: "S@512", ...ceiling }];

const rows = await compare("udp", direct(options.systems), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
