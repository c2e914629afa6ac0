/** Overload is how a server says no in time: limits, lines, levels, and prices between tiers. */
export { admission, type AdmissionLayer, type AdmissionState } from "./admission.ts";
export { admissionLevel, type AdmissionLevel, type Happened } from "./admission-level.ts";
export type { AdmissionOptions } from "./admission-options.ts";
export { aimdLimit, type AimdOptions } from "./aimd-limit.ts";
export { backPressure, type BackPressure, type BackPressureOptions } from "./back-pressure.ts";
export { gradientLimit, type GradientOptions } from "./gradient-limit.ts";
export { kneeLimit, type KneeOptions } from "./knee-limit.ts";
export { type ConcurrencyLimit, fixedLimit, type LimitBounds, type LimitSample } from "./limit.ts";
export {
  allLevels, criticalityAt, criticalityName, criticalityOf, inherited, type LevelOptions, levels, rankOf, userLevel,
  userLevels, userName,
} from "./priority.ts";
export { type MethodTimes, serviceTimes, type ServiceTimes } from "./service-times.ts";
export { admissionName, levelText, readLevel, shed, type ShedFields } from "./shed.ts";
export { vegasLimit, type VegasOptions } from "./vegas-limit.ts";
export { type LineOptions, type Row, type Waiter, type WaitingLine, waitingLine } from "./waiting-line.ts";
