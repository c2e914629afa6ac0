// Three regions hold all keys, each in shards of its own. Shards move and a server dies while writers go on.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type CacheStore, responseCache, spreadCacheStore } from "../../src/cache/index.ts";
import { createClient, createServer } from "../../src/index.ts";
import {
  authorityHandlers, fixedTargets, hybridClock, majority, memoryAuthority, quorum, reshard, shardedClient, ShardHosts,
  shardMap, ShardMaps, shardPeers,
} from "../../src/distributed/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { Cache, Reader, Store } from "./contract.ts";

const regions = ["ap-south", "eu-west", "us-east"];
const [writers, writesEach, shards] = [6, 150, 64];
const children = new Map<string, ChildProcess>();

/** Starts two servers that share the shards of a region, and where it is to grow a third that has none yet. */
async function startRegion(region: string) {
  const owners = [`${region}-1`, `${region}-2`];
  const spare = region === "ap-south" ? [] : [`${region}-3`];
  const authority = memoryAuthority(shardMap(owners, shards));
  const keeper = createServer().implement(ShardMaps, authorityHandlers(authority));
  const authorityAddress = await keeper.listen();
  const servers = await Promise.all([...owners, ...spare].map(async (id) => {
    const child = fork(fileURLToPath(new URL("node.ts", import.meta.url)), [region, id, authorityAddress]);
    children.set(id, child);
    const [address] = await once(child, "message") as [string];
    return { id, address, region, attributes: { owner: id } };
  }));
  await Promise.all(servers.map(({ id }) => {
    const claimed = once(children.get(id) as ChildProcess, "message");
    children.get(id)?.send(servers);
    return claimed;
  }));
  const plain = createClient(Store, { address: servers });
  const hosts = createClient(ShardHosts, { address: servers });
  const store = shardedClient(plain, { map: () => authority.read() });
  const grow = () => reshard(nodeRuntime, servers.map(({ id }) => id), { authority, peer: shardPeers(hosts) });
  const close = async () => {
    plain.$.close(0);
    hosts.$.close(0);
    await keeper.close(0);
  };
  return { region, servers, store, grow, close };
}

const started = await Promise.all(regions.map(startRegion));
const region = (name: string) => started.find((one) => one.region === name) as (typeof started)[number];
const replicas = fixedTargets(nodeRuntime, Store, Object.fromEntries(started.map((one) => [one.region, one.store])));
const w = majority(regions.length);
// A write goes on to the third region when two have it.
const put = quorum(replicas, "put", { r: w, of: regions.length, linger: true, timeoutMs: 5_000 });
const get = quorum(replicas, "get", {
  r: w, of: regions.length, timeoutMs: 10_000, version: ({ stamp }) => stamp,
  repair: (stale, { text, stamp }, { key }) => stale.call.put({ key, text, stamp }),
});

const clock = hybridClock(nodeRuntime, { node: "start" });
/** The stamp of each key's last acknowledged write. */
const acknowledged = new Map<string, string>();
const issued = new Map<string, number>();
const progress = { done: 0, acknowledged: 0 };

async function write(writer: number): Promise<void> {
  for (let n = 0; n < writesEach; n++) {
    const key = `account-${writer}-${n % 10}`;
    const text = `balance ${n}`;
    issued.set(key, (issued.get(key) ?? 0) + 1);
    const stamp = clock.now();
    // A write whose outcome nobody learnt is made again under its idempotency key: it is known where it was done.
    for (let tries = 0; tries < 20; tries++) {
      try {
        await put({ key, text, stamp }, { idempotencyKey: `${writer} ${n}` });
        acknowledged.set(key, stamp);
        progress.acknowledged++;
        break;
      } catch {
        await sleep(50);
      }
    }
    progress.done++;
    await sleep(2);
  }
}

async function after(writes: number): Promise<void> {
  while (progress.done < writes) await sleep(1);
}

const summary = `${w} of ${regions.length} write, ${w} read`;
console.log(`${regions.length} regions of 2 servers, ${shards} shards each; ${summary}`);
const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
await after(200);
console.log(`eu-west grows to 3 servers under load: ${(await region("eu-west").grow()).moves} shards move`);
await after(500);
children.get("ap-south-1")?.kill("SIGKILL");
console.log("ap-south-1 is killed");
await after(600);
console.log(`us-east grows to 3 servers under load: ${(await region("us-east").grow()).moves} shards move`);
await writing;
console.log(`writes: ${progress.done}, acknowledged: ${progress.acknowledged}`);

let [lost, doubled] = [0, 0];
const texts = new Map<string, string>();
await Promise.all(Array.from(acknowledged, async ([key, stamp]) => {
  const { value, answers, repaired } = await get({ key }, { timeoutMs: 5_000 });
  texts.set(key, value.text);
  if (value.stamp < stamp) lost++;
  // Repairs come later: until the first read of a key, a replica has carried out nothing but its writes.
  for (const answer of answers) if (answer.value.executed > (issued.get(key) ?? 0)) doubled++;
  await repaired;
}));
console.log(`keys read by quorum: ${acknowledged.size}, lost: ${lost}, doubled: ${doubled}`);

// What has been read is kept in the servers of eu-west, each of which has its share of the keys.
const stores = region("eu-west").servers.map(({ id, address }): CacheStore & Disposable => {
  const cache = createClient(Cache, { address });
  return {
    name: id, isShared: true,
    get: async (keys) => (await cache.look({ keys: [...keys] })).texts.map((text) => text ?? undefined),
    set: async (key, text, ttlMs) => void await cache.keep({ key, text, ttlMs }),
    delete: async (key) => void await cache.drop({ key }),
    [Symbol.dispose]: () => cache.$.close(0),
  };
});
let quorums = 0;
const front = createServer({ region: "eu-west" }).implement(Reader, {
  read: async ({ key }) => {
    quorums++;
    return { text: (await get({ key })).value.text };
  },
});
const address = await front.listen();
const reader = createClient(Reader, {
  address, cache: responseCache({ ttlMs: 60_000, store: spreadCacheStore(stores), storeTimeoutMs: 5_000 }),
});
let wrong = 0;
for (let round = 0; round < 5; round++) {
  for (const [key, text] of texts) if ((await reader.read({ key })).text !== text) wrong++;
}
const reads = 5 * acknowledged.size;
console.log(`reads through the cache: ${reads}, answered by it: ${reads - quorums}, wrong: ${wrong}`);

reader.$.close(0);
for (const store of stores) store[Symbol.dispose]();
await front.close(0);
for (const child of children.values()) if (child.connected) child.disconnect();
await Promise.all(started.map(({ close }) => close()));
