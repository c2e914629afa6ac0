/** Health is what we conclude from silence and failures about endpoints, and about ourselves. */
export {
  type HeartbeatAction, type HeartbeatOptions, heartbeats, type Heartbeats, type HeartbeatState, type HeartbeatView,
} from "./heartbeat.ts";
export { type Detector, detector, type Evidence, type EvidenceKind, type Verdict } from "./detector.ts";
export {
  type LoadMark, type LoadMember, type LoadThresholds, loadWatch, type LoadWatch, type MarkChanged, type Threshold,
} from "./load-watch.ts";
export { loopGuard, type LoopGuard, type LoopGuardOptions } from "./loop-guard.ts";
export {
  type EjectionChanged, type FailureRateOptions, type LatencyOptions, outlierDetection, type OutlierDetector,
  type OutlierMember, type OutlierOptions,
} from "./outlier-detection.ts";
export {
  failureShareOutliers, type FailureShareOptions, successRateOutliers, type SuccessRateOptions, type Tally,
} from "./outlier-statistics.ts";
export { phiAccrual, type PhiAccrualOptions, type PhiEstimator, phiOf } from "./phi-accrual.ts";
export { fixedSuspicion, type Silence, type Suspicion } from "./suspicion.ts";
