/**
 * `exposition` writes metrics as text of the Prometheus exposition format, version 0.0.4, or of OpenMetrics 1.0, which
 * has exemplars: of a bucket, the trace of a call that fell into it.
 */
import type { Exemplar, Histogram } from "./histogram.ts";
import type { Family } from "./metrics.ts";

/** Bounds of histograms, as powers of two of a millisecond: a quarter of one to 65 seconds. */
const leastPower = -2;
const mostPower = 16;
const bounds = Array.from({ length: mostPower - leastPower + 1 }, (_, i) => String(2 ** (i + leastPower) / 1000));

export type ExpositionFormat = "prometheus" | "openmetrics";

export function exposition(families: readonly Family[], format: ExpositionFormat = "prometheus"): string {
  const isOpen = format === "openmetrics";
  let text = "";
  for (const family of families) {
    if (family.series.length === 0) continue;
    text += headOf(family, isOpen);
    for (const { values, series } of family.series) {
      const labels = labelText(family.labels, values);
      text += family.kind === "histogram"
        ? histogramText(family.name, labels, series as Histogram, isOpen)
        : `${family.name}${braces(labels)} ${numberText((series as { value: number }).value)}\n`;
    }
  }
  return isOpen ? `${text}# EOF\n` : text;
}

/** OpenMetrics names a counter without its `_total`; what has none is no counter there. */
function headOf({ name, help, kind }: Family, isOpen: boolean): string {
  const isCounter = isOpen && kind === "counter";
  const own = isCounter && name.endsWith("_total") ? name.slice(0, -"_total".length) : name;
  const said = isCounter && own === name ? "unknown" : kind;
  return `# HELP ${own} ${isOpen ? escapeValue(help) : escapeHelp(help)}\n# TYPE ${own} ${said}\n`;
}

function histogramText(name: string, labels: string, histogram: Histogram, isOpen: boolean): string {
  const comma = labels === "" ? "" : ",";
  const exemplars = isOpen ? histogram.exemplars : undefined;
  let text = "";
  for (const [i, count] of histogram.countsByPowerOfTwo(leastPower, mostPower).entries()) {
    text += `${name}_bucket{${labels}${comma}le="${bounds[i]}"} ${count}${exemplarText(exemplars?.[i])}\n`;
  }
  return `${text}${name}_bucket{${labels}${comma}le="+Inf"} ${histogram.count}\n` +
    `${name}_sum${braces(labels)} ${numberText(histogram.sum / 1000)}\n` +
    `${name}_count${braces(labels)} ${histogram.count}\n`;
}

function exemplarText(exemplar: Exemplar | undefined): string {
  return exemplar === undefined ? "" : ` # {trace_id="${exemplar.traceId}"} ${numberText(exemplar.ms / 1000)}`;
}

/** A label without a value is no label, in Prometheus; so it is left out. */
function labelText(labels: readonly string[], values: readonly string[]): string {
  const given: string[] = [];
  for (const [i, label] of labels.entries()) {
    const value = values[i] ?? "";
    if (value !== "") given.push(`${label}="${escapeValue(value)}"`);
  }
  return given.join(",");
}

function braces(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function escapeValue(value: string): string {
  return value.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(help: string): string {
  return help.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
