/**
 * A ShardAuthority keeps the one map that counts: a register that is changed by comparing epochs.
 *
 * Beyond one machine it belongs in an engine that people trust (a key of etcd or Consul under compare-and-set, a row of
 * a database): Meridian does no consensus of its own.
 */
import type { Client, Handlers } from "../contract/index.ts";
import { RpcError } from "../core/index.ts";
import type { ShardMaps } from "./shard-contract.ts";
import { readShardMap, type ShardMap, writeShardMap } from "./shard-map.ts";

export interface ShardAuthority {
  read(): Promise<ShardMap>;
  /**
   * Puts `next`, whose epoch is one more than `epoch`, in place of the map of `epoch`; changes nothing if another is in
   * force. Answers whether it did, and with the map then in force. If it rejects, nobody knows whether it did.
   */
  replace(epoch: number, next: ShardMap): Promise<{ readonly replaced: boolean; readonly map: ShardMap }>;
}

/** Keeps the map in this process; `write` may write each new one down before it is in force. */
export function memoryAuthority(
  initial: ShardMap, write: (map: ShardMap) => Promise<void> | void = () => undefined,
): ShardAuthority {
  let map = initial;
  let last: Promise<unknown> = Promise.resolve();
  return {
    read: () => Promise.resolve(map),
    replace: (epoch, newer) => {
      const turn = last.then(async () => {
        if (map.epoch !== epoch) return { replaced: false, map };
        if (newer.epoch !== epoch + 1) {
          throw new RpcError("invalid_argument", `epoch ${newer.epoch} does not follow epoch ${epoch}`);
        }
        await write(newer);
        map = newer;
        return { replaced: true, map };
      });
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** Serves an authority: `server.implement(ShardMaps, authorityHandlers(authority))`. */
export function authorityHandlers(authority: ShardAuthority): Handlers<typeof ShardMaps> {
  return {
    read: async () => ({ map: writeShardMap(await authority.read()) }),
    replace: async ({ epoch, map }) => {
      const result = await authority.replace(Number(epoch), readShardMap(map));
      return { replaced: result.replaced, map: writeShardMap(result.map) };
    },
  };
}

/** An authority that is served elsewhere. */
export function remoteAuthority(client: Client<typeof ShardMaps>): ShardAuthority {
  return {
    read: async () => readShardMap((await client.read({})).map),
    replace: async (epoch, next) => {
      const { replaced, map } = await client.replace({ epoch: BigInt(epoch), map: writeShardMap(next) });
      return { replaced, map: readShardMap(map) };
    },
  };
}
