/** What differs between two configurations, key by key, and whether it can change while calls go on. */
import type { Place } from "../discovery/services.ts";
import { describePlace } from "../discovery/services.ts";
import { type Config, configSchema } from "./config.ts";
import type { Schema } from "./schema.ts";

export interface ConfigChange {
  readonly place: Place;
  /** The place as people write it. */
  readonly key: string;
  /** What was there, and what is: short texts; undefined where nothing was or is. Secrets are never in them. */
  readonly old: string | undefined;
  readonly new: string | undefined;
  /** Whether it takes effect only when the process is started anew. */
  readonly needsRestart: boolean;
}

/** Most characters of a value that is told. */
const maxChars = 200;

/** All differences, in the order of the schema. */
export function configDiff(before: Config, after: Config): ConfigChange[] {
  const changes: ConfigChange[] = [];
  compare({ schema: configSchema, place: [], restart: false, changes }, before, after);
  return changes;
}

interface Comparing {
  readonly schema: Schema;
  readonly place: Place;
  readonly restart: boolean;
  readonly changes: ConfigChange[];
}

function compare(comparing: Comparing, before: unknown, after: unknown): void {
  const { schema, place, changes } = comparing;
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const restart = comparing.restart || schema.restart === true;
  const inner = mappingOf(schema);
  // A group that was not there says nothing: what is beneath it is compared key by key.
  const from = asMapping(before), to = asMapping(after);
  const isGroup = inner?.kind === "group" && !inner.one && place.length !== 2;
  const keys = new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})]);
  // That it is there at all may be all that it says: `probes: {}`.
  if (inner !== undefined && keys.size > 0 && (isGroup || (from !== undefined && to !== undefined)) &&
    (from !== undefined || before === undefined) && (to !== undefined || after === undefined)) {
    for (const key of keys) {
      const field = inner.kind === "group" ? inner.fields[key] : inner.kind === "map" ? inner.value : undefined;
      if (field === undefined) continue;
      compare({ schema: field, place: [...place, key], restart, changes }, from?.[key], to?.[key]);
    }
    return;
  }
  // A server that is new, or gone, is a process that starts or ends.
  const [section] = place;
  const isEntry = place.length === 2 && (section === "servers" || section === "gateways");
  const foreign = schema.kind === "foreign" ? schema.needsRestart?.(before, after) : undefined;
  const isAllOfThem = place.length === 1 && (section === "servers" || section === "gateways");
  changes.push({
    place, key: describePlace(place), old: shown(schema, before), new: shown(schema, after),
    needsRestart: foreign ?? (restart || isEntry || isAllOfThem),
  });
}

function mappingOf(schema: Schema): Schema & { readonly kind: "group" | "map" } | undefined {
  if (schema.kind === "group" || schema.kind === "map") return schema;
  return schema.kind === "either" ? schema.of.map(mappingOf).find((one) => one !== undefined) : undefined;
}

function asMapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Readonly<Record<string, unknown>>
    : undefined;
}

function shown(schema: Schema, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (schema.kind === "secret") return "(secret)";
  const text = JSON.stringify(value, (key, one: unknown) => (/password|token|secret/i.test(key) ? "(secret)" : one));
  return text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
}
