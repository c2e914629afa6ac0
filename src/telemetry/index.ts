/** Telemetry: metrics, histograms and log lines, made of what an Observer hears. */
export { createHistogram, Histogram, type HistogramJson, type HistogramOptions } from "./histogram.ts";
export { logObserver, type LogOptions } from "./log-observer.ts";
export {
  type Counter, expositionType, type Family, type Gauge, type MetricKind, type Metrics, metrics, type MetricsOptions,
} from "./metrics.ts";
export { metricsObserver } from "./metrics-observer.ts";
export { counted, processMetrics } from "./process-metrics.ts";
