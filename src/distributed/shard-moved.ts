/**
 * ShardMoved is what a server says that is asked for a shard it does not own: whose it is, by which epoch of the map.
 *
 * It travels in the error's metadata, so that no contract need declare it, with the whole map where that is short.
 */
import { expected, RpcError } from "../core/index.ts";
import { ownerOf, readShardMap, type ShardMap, writeShardMap } from "./shard-map.ts";

export interface ShardMoved {
  /** The contract whose shards they are: a server's own calls may meet shards of another, and fail by that. */
  readonly service: string;
  readonly shard: number;
  /** The epoch of the map by which `owner` is its owner. */
  readonly epoch: number;
  readonly owner: string;
  readonly map: ShardMap | undefined;
}

/** The epoch of the map by which a call was sent here, in its metadata. */
export const epochHeader = "meridian-shard-epoch";
const shardField = "meridian-shard";
const serviceField = "meridian-shard-of";
const ownerField = "meridian-shard-owner";
const mapField = "meridian-shard-map";
/** Longest map that travels with an error: metadata may have 16 KiB in all, and less through some proxies. */
const maxMapChars = 4_096;

/**
 * Makes the error. No handler has seen the call; whoever repeats it must do so elsewhere, so the push-back tells those
 * not to that would repeat it here.
 */
export function shardMovedError(service: string, map: ShardMap, shard: number, self: string): RpcError {
  const owner = ownerOf(map, shard);
  const text = writeShardMap(map);
  const why = owner === self
    ? `shard ${shard} is to come to ${self} and is not there yet`
    : `shard ${shard} is owned by ${owner} as of epoch ${map.epoch}, not by ${self}`;
  return expected("aborted", why, {
    neverStarted: true, retryAfterMs: -1, reason: "ShardMoved", metadata: {
      [serviceField]: service, [shardField]: String(shard), [epochHeader]: String(map.epoch),
      [ownerField]: encodeURIComponent(owner),
      ...(text.length <= maxMapChars ? { [mapField]: text } : undefined),
    },
  });
}

/** What the error says, if it is one of these; undefined for any other, and for one that makes no sense. */
export function shardMoved(error: unknown): ShardMoved | undefined {
  if (!RpcError.is(error) || error.metadata?.[shardField] === undefined) return undefined;
  const { metadata } = error;
  const { [serviceField]: service = "", [ownerField]: ownerText = "", [mapField]: mapText } = metadata;
  const { [shardField]: shardText, [epochHeader]: epochText } = metadata;
  const [shard, epoch] = [Number(shardText), Number(epochText)];
  if (!Number.isSafeInteger(shard) || !Number.isSafeInteger(epoch) || ownerText === "") return undefined;
  try {
    const map = mapText === undefined ? undefined : readShardMap(mapText);
    return { service, shard, epoch, owner: decodeURIComponent(ownerText), map };
  } catch {
    return undefined;
  }
}
