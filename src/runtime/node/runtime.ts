/** The Runtime of a Node process: real time, real chance, real sockets. */
import type { Runtime } from "../../core/runtime.ts";
import { createClock } from "./clock.ts";
import { createNetwork, type NodeNetworkOptions } from "./network.ts";
import { createRandom } from "./random.ts";
import { sealing } from "./sealing.ts";

/** Settings of a Node runtime; see {@link NodeNetworkOptions}. */
export type NodeRuntimeOptions = NodeNetworkOptions;

/** Creates a Runtime of its own. Most programs share {@link nodeRuntime}: one timer wheel drives all. */
export function createNodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  return { clock: createClock(), random: createRandom(), network: createNetwork(options), sealing };
}

/** The Runtime shared by everything in this process that is not given another. */
export const nodeRuntime: Runtime = createNodeRuntime();
