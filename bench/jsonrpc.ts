// JSON-RPC 2.0 over WebSocket beside rpc-websockets: both ends ours, and each end with the other's.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

const contenders: Contender[] = [
  { name: "meridian", system: "meridian-websocket:json-rpc" },
  { name: "rpc-websockets", system: "rpc-websockets" },
  { name: "rpc-websockets → meridian", system: "meridian-websocket:json-rpc", client: "rpc-websockets" },
];
const cases = ["S@1", "S@64", "S@512", "M@64"];
const options = optionsOrExit({ cases, systems: contenders.map(({ name }) => name) });
const goals = cases.map((name): Goal => ({
  case: name, system: "meridian", against: ["rpc-websockets"], whom: "rpc-websockets", ratio: 1,
}));
const rows = await compare("jsonrpc", contenders.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
