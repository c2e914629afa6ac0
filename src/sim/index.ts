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

// Checkers read what a run left behind.
export { checkEffects } from "./check-effects.ts";
export {
  checkLinearizable, counterModel, type LinearizableOptions, type Operation, registerModel, type SequentialModel,
} from "./check-linearizable.ts";
export { checkSessions, type SessionOperation } from "./check-sessions.ts";
export {
  checkLargestShare, checkRamp, type LargestShareOptions, type RampOptions, type ServedRecord, type ShareSample,
} from "./check-shares.ts";
export {
  type AmplificationOptions, type AttemptRecord, checkAmplification, checkDeadlines, checkRecovery, checkWastedWork,
  isGood, type RecoveryOptions, type WorkRecord,
} from "./check-traffic.ts";
export {
  broken, type CallOutcome, type CallRecord, type Complaints, complaints, type EffectRecord, type Verdict,
} from "./checkers.ts";
// Swarms run scenarios over many seeds, rehearsals one that a file describes.
export { type FaultyRuntime, faultyRuntime } from "./faulty-runtime.ts";
export { parseRehearsal, readRehearsal, type RehearsalPlan } from "./rehearsal-file.ts";
export type { RehearsalRecord } from "./rehearsal-record.ts";
export {
  type GoalResult, judgeGoals, rehearsalCharts, type RehearsalRow, rehearsalRows,
} from "./rehearsal-report.ts";
export { runRehearsal, type RehearsalRunOptions } from "./rehearsal-run.ts";
export {
  play, type Regression, replayRegression, runSeed, shrink, type ShrinkOptions, type SwarmResult, type SwarmRun,
  type SwarmScenario,
} from "./swarm.ts";
// Charts of what was seen.
export {
  type Chart, type ChartAxis, type ChartMarker, chartPng, type ChartPoint, type ChartSeries, chartSvg, type PngOptions,
} from "./plot.ts";
