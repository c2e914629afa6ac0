/** Resharding moves shards until the map is balanced over the owners that are wanted, a few at a time, under load. */
import type { ClientOf } from "../client/create-client.ts";
import type { Client } from "../contract/index.ts";
import { expected, numberOption, type Observer, RpcError, type Runtime } from "../core/index.ts";
import type { ShardAuthority } from "./shard-authority.ts";
import type { ShardHosts } from "./shard-contract.ts";
import { planMoves, readShardMap, type ShardMap, type ShardOwners } from "./shard-map.ts";
import { pauseMs } from "./shard-move.ts";
import { ShardRouter } from "./shard-router.ts";

/** The servers that hold shards, by their names in the map, out of a client of {@link ShardHosts}. */
export function shardPeers(client: ClientOf<typeof ShardHosts>): (owner: string) => Client<typeof ShardHosts> {
  const router = new ShardRouter<typeof ShardHosts>(client, { map: { epoch: 1, owners: [], shards: [] } });
  return (owner) => router.at(owner);
}

export interface ReshardOptions {
  readonly authority: ShardAuthority;
  readonly peer: (owner: string) => Client<typeof ShardHosts>;
  /** Shards that move at once. Default 4. */
  readonly concurrency?: number | undefined;
  /** How long it may take in all, in milliseconds. Default 600,000. */
  readonly timeoutMs?: number | undefined;
  /** Hears `shard.move.failed`, and `reshard.done` with how many moved. */
  readonly observer?: Observer | undefined;
}

export interface Resharded {
  readonly map: ShardMap;
  readonly moves: number;
  /** Moves that were given up and made again. */
  readonly repeated: number;
}

/**
 * Moves as few shards as balance over `owners` takes. Whoever runs it may die: run again, it goes on from the map.
 * A move that fails is planned again; it rejects when time is up, with what it last stumbled over.
 */
export async function reshard(runtime: Runtime, owners: ShardOwners, options: ReshardOptions): Promise<Resharded> {
  const { authority, peer, observer } = options;
  const concurrency = numberOption("concurrency", options.concurrency ?? 4,
    { least: 1, most: 1_000, whole: true, unit: "moves" });
  const timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 600_000, { least: 1, unit: "milliseconds" });
  const deadline = runtime.clock.now() + timeoutMs;
  let [moves, repeated] = [0, 0];
  let last: RpcError | undefined;
  for (let attempt = 0; runtime.clock.now() < deadline;) {
    let failed = 0;
    try {
      const map = await authority.read();
      const plan = planMoves(map, owners);
      if (plan.length === 0) {
        observer?.event?.("reshard.done", { epoch: map.epoch, moves, repeated });
        return { map, moves, repeated };
      }
      const queue = plan.values();
      await Promise.all(Array.from({ length: concurrency }, async () => {
        for (const { shard, from, to } of queue) {
          try {
            readShardMap((await peer(from).move({ shard, to }, { deadline })).map);
            moves++;
          } catch (error) {
            failed++;
            last = RpcError.from(error);
            observer?.event?.("shard.move.failed", { shard, from, to, why: last.message });
          }
        }
      }));
    } catch (error) {
      failed++;
      last = RpcError.from(error);
    }
    repeated += failed;
    attempt = failed === 0 ? 0 : attempt + 1;
    if (failed > 0) await new Promise<void>((resolve) => void runtime.clock.after(pauseMs(attempt, runtime), resolve));
  }
  throw expected("deadline_exceeded", `the shards are not balanced after ${timeoutMs} ms` +
    (last === undefined ? "" : `: ${last.message}`), { cause: last });
}
