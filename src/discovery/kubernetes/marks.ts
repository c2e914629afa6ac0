/**
 * Marks are what an operator says of all endpoints of a slice that Kubernetes has no field for: weight, region, backup,
 * priority, attributes.
 *
 * They are annotations of the EndpointSlice, or labels of the same names, which is how they come from a Service:
 * Kubernetes' own controller copies a Service's labels onto each of its slices, and overwrites those that were put on
 * the slices by hand, but copies no annotation (setEndpointSliceLabels of k8s.io/endpointslice v0.34.4, utils.go:215).
 */
import { RpcError } from "../../core/error.ts";
import { entryLimits } from "../check.ts";

/** Stands before the name of every label and annotation that means something here. */
export const prefix = "meridian-rpc/";

export interface Marks {
  readonly id: string | undefined;
  readonly region: string | undefined;
  readonly weight: number;
  readonly backup: boolean;
  readonly priority: number;
  readonly attributes: Readonly<Record<string, string>>;
}

const attributePrefix = `${prefix}attribute.`;
const known = new Set(["id", "region", "weight", "backup", "priority", "service"]);

/** Texts by name, as labels and annotations are. */
export type Texts = ReadonlyMap<string, string>;

/** An annotation goes before a label of the same name. Throws `invalid_argument` naming the one that is wrong. */
export function readMarks(annotations: Texts, labels: Texts): Marks {
  const attributes: Record<string, string> = {};
  for (const [key, value] of [...labels, ...annotations]) {
    if (key.startsWith(attributePrefix)) attributes[key.slice(attributePrefix.length)] = value;
    else if (key.startsWith(prefix) && !known.has(key.slice(prefix.length))) refuse(key, "is unknown here; there are " +
      `${[...known].join(", ")} and attribute.NAME`);
  }
  const text = (name: string): string | undefined => annotations.get(prefix + name) ?? labels.get(prefix + name);
  return {
    id: text("id"),
    region: text("region"),
    weight: readWeight(text("weight")),
    backup: readBackup(text("backup")),
    priority: readPriority(text("priority")),
    attributes,
  };
}

function readWeight(text: string | undefined): number {
  if (text === undefined) return 1;
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value <= entryLimits.maxWeight)) {
    refuse(`${prefix}weight`, `is ${show(text)}; expected a number from 0 to ${entryLimits.maxWeight}`);
  }
  return value;
}

function readBackup(text: string | undefined): boolean {
  if (text !== undefined && text !== "true" && text !== "false") {
    refuse(`${prefix}backup`, `is ${show(text)}; expected "true" or "false"`);
  }
  return text === "true";
}

function readPriority(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,6}$/.test(text)) refuse(`${prefix}priority`, `is ${show(text)}; expected a whole number of 0 or more`);
  return Number(text);
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function refuse(key: string, what: string): never {
  throw new RpcError("invalid_argument", `${key.slice(0, 128)} ${what}`, { phase: "resolve" });
}
