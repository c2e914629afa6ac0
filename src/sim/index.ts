/** Worlds: the production client and server under virtual time, over a modelled wire, with servers as queues. */
export {
  antagonist, type AntagonistOptions, fluctuation, type FluctuationOptions, stalls, type StallOptions,
} from "./antagonists.ts";
export { type SimulatedClientOptions, simulatedClient } from "./client.ts";
export { type SimulatedDiscovery, type SimulatedDiscoveryOptions, simulatedDiscovery } from "./discovery.ts";
export {
  constant, type Distribution, exponential, googleBytes, googleRpcs, lognormal, mixture, normalOf, pareto, scaled,
  truncatedNormal, uniform,
} from "./distributions.ts";
export { type FigureBucket, type FigureOptions, Figures, type FigureSummary } from "./figures.ts";
export type { Traffic } from "./messages.ts";
export {
  type HandlerPlace, type ModelledHandler, type ServerFigures, type SimulatedServer, type SimulatedServerOptions,
  simulatedServer,
} from "./server.ts";
export { Station, type StationFigures, type StationOptions } from "./station.ts";
export { modelledWire, type WireOptions } from "./wire.ts";
export { bursts, diurnal, openLoop, type OpenLoopOptions, type Rate, steps, type Workload } from "./workload.ts";
export { createWorld, type Progress, type SimulatedWorld, type WorldOptions } from "./world.ts";
