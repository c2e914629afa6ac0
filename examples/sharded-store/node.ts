// One server of a region as a process. Started by start.ts, which tells it who its peers are, and ends with it.
import { createClient, createServer } from "../../src/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { remoteAuthority, shardHost, ShardHosts, ShardMaps, shardPeers } from "../../src/distributed/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { Cache, Store } from "./contract.ts";

const [region = "", id = "", authority = ""] = process.argv.slice(2);
process.once("disconnect", () => process.exit());

const discovery = memoryDiscovery();
const host = shardHost(nodeRuntime, Store, {
  id, authority: remoteAuthority(createClient(ShardMaps, { address: authority })),
  peer: shardPeers(createClient(ShardHosts, { discovery })),
});

interface Kept { readonly text: string; readonly stamp: string; readonly executed: number }
const nothing: Kept = { text: "", stamp: "", executed: 0 };

const store = host.handlers({
  put: ({ key, text, stamp }, state) => {
    const before = JSON.parse(state.get(key) ?? JSON.stringify(nothing)) as Kept;
    // The last writer wins, in whichever order writes arrive.
    const last = stamp > before.stamp ? { text, stamp } : before;
    state.set(key, JSON.stringify({ ...last, executed: before.executed + 1 }));
    return {};
  },
  get: ({ key }, state) => JSON.parse(state.get(key) ?? JSON.stringify(nothing)) as Kept,
});

const cached = new Map<string, { readonly text: string; readonly untilMs: number }>();
const maxCached = 1_000;

const server = createServer({ region, attributes: { owner: id } });
server.implement(Store, store).implement(ShardHosts, host.service).implement(Cache, {
  look: ({ keys }) => ({ texts: keys.map((key) => {
    const kept = cached.get(key);
    return kept !== undefined && kept.untilMs > Date.now() ? kept.text : null;
  }) }),
  keep: ({ key, text, ttlMs }) => {
    cached.delete(key);
    if (cached.size >= maxCached) cached.delete(cached.keys().next().value ?? "");
    cached.set(key, { text, untilMs: Date.now() + ttlMs });
    return {};
  },
  drop: ({ key }) => {
    cached.delete(key);
    return {};
  },
});

process.on("message", (peers: { id: string; address: string; attributes: Record<string, string> }[]) => {
  discovery.set(ShardHosts.name, peers);
  void host.start().then(() => process.send?.("claimed"));
});
process.send?.(await server.listen());
