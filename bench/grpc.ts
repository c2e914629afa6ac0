// gRPC beside @grpc/grpc-js and @connectrpc/connect-node: every client with every server, in the clear and over TLS.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

/** Files in bench/systems by the names that rows have. */
const sides = { meridian: "meridian-grpc", "grpc-js": "grpc-js", "connect-node": "connect:grpc" };

/** `client→server`. */
const pairs: Contender[] = Object.entries(sides).flatMap(([client, calls]) =>
  Object.entries(sides).map(([server, serves]) => ({ name: `${client}→${server}`, system: serves, client: calls })));

const clear = ["S@1", "S@64", "S@512", "M@64", "M@512", "S@receive", "S@send"];
/** A slow client makes so few calls that a server is still being compiled after one second of them. */
const warmUpMs = 5_000;

const given = optionsOrExit({
  cases: [...clear, "S@1+tls", "S@64+tls", "S@512+tls", "M@64+tls", "S@receive+tls"],
  systems: pairs.map(({ name }) => name),
});

const options = { ...given, timing: { ...given.timing, warmUpMs } };

const pair = { system: "meridian→meridian", against: ["grpc-js→grpc-js"], whom: "grpc-js with itself" };
const client = { ...pair, system: "meridian→grpc-js" };
const server = { ...pair, system: "grpc-js→meridian" };
const connect = { ...pair, against: ["connect-node→connect-node"], whom: "connect-node with itself" };
const goals = ["", "+tls"].flatMap((tls): Goal[] => [
  { ...pair, case: `S@64${tls}`, ratio: 12 },
  { ...pair, case: `S@512${tls}`, ratio: 20 },
  { ...pair, case: `S@64${tls}`, ratio: 0.1, figure: "p99Ms" },
  { ...client, case: `S@64${tls}`, ratio: 2 },
  { ...client, case: `S@512${tls}`, ratio: 2 },
  { ...server, case: `S@64${tls}`, ratio: 1 / 8, figure: "serverCpuSecondsPerMillion" },
  { ...server, case: `S@512${tls}`, ratio: 1 / 8, figure: "serverCpuSecondsPerMillion" },
  { ...pair, case: `S@receive${tls}`, ratio: 3 },
  { ...pair, case: `S@send${tls}`, ratio: 3 },
  { ...connect, case: `S@64${tls}`, ratio: 1 },
  { ...connect, case: `S@512${tls}`, ratio: 1 },
]);

const rows = await compare("grpc", pairs.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
