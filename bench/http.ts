// Connect and plain JSON over HTTP beside what Node users have: connect-node, fastify with undici, tRPC.
import { compare, type Contender } from "./harness/compare.ts";
import { type Goal, judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { printRows } from "./harness/rows.ts";

/** HTTP's version, and the codec of Connect: JSON is what a fetch would send. */
const forms = ["h1-json", "h1-proto", "h2-json", "h2-proto"];
const plain: Contender[] = [
  { name: "fastify + undici", system: "fastify" },
  { name: "tRPC", system: "trpc:http" },
  { name: "tRPC batch", system: "trpc:batch" },
];
const contenders: Contender[] = [
  ...forms.map((form) => ({ name: `meridian ${form}`, system: `meridian-connect:${form}` })),
  // The same server as any HTTP client finds it.
  { name: "undici → meridian", system: "meridian-connect:h1-json", client: "undici" },
  ...forms.map((form) => ({ name: `connect-node ${form}`, system: `connect:${form}` })),
  ...plain,
];

const cases = ["S@1", "S@64", "S@512", "M@1", "M@64", "M@512"];
const options = optionsOrExit({ cases, systems: contenders.map(({ name }) => name) });

const goals = cases.flatMap((name): Goal[] => [
  ...forms.map((form) => ({
    case: name, system: `meridian ${form}`, against: [`connect-node ${form}`], whom: `connect-node ${form}`, ratio: 1,
  })),
  // Like with like, a connection for each call under way; and JSON as our client sends it if nobody says otherwise.
  ...["meridian h1-json", "meridian h2-json"].flatMap((system) => plain.map((peer) => ({
    case: name, system, against: [peer.name], whom: peer.name, ratio: 1,
  }))),
]);

const rows = await compare("http", contenders.filter(({ name }) => options.systems.includes(name)), options);
printRows([...rows, ...judge(rows, goals)], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;
