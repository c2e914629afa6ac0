/**
 * Metrics are figures by name and labels, kept in objects that whoever counts holds in his hand: counting is
 * an addition, and nothing is looked up until somebody reads them.
 */
import { RpcError } from "../core/error.ts";
import { exposition, type ExpositionFormat } from "./exposition.ts";
import { createHistogram, type Histogram } from "./histogram.ts";

export interface MetricsOptions {
  /** Most label combinations of one metric; what comes later counts under labels that say `_OTHER`. Default 20,000. */
  readonly maxSeries?: number;
}

export type MetricKind = "counter" | "gauge" | "histogram";

/** A figure that only grows. */
export interface Counter {
  value: number;
}

/** A figure that goes up and down. */
export interface Gauge {
  value: number;
}

/** One metric under all its labels. */
export interface Family<Series = unknown> {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  /** The series of these label values, in the order of `labels`; made on first use. Bind once, then count. */
  bind(...values: readonly string[]): Series;
  /** Takes the series of these label values out: what it counted is not told any more. */
  forget(...values: readonly string[]): void;
  /** Every series that was bound, with its label values. */
  readonly series: readonly { readonly values: readonly string[]; readonly series: Series }[];
}

export interface Metrics {
  /** Each returns the metric of that name, which is made on first use and must be declared the same every time. */
  counter(name: string, help: string, labels?: readonly string[]): Family<Counter>;
  gauge(name: string, help: string, labels?: readonly string[]): Family<Gauge>;
  /** Of durations: recorded in milliseconds, exposed in seconds. */
  histogram(name: string, help: string, labels?: readonly string[]): Family<Histogram>;
  /** Calls `refresh` before every exposition, for gauges that are read rather than kept. Returns how to stop that. */
  onExposition(refresh: () => void): () => void;
  /** Everything as text of the Prometheus exposition format, or of OpenMetrics; see {@link expositionType}. */
  exposition(format?: ExpositionFormat): string;
  readonly families: readonly Family[];
}

/** The content type of `exposition`. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** The same of OpenMetrics. */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The label value under which everything beyond a limit counts (as OpenTelemetry names it). */
export const other = "_OTHER";

const maxFamilies = 1000;
const maxLabelLength = 256;

/** An empty set of metrics. */
export function metrics(options: MetricsOptions = {}): Metrics {
  const maxSeries = options.maxSeries ?? 20_000;
  const families = new Map<string, Family>();
  const refreshers = new Set<() => void>();

  const declare = <Series>(
    kind: MetricKind, name: string, help: string, labels: readonly string[], create: () => Series,
  ): Family<Series> => {
    const known = families.get(name);
    if (known !== undefined) {
      if (known.kind === kind && known.labels.join() === labels.join()) return known as Family<Series>;
      throw new RpcError("invalid_argument",
        `metric ${name} is a ${known.kind} by [${known.labels.join(", ")}], not a ${kind} by [${labels.join(", ")}]`);
    }
    checkNames(name, labels);
    if (families.size >= maxFamilies) {
      throw new RpcError("resource_exhausted", `there are ${maxFamilies} metrics already; put ${name} into a label`);
    }
    const family = createFamily({ name, help, kind, labels: [...labels] }, create, maxSeries);
    families.set(name, family);
    return family;
  };

  return {
    counter: (name, help, labels = []) => declare("counter", name, help, labels, (): Counter => ({ value: 0 })),
    gauge: (name, help, labels = []) => declare("gauge", name, help, labels, (): Gauge => ({ value: 0 })),
    histogram: (name, help, labels = []) =>
      declare("histogram", name, help, labels, () => createHistogram({ precisionBits: 2 })),
    onExposition(refresh) {
      refreshers.add(refresh);
      return () => refreshers.delete(refresh);
    },
    exposition(format) {
      for (const refresh of refreshers) refresh();
      return exposition([...families.values()], format);
    },
    get families() {
      return [...families.values()];
    },
  };
}

function createFamily<Series>(
  about: Pick<Family, "name" | "help" | "kind" | "labels">, create: () => Series, maxSeries: number,
): Family<Series> {
  const byKey = new Map<string, Series>();
  const series: { values: readonly string[]; series: Series }[] = [];
  const bind = (...given: readonly string[]): Series => {
    if (given.length !== about.labels.length) {
      throw new RpcError("invalid_argument",
        `metric ${about.name} has ${about.labels.length} labels [${about.labels.join(", ")}], given ${given.length}`);
    }
    const values = given.map((value) => value.slice(0, maxLabelLength));
    const key = keyOf(given);
    let found = byKey.get(key);
    if (found !== undefined) return found;
    // One more than the limit, for everything beyond it.
    if (series.length >= maxSeries && values.some((value) => value !== other)) return bind(...values.map(() => other));
    found = create();
    byKey.set(key, found);
    series.push({ values, series: found });
    return found;
  };
  const forget = (...given: readonly string[]): void => {
    const found = byKey.get(keyOf(given));
    if (found === undefined) return;
    byKey.delete(keyOf(given));
    series.splice(series.findIndex((one) => one.series === found), 1);
  };
  return { ...about, bind, forget, series };
}

function keyOf(values: readonly string[]): string {
  return JSON.stringify(values.map((value) => value.slice(0, maxLabelLength)));
}

function checkNames(name: string, labels: readonly string[]): void {
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/.test(name)) {
    throw new RpcError("invalid_argument", `${JSON.stringify(name.slice(0, 64))} is no name of a metric ([a-z0-9_:])`);
  }
  const wrong = labels.find((label) => !/^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/.test(label) || label === "le");
  if (wrong !== undefined) {
    throw new RpcError("invalid_argument", `metric ${name}: ${JSON.stringify(wrong.slice(0, 64))} is no label's name`);
  }
}
