// What a proxy costs: calls through nginx, HAProxy and our gateway, beside the same calls without.
import { isInstalled, type Program } from "./gateways/program.ts";
import { compare, type Contender } from "./harness/compare.ts";
import { judge } from "./harness/goals.ts";
import { optionsOrExit } from "./harness/options.ts";
import { proxyNamed } from "./harness/proxies.ts";
import { printRows, rounded, type Row } from "./harness/rows.ts";

interface Way extends Contender {
  readonly needs?: Program;
}

const ways: Way[] = [
  { name: "grpc-js", system: "grpc-js" },
  { name: "nginx > grpc-js", system: "grpc-js", needs: "nginx", proxy: proxyNamed("nginx") },
  { name: "haproxy > grpc-js", system: "grpc-js", needs: "haproxy", proxy: proxyNamed("haproxy") },
  { name: "meridian", system: "meridian" },
  { name: "haproxy > meridian", system: "meridian", needs: "haproxy", proxy: proxyNamed("haproxy") },
  { name: "gateway > meridian", system: "meridian", proxy: proxyNamed("meridian") },
  // The same client and server for all, both fast: what is measured is what stands between them.
  { name: "grpc", system: "meridian-grpc" },
  { name: "nginx > grpc", system: "meridian-grpc", needs: "nginx", proxy: proxyNamed("nginx") },
  { name: "haproxy > grpc", system: "meridian-grpc", needs: "haproxy", proxy: proxyNamed("haproxy") },
  { name: "haproxy h2 > grpc", system: "meridian-grpc", needs: "haproxy", proxy: proxyNamed("haproxy-http") },
  { name: "gateway > grpc", system: "meridian-grpc", proxy: proxyNamed("meridian-grpc") },
];

const cases = ["S@64", "S@512", "M@64", "S@rate:2000"];
const options = optionsOrExit({ cases, systems: ways.map((way) => way.name) });
const chosen = ways.filter(({ name, needs }) => {
  if (!options.systems.includes(name)) return false;
  const installed = needs === undefined || isInstalled(needs);
  if (!installed) process.stderr.write(`gateway: left out ${name}: ${needs} is not installed\n`);
  return installed;
});

const rows = (await compare("gateway", chosen, options)).map(withAdded);
const ends = { system: "gateway > grpc", figure: "proxyCpuSecondsPerMillion", ratio: 1 } as const;
const nginx = { ...ends, against: ["nginx > grpc"], whom: "nginx, calls of the same gRPC" };
const goals = judge(rows, [{ ...nginx, case: "S@64" }, { ...nginx, case: "S@512" }, { ...nginx, case: "M@64" }]);
printRows([...rows, ...goals], options.json);
if (rows.some((row) => row.value === null)) process.exitCode = 1;

/** Adds what the proxy adds: latency over the same calls without it, which only an equal rate compares. */
function withAdded(row: Row, _index: number, all: readonly Row[]): Row {
  const way = ways.find(({ name }) => name === row.system);
  const direct = all.find((other) => other.case === row.case && other.system === way?.system);
  if (!row.case.includes("rate") || way?.proxy === undefined) return row;
  const added = (figure: "p50Ms" | "p99Ms") => {
    const [ours, theirs] = [row[figure], direct?.[figure]];
    return ours === undefined || theirs === undefined ? undefined : rounded(ours - theirs);
  };
  return { ...row, addedP50Ms: added("p50Ms"), addedP99Ms: added("p99Ms") };
}
