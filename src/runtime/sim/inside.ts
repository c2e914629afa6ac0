/**
 * What lies behind a simulation and its runtimes, for what carries calls between simulated hosts by other means than
 * bytes (`meridian-rpc/sim`): the agenda, the topology, the programs. Not for users.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { Program, World } from "./world.ts";

/** By simulation, and by the runtime of each program. */
export const worlds = new WeakMap<object, World>();
export const programs = new WeakMap<Runtime, Program>();

export function worldOf(simulation: object): World {
  const world = worlds.get(simulation);
  if (world !== undefined) return world;
  throw new RpcError("invalid_argument", "this is no simulation: make one by createSimulation");
}

export function programOf(runtime: Runtime): Program {
  const program = programs.get(runtime);
  if (program !== undefined) return program;
  throw new RpcError("invalid_argument", "this runtime is not simulated: take it from `host` of a simulation");
}
