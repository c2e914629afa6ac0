// Calls through WebSocket: the native wire in its messages, beside Cap'n Web and rpc-websockets.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

const peers = ["capnweb", "rpc-websockets"];
const contenders: Contender[] = [
  { name: "meridian", system: "meridian-websocket:native" },
  // What it costs beside the same wire on TCP.
  { name: "meridian on TCP", system: "meridian" },
  ...peers.map((name) => ({ name, system: name })),
];
const cases = ["S@1", "S@64", "S@512", "M@64"];
const options = optionsOrExit({ cases, systems: contenders.map(({ name }) => name) });
const goals = cases.map((name): Goal => ({
  case: name, system: "meridian", against: peers, whom: "the fastest peer", ratio: 1,
}));
const rows = await compare("websocket", contenders.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
