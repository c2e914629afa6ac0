/** A live map gives shards to the servers that are fit now: for work that any of them can do, as none holds state. */
import type { AnyContract } from "../contract/index.ts";
import { type EndpointAddress, numberOption } from "../core/index.ts";
import { planMoves, type ShardMap, shardMap, withOwner } from "./shard-map.ts";
import { defaultOwner } from "./shard-router.ts";
import type { Governed } from "./target.ts";

export interface LiveMapOptions {
  /** Virtual shards. Default 256. */
  readonly shards?: number | undefined;
  readonly ownerOf?: ((endpoint: EndpointAddress) => string) | undefined;
}

/**
 * Reads the map off a client's endpoints: whoever is not fit loses its shards, and as few as possible move. While
 * nobody is fit the last map stays. Each client has its own map: use it only where no server refuses a shard.
 */
export function liveShardMap<S extends AnyContract>(
  client: Governed<S>, options: LiveMapOptions = {},
): () => Promise<ShardMap> {
  const { shards = 256, ownerOf = defaultOwner } = options;
  numberOption("shards", shards, { least: 1, whole: true, unit: "virtual shards" });
  const { clock } = client.$.runtime;
  let map: ShardMap | undefined;
  return async () => {
    for (let waitMs = 1; ; waitMs = Math.min(50, waitMs * 2)) {
      const fit = client.$.endpoints().filter(({ status }) => status === "ready" || status === "busy");
      const owners = [...new Set(fit.map(({ address }) => ownerOf(address)))];
      if (owners.length > 0) {
        const before = map ?? shardMap(owners, shards);
        return map = planMoves(before, owners).reduce((next, { shard, to }) => withOwner(next, shard, to), before);
      }
      if (map !== undefined) return map;
      // Connections are being made, or discovery has not spoken: callers wait no longer than their deadlines.
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
    }
  };
}
