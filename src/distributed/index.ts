/** Calls over many servers: gathered from replicas, split over shards that may move, read with session tokens. */
export {
  type Found, type Gathering, type GatherCallOptions, gathering, type GatherOptions, type Rule, type UnaryName,
} from "./gather.ts";
export {
  all, type AllOptions, any, bestEffort, type BestEffortOptions, broadcast, first, selective,
} from "./gathers.ts";
export type { HedgeOptions } from "./hedging.ts";
export { type Answer, type Failure, type Gathered, type GatherFailed, isGatherError } from "./outcome.ts";
export { majority, quorum, type QuorumAnswer, type QuorumOptions, type Repair, type Version } from "./quorum.ts";
export {
  eachEndpoint, eachRegion, eachShard, fixedTargets, type Governed, type Place, replicas, type ReplicaOptions,
  type ShardTargetOptions, type Target, type Targets,
} from "./target.ts";
export {
  ownerOf, planMoves, readShardMap, type ShardMap, shardMap, type ShardMove, shardOf, type ShardOwners, withOwner,
  writeShardMap,
} from "./shard-map.ts";
export { reshard, type Resharded, type ReshardOptions, shardPeers } from "./reshard.ts";
export { authorityHandlers, memoryAuthority, remoteAuthority, type ShardAuthority } from "./shard-authority.ts";
export { ShardHosts, ShardMaps } from "./shard-contract.ts";
export {
  type ShardHandler, type ShardHandlers, type ShardHost, shardHost, type ShardHostOptions,
} from "./shard-host.ts";
export type { MoveSettings } from "./shard-move.ts";
export { type ShardMoved, shardMoved } from "./shard-moved.ts";
export type { RouterOptions } from "./shard-router.ts";
export type { Change, ShardLog } from "./shard-slot.ts";
export type { ShardState } from "./shard-state.ts";
export { type ShardedClient, shardedClient, type ShardedControl, type ShardedOptions } from "./sharded-client.ts";
export { type HybridClock, hybridClock, type HybridClockOptions } from "./hybrid-clock.ts";
export { type LiveMapOptions, liveShardMap } from "./live-map.ts";
export { mergeOrdered, mergeUnordered } from "./merge.ts";
export { type ReplicaVersions, replicaVersions, type ReplicaVersionsOptions } from "./replica-versions.ts";
export { session, type SessionOf, type SessionOptions } from "./session.ts";
export {
  type Part, type Split, split, type SplitOptions, splitStream, type SplitStreamOptions, type StreamName,
} from "./split.ts";
export { covers, joined, readVector, type VersionVector, writeVector } from "./version-vector.ts";
