/** Walks over plans and readings: which records there are in one, and whether one contains itself. */
import type { AvroPlan, RecordPlan } from "../../contract/avro/plan.ts";
import type { Reading, RecordReading } from "./resolve.ts";

/** Records within records, in values of either side. */
export const maxDepth = 100;

function partsOf(plan: AvroPlan): readonly AvroPlan[] {
  switch (plan.type) {
    case "record": return plan.fields.map((field) => field.plan);
    case "array": case "map": case "entries": return [plan.of];
    case "union": return plan.branches.flatMap((branch) => (branch.plan === undefined ? [] : [branch.plan]));
    default: return [];
  }
}

export function recordsOf(root: AvroPlan): readonly RecordPlan[] {
  return walk(root, partsOf, (plan) => plan.type === "record") as RecordPlan[];
}

/** Whether a record contains itself, so that values of the plan may nest without end. */
export function hasCycle(root: AvroPlan): boolean {
  return isCyclic(root, partsOf, (plan) => plan.type === "record");
}

function readingParts(reading: Reading): readonly Reading[] {
  switch (reading.op) {
    case "record": return reading.steps.flatMap((step) => (step.read === undefined ? [] : [step.read]));
    case "array": case "map": case "entries": return [reading.of];
    case "union": return reading.branches;
    default: return [];
  }
}

export function recordReadings(root: Reading): readonly RecordReading[] {
  return walk(root, readingParts, ({ op }) => op === "record") as RecordReading[];
}

export function readingHasCycle(root: Reading): boolean {
  return isCyclic(root, readingParts, ({ op }) => op === "record");
}

/** Whether a text is read anywhere. */
export function readsText(root: Reading): boolean {
  const found = walk(root, readingParts, (reading) => reading.op === "map" ||
    (reading.op === "scalar" && reading.plan.scalar === "string"));
  return found.length > 0;
}

function walk<T extends object>(root: T, parts: (node: T) => readonly T[], wanted: (node: T) => boolean): T[] {
  const seen = new Set<T>([root]);
  for (const node of seen) for (const part of parts(node)) seen.add(part);
  return [...seen].filter(wanted);
}

function isCyclic<T extends object>(root: T, parts: (node: T) => readonly T[], isRecord: (node: T) =>
  boolean): boolean {
  const done = new Set<T>();
  const open = new Set<T>();
  const visit = (node: T): boolean => {
    if (open.has(node)) return true;
    if (done.has(node)) return false;
    if (isRecord(node)) open.add(node);
    const found = parts(node).some(visit);
    open.delete(node);
    done.add(node);
    return found;
  };
  return visit(root);
}
