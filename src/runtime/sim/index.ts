/** The simulator: a Runtime whose time, chance and network are made up, and repeat themselves to the byte. */
export { withDistance } from "./distance.ts";
export type { Drain } from "./drain.ts";
export { createSeededRandom } from "./random.ts";
export {
  createSimulation, type ClockOptions, type HostOptions, type Simulation, type SimulationOptions,
} from "./simulation.ts";
export type { DirectionOptions, LinkOptions, Selector } from "./topology.ts";
