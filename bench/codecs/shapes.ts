// The records that the codec benchmark encodes, in the natural form of our contract: the small record of the call
// benchmarks, a user of about 1 KiB, one that is mostly maps, and one that nests deeply.
import { z } from "zod";
import { medium, mediumValue, small, smallValue } from "../shapes.ts";

export type Case = "S" | "M" | "maps" | "nested";

const point = z.object({ lat: z.number(), lon: z.number() });
const maps = z.object({
  labels: z.record(z.string(), z.string()), counts: z.record(z.string(), z.int32()),
  places: z.record(z.string(), point), names: z.map(z.int32(), z.string()),
});

interface Nested {
  id: number;
  label: string;
  inner?: Nested | undefined;
  parts: Nested[];
}

const nested: z.ZodType<Nested> = z.object({
  id: z.int32(), label: z.string(),
  get inner() {
    return nested.optional();
  },
  get parts() {
    return z.array(nested);
  },
});

/** A level holds two leaves beside the next level. */
const levels = 24;

function nestedValue(id: number, level = 0): Nested {
  const leaf = (i: number): Nested => ({ id: id + i, label: `leaf ${level}.${i}`, parts: [] });
  const value: Nested = { id: id + level, label: `level ${level}`, parts: [leaf(1), leaf(2)] };
  return level === levels ? value : { ...value, inner: nestedValue(id, level + 1) };
}

const regions = ["eu-west", "eu-north", "us-east", "us-west", "ap-south", "ap-east", "sa-east", "af-south"];

function mapsValue(id: number): object {
  const each = <T>(value: (region: string, i: number) => T) =>
    Object.fromEntries(regions.map((region, i) => [region, value(region, i)]));
  return {
    labels: each((region, i) => `${region}-cluster-${(id + i) % 100}`), counts: each((_, i) => (id + i) * 1000),
    places: each((_, i) => ({ lat: 51.523767 + i, lon: -0.158555 - id })),
    names: new Map(regions.map((region, i) => [id + i * 100, `node of ${region}`])),
  };
}

/** How many different records there are. */
export const variety = 64;

const records = (make: (id: number) => object) => Array.from({ length: variety }, (_, i) => make(i * 37));

export const shapes: Readonly<Record<Case, { readonly type: z.ZodType; readonly message: MessageName }>> = {
  S: { type: small, message: "Small" }, M: { type: medium, message: "Medium" },
  maps: { type: maps, message: "Maps" }, nested: { type: nested, message: "Nested" },
};
export type MessageName = "Small" | "Medium" | "Maps" | "Nested";

export const valuesOf: Readonly<Record<Case, readonly object[]>> = {
  S: records(smallValue), M: records(mediumValue), maps: records(mapsValue), nested: records((id) => nestedValue(id)),
};
