// Three nodes count the words of a book; their sorted streams are merged as they come. One node is killed midway.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "../../src/index.ts";
import { liveShardMap, shardedClient, splitStream } from "../../src/distributed/index.ts";
import { chapters, countWords, Words } from "./contract.ts";

const nodes = await Promise.all(["a", "b", "c"].map(async (id) => {
  const child = fork(fileURLToPath(new URL("node.ts", import.meta.url)));
  const [address] = await once(child, "message") as [string];
  return { id, address, child };
}));
const client = createClient(Words, { address: nodes.map(({ id, address }) => ({ id, address })) });

// Any node can count any chapter: a chapter's shard is that of a node that is fit.
const map = liveShardMap(client, { shards: 64 });
while (client.$.endpoints().some(({ status }) => status !== "ready")) await sleep(10);
let resumed = 0;
const count = splitStream(shardedClient(client, { map }), "count", {
  keys: (book: readonly string[]) => book,
  part: (_, some, last) => {
    if (last !== undefined) resumed++;
    return { chapters: [...some], after: last?.word ?? "" };
  },
  compare: (a, b) => (a.word < b.word ? -1 : a.word > b.word ? 1 : 0),
  resumes: true,
});

/** Sums up what the nodes say of each word; equal words come one after the other. */
async function total(midway?: () => void): Promise<Map<string, number>> {
  const totals = new Map<string, number>();
  for await (const { word, count: many } of count(chapters, { timeoutMs: 60_000 })) {
    totals.set(word, (totals.get(word) ?? 0) + many);
    if (totals.size === 300) midway?.();
  }
  return totals;
}

function describe(totals: ReadonlyMap<string, number>): string {
  const words = [...totals.values()].reduce((sum, many) => sum + many, 0);
  return `${words} words, ${totals.size} distinct`;
}

const expected = countWords(chapters);
console.log(`counted here:                  ${describe(expected)}`);
console.log(`counted by 3 nodes:            ${describe(await total())}`);
const [, , victim] = nodes;
victim?.child.send("get stuck midway");
const totals = await total(() => victim?.child.kill("SIGKILL"));
console.log(`with one killed midway:        ${describe(totals)}`);
console.log(`its parts went on elsewhere:   ${resumed > 0 ? "yes" : "no"}`);
const differing = [...expected].filter(([word, many]) => totals.get(word) !== many).length;
console.log(`words whose count differs:     ${differing}`);

client.$.close(0);
for (const { child } of nodes) if (child.connected) child.disconnect();
