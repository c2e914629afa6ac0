/** `exposition` writes metrics as text of the Prometheus exposition format, version 0.0.4. */
import type { Histogram } from "./histogram.ts";
import type { Family } from "./metrics.ts";

/** Bounds of histograms, as powers of two of a millisecond: a quarter of one to 65 seconds. */
const leastPower = -2;
const mostPower = 16;
const bounds = Array.from({ length: mostPower - leastPower + 1 }, (_, i) => String(2 ** (i + leastPower) / 1000));

export function exposition(families: readonly Family[]): string {
  let text = "";
  for (const family of families) {
    if (family.series.length === 0) continue;
    text += `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.kind}\n`;
    for (const { values, series } of family.series) {
      const labels = labelText(family.labels, values);
      text += family.kind === "histogram"
        ? histogramText(family.name, labels, series as Histogram)
        : `${family.name}${braces(labels)} ${numberText((series as { value: number }).value)}\n`;
    }
  }
  return text;
}

function histogramText(name: string, labels: string, histogram: Histogram): string {
  const comma = labels === "" ? "" : ",";
  let text = "";
  for (const [i, count] of histogram.countsByPowerOfTwo(leastPower, mostPower).entries()) {
    text += `${name}_bucket{${labels}${comma}le="${bounds[i]}"} ${count}\n`;
  }
  return `${text}${name}_bucket{${labels}${comma}le="+Inf"} ${histogram.count}\n` +
    `${name}_sum${braces(labels)} ${numberText(histogram.sum / 1000)}\n` +
    `${name}_count${braces(labels)} ${histogram.count}\n`;
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
