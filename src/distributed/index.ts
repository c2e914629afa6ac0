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
