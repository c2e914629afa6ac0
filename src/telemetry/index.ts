/** Telemetry: metrics, histograms and log lines, made of what an Observer hears. */
export { type Endpoints, endpointMetrics } from "./endpoint-metrics.ts";
export type { ExpositionFormat } from "./exposition.ts";
export { createHistogram, type Exemplar, Histogram, type HistogramJson, type HistogramOptions } from "./histogram.ts";
export { logObserver, type LogOptions } from "./log-observer.ts";
export {
  type Counter, expositionType, type Family, type Gauge, type MetricKind, type Metrics, metrics, type MetricsOptions,
  openMetricsType,
} from "./metrics.ts";
export { metricsObserver } from "./metrics-observer.ts";
export { type StructuredLogger, structuredLog, type StructuredLogOptions } from "./structured-log.ts";
export { counted, processMetrics } from "./process-metrics.ts";
