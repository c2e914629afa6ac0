/** The metrics of this process: what every client, server and gateway counts into unless told otherwise. */
import { observeAll, type Observer } from "../core/observer.ts";
import { metricsObserver } from "./metrics-observer.ts";
import { type Metrics, metrics } from "./metrics.ts";

let shared: { readonly metrics: Metrics; readonly observer: Observer } | undefined;

function sharedMetrics(): { readonly metrics: Metrics; readonly observer: Observer } {
  if (shared === undefined) {
    const made = metrics();
    shared = { metrics: made, observer: metricsObserver(made) };
  }
  return shared;
}

/** The process's metrics; `processMetrics().exposition()` is the text that Prometheus scrapes. */
export function processMetrics(): Metrics {
  return sharedMetrics().metrics;
}

/** An observer that counts into the process's metrics and then tells `observer`; `metrics: false` leaves them out. */
export function counted(options: { readonly observer?: Observer | undefined; readonly metrics?: boolean | undefined }):
  Observer | undefined {
  return options.metrics === false ? options.observer : observeAll(sharedMetrics().observer, options.observer);
}
