/**
 * Meta is what Consul lets an entry say of itself, 64 pairs of short text: an endpoint's place by names that others use
 * as well (`region`, `zone`, `weight`, `backup`, `priority`), attributes by their own names where Consul takes them,
 * and what is ours alone below `meridian-`.
 */
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import { splitAddress } from "./address.ts";

/** Keys that are nobody else's. */
export const ownKey = {
  name: "meridian-name", registrant: "meridian-registrant", id: "meridian-id", address: "meridian-address",
  /** Attributes that Consul does not take as they are: JSON, cut into `meridian-attributes-0` and so on. */
  attributes: "meridian-attributes-",
} as const;

const places: ReadonlySet<string> = new Set(["region", "zone", "weight", "backup", "priority"]);
/** Consul's limits, of which the values count bytes; those of keys are wider than what we take as plain. */
const maxPairs = 64;
const maxValueBytes = 512;
const plainKey = /^[A-Za-z0-9_-]{1,128}$/;
/** Weights that Consul takes as its own. */
const maxWeight = 65_535;

/** Whether Consul's own weights say all of it. */
export function isConsulWeight(weight: number): boolean {
  return Number.isInteger(weight) && weight >= 1 && weight <= maxWeight;
}

/** Throws `invalid_argument` for an endpoint whose attributes are more than Consul takes. */
export function metaOf(name: string, registrant: string, endpoint: EndpointAddress): Record<string, string> {
  const { id, address, region, zone, weight, backup, priority, attributes } = endpoint;
  const meta: Record<string, string> = { [ownKey.name]: name, [ownKey.registrant]: registrant };
  if (id !== address) meta[ownKey.id] = id;
  if (splitAddress(address) === undefined) meta[ownKey.address] = address;
  if (region !== "") meta["region"] = region;
  if (zone !== "") meta["zone"] = zone;
  if (!isConsulWeight(weight)) meta["weight"] = String(weight);
  if (backup) meta["backup"] = "true";
  if (priority !== 0) meta["priority"] = String(priority);
  const room = maxPairs - Object.keys(meta).length;
  const all = Object.entries(attributes);
  const plain = all.filter(([key, value]) => isPlain(key, value));
  const rest = all.filter(([key, value]) => !isPlain(key, value));
  const cut = cutOf(rest);
  // Rather all of them cut than some of them lost.
  const pairs = plain.length + cut.length <= room ? [...plain, ...cut] : cutOf(all);
  if (pairs.length > room) {
    throw new RpcError("invalid_argument", `Consul does not take the attributes of ${address}: they need ` +
      `${pairs.length} pairs of Meta, and ${room} of its ${maxPairs} are left`,
    { phase: "validate", retryable: false });
  }
  for (const [key, value] of pairs) meta[key] = value;
  checkLengths(meta);
  return meta;
}

/** An id or an address may be longer than a value of Meta. */
function checkLengths(meta: Readonly<Record<string, string>>): void {
  const long = Object.entries(meta).find(([, value]) => bytesOf(value) > maxValueBytes);
  if (long === undefined) return;
  throw new RpcError("invalid_argument", `Consul takes values of Meta up to ${maxValueBytes} bytes; ` +
    `"${long[0]}" has ${bytesOf(long[1])}`, { phase: "validate", retryable: false });
}

/** The attributes in a Meta, by whomever it was written. Throws `invalid_argument` for what we cut and cannot join. */
export function attributesIn(meta: Readonly<Record<string, string>>): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [key, value] of Object.entries(meta)) {
    if (!places.has(key) && !key.startsWith("meridian-")) attributes[key] = value;
  }
  let text = "";
  for (let i = 0; i < maxPairs && meta[ownKey.attributes + i] !== undefined; i++) text += meta[ownKey.attributes + i];
  return text === "" ? attributes : { ...attributes, ...parsed(text) };
}

function parsed(text: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, string>;
  throw new RpcError("invalid_argument", `Service.Meta.${ownKey.attributes}0 and on: expected JSON of attributes`,
    { phase: "decode" });
}

function isPlain(key: string, value: string): boolean {
  return plainKey.test(key) && !places.has(key) && !/^(?:consul|meridian)-/i.test(key) &&
    bytesOf(value) <= maxValueBytes;
}

function cutOf(attributes: readonly (readonly [string, string])[]): [string, string][] {
  if (attributes.length === 0) return [];
  // In ASCII, so that a character is a byte and none is cut in two.
  const text = JSON.stringify(Object.fromEntries(attributes)).replaceAll(/[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const count = Math.ceil(text.length / maxValueBytes);
  return Array.from({ length: count }, (_, i) =>
    [`${ownKey.attributes}${i}`, text.slice(i * maxValueBytes, (i + 1) * maxValueBytes)]);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
