// What a leaf of a gather costs beside the call that it makes: targets answer at once, so that only we are measured.
import { parseArgs } from "node:util";
import * as z from "zod";
import { rpc, service } from "../src/index.ts";
import { all, first, fixedTargets, quorum } from "../src/distributed/index.ts";
import { nodeRuntime } from "../src/runtime/node/index.ts";

const { values } = parseArgs({ options: { json: { type: "boolean", default: false }, quick: { type: "boolean" } } });
const rounds = values.quick === true ? 200 : 4_000;

const Echo = service("bench.v1.Echo", {
  echo: rpc({ input: z.object({ n: z.int32() }), output: z.object({ n: z.int32() }), idempotent: true }),
});
const answer = { n: 1 };
const methods = { echo: () => Promise.resolve(answer) };

/** Nanoseconds for each of so many leaves: the least of several runs, which the machine disturbed least. */
async function perLeaf(leaves: number, gather: (input: { n: number }) => Promise<unknown>): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < 7; run++) {
    const count = Math.max(20, Math.round(rounds / leaves));
    const startedNs = process.hrtime.bigint();
    for (let i = 0; i < count; i++) await gather(answer);
    best = Math.min(best, Number(process.hrtime.bigint() - startedNs) / (count * leaves));
  }
  return Math.round(best);
}

for (const leaves of [3, 30, 300]) {
  const places = Object.fromEntries(Array.from({ length: leaves }, (_, i) => [`t${i}`, methods]));
  const targets = fixedTargets(nodeRuntime, Echo, places);
  const cases = {
    "bare calls, Promise.all": () => Promise.all(targets.list().map(({ call }) => call.echo(answer))),
    all: all(targets, "echo"),
    first: first(targets, 2, "echo"),
    "quorum by value": quorum(targets, "echo", { r: Math.floor(leaves / 2) + 1, agree: "value" }),
  };
  for (const [name, gather] of Object.entries(cases)) {
    const value = await perLeaf(leaves, gather);
    const row = { bench: "gather", case: `${name}, ${leaves} leaves`, system: "meridian", value, unit: "ns/leaf" };
    process.stdout.write(values.json ? `${JSON.stringify(row)}\n` : `${row.case.padEnd(40)} ${value} ns/leaf\n`);
  }
}
