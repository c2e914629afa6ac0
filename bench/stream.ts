// How many messages a second one stream carries, from the server (`receive`) and to it (`send`).
import { compare } from "./harness/compare.ts";
import { direct } from "./contenders.ts";
import { judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

const options = optionsOrExit({
  cases: ["S@receive", "S@send"],
  systems: ["meridian", "grpc-js"],
});

const rows = await compare("stream", direct(options.systems), options);
const grpc = { against: ["grpc-js"], whom: "grpc-js" };
const goals = judge(rows, [{ case: "S@receive", ...grpc, ratio: 4 }, { case: "S@send", ...grpc, ratio: 4 }]);
printRows([...rows, ...goals], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
