/** Leadership by lease and fencing token, and a warm standby for who leads: `meridian-rpc/leadership`. */
import { nodeRuntime } from "../runtime/node/index.ts";
import {
  type ArbiterElectionOptions, arbiterElectionOn, type ArbiterOptions, type HostedArbiter, hostArbiterOn,
} from "./arbiter.ts";
import type { Election } from "./election.ts";
import { memoryElectionOn, type MemoryElectionOptions } from "./memory.ts";
import type { StandbyOptions } from "./settings.ts";
import { createStandbyOn, type Standby } from "./standby.ts";
import { type ToPrimary, toPrimaryOn, type ToPrimaryOptions } from "./to-primary.ts";

export {
  type ArbiterElectionOptions, arbiterElectionOn, type ArbiterOptions, Arbitration, type HostedArbiter, hostArbiterOn,
} from "./arbiter.ts";
export { type Candidate, type CandidateFields, electionLimits } from "./candidate.ts";
export {
  type Candidacy, type CandidacyListener, type Election, type ElectionOptions, electionOver, type Leader, type Term,
} from "./election.ts";
export type { Ballot, ElectionEngine, Seat } from "./engine.ts";
export { createFence, type Fence, requireToken } from "./fence.ts";
export { type Arbiter, createArbiter, memoryElectionOn, type MemoryElectionOptions } from "./memory.ts";
export type { BackupStatus } from "./primary.ts";
export type { StandbyState } from "./replica.ts";
export { Replication } from "./replication.ts";
export type { StandbyMode, StandbyOptions } from "./settings.ts";
export { type ChangeOptions, createStandbyOn, type Recovery, type Standby, type StandbyStatus } from "./standby.ts";
export { type ToPrimary, toPrimaryOn, type ToPrimaryOptions } from "./to-primary.ts";

/** Elections within this process, for tests and for one machine: candidates share `arbiter`. */
export function memoryElection(options: MemoryElectionOptions): Election {
  return memoryElectionOn(nodeRuntime, options);
}

/** Serves an arbiter: elections for the processes of one machine, where no engine is installed. */
export function hostArbiter(options: ArbiterOptions = {}): Promise<HostedArbiter> {
  return hostArbiterOn(nodeRuntime, options);
}

/** Elections held by an arbiter that another process serves ({@link hostArbiter}). */
export function arbiterElection(options: ArbiterElectionOptions): Election {
  return arbiterElectionOn(nodeRuntime, options);
}

/** Makes a member of a group that keeps its state warm in several processes, on Node's clock, chance and network. */
export function createStandby(options: StandbyOptions): Standby {
  return createStandbyOn(nodeRuntime, options);
}

/**
 * Sends a client's calls to the primary, and repeats them until their deadline while there is none.
 *
 * @example
 * const counter = createClient(Counter, { discovery, ...toPrimary() });
 */
export function toPrimary(options: ToPrimaryOptions = {}): ToPrimary {
  return toPrimaryOn(nodeRuntime, options);
}
