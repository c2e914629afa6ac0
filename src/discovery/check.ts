/** What registries take for a name, an endpoint and a time to live: checked on both sides, refused by reason. */
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";

/** Bounds of what one entry may be. */
export const entryLimits = {
  maxNameChars: 255, maxIdChars: 512, maxAddressChars: 320, maxPlaceChars: 64, maxRegistrantChars: 64,
  maxWeight: 1_000_000, maxAttributes: 64, maxAttributeNameChars: 64, maxAttributeChars: 4_096,
  minTtlMs: 500, maxTtlMs: 3_600_000,
} as const;

const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/;
const attributeNamePattern = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/;
const addressPattern = /^(?:\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^[\]:/\s]+):(\d{1,5})$/;
// eslint-disable-next-line no-control-regex
const printablePattern = /^[^\u0000-\u001f\u007f]*$/;

/** Throws `invalid_argument` unless `name` can be registered and watched. */
export function checkName(name: string): void {
  if (typeof name !== "string" || name.length > entryLimits.maxNameChars || !namePattern.test(name)) {
    refuse(`the name ${show(name)}`, `1 to ${entryLimits.maxNameChars} of letters, digits and _ . - : /, ` +
      "beginning with a letter, a digit or _");
  }
  if (name in Object.prototype) refuse(`the name ${show(name)}`, "a name that objects do not have by themselves");
}

/** Throws `invalid_argument` for a time to live outside the bounds. */
export function checkTtl(ttlMs: number): void {
  const { minTtlMs, maxTtlMs } = entryLimits;
  if (!(Number.isInteger(ttlMs) && ttlMs >= minTtlMs && ttlMs <= maxTtlMs)) {
    refuse(`ttlMs ${ttlMs}`, `whole milliseconds from ${minTtlMs} to ${maxTtlMs}`);
  }
}

/** Throws `invalid_argument` for a registrant's name that is too long. */
export function checkRegistrant(registrant: string): void {
  if (registrant.length <= entryLimits.maxRegistrantChars) return;
  refuse(`a registrant's name of ${registrant.length} characters`, `at most ${entryLimits.maxRegistrantChars}`);
}

/** Throws `invalid_argument` naming the field of `endpoint` that is wrong. */
export function checkEndpoint(endpoint: EndpointAddress): void {
  const { id, address, region, zone, weight, priority, attributes } = endpoint;
  text("id", id, entryLimits.maxIdChars);
  if (id === "") refuse("the endpoint's id \"\"", "an id, by default the address");
  checkAddress(address);
  text("region", region, entryLimits.maxPlaceChars);
  text("zone", zone, entryLimits.maxPlaceChars);
  if (!(weight >= 0 && weight <= entryLimits.maxWeight)) {
    refuse(`the endpoint's weight ${weight}`, `a number from 0 to ${entryLimits.maxWeight}`);
  }
  if (!Number.isInteger(priority) || Math.abs(priority) > 2 ** 31 - 1) {
    refuse(`the endpoint's priority ${priority}`, "an integer of 32 bits");
  }
  checkAttributes(attributes);
}

function checkAddress(address: string): void {
  text("address", address, entryLimits.maxAddressChars);
  if (address.startsWith("unix:") && address.length > "unix:".length) return;
  const port = Number(addressPattern.exec(address)?.[1]);
  if (!(port >= 1 && port <= 65_535)) {
    refuse(`the endpoint's address ${show(address)}`, "host:port, [v6-address]:port or unix:/path");
  }
  if (address.startsWith("0.0.0.0:") || address.startsWith("[::]:")) {
    refuse(`the endpoint's address ${show(address)}`,
      "an address that callers can connect to, which this one is not: give listen() the option `advertise`");
  }
}

function checkAttributes(attributes: Readonly<Record<string, string>>): void {
  const names = Object.keys(attributes);
  if (names.length > entryLimits.maxAttributes) {
    refuse(`an endpoint with ${names.length} attributes`, `at most ${entryLimits.maxAttributes}`);
  }
  let chars = 0;
  for (const name of names) {
    const { maxAttributeNameChars } = entryLimits;
    if (name.length > maxAttributeNameChars || !attributeNamePattern.test(name) || name in Object.prototype) {
      refuse(`the endpoint's attribute ${show(name)}`,
        `names of 1 to ${maxAttributeNameChars} letters, digits and _ . - : / that objects do not ` +
        "have by themselves");
    }
    const value: unknown = attributes[name];
    if (typeof value !== "string") return refuse(`the endpoint's attribute "${name}", a ${typeof value}`, "a string");
    chars += name.length + value.length;
  }
  if (chars > entryLimits.maxAttributeChars) {
    refuse(`an endpoint whose attributes have ${chars} characters`, `at most ${entryLimits.maxAttributeChars}`);
  }
}

function text(field: string, value: unknown, maxChars: number): void {
  if (typeof value === "string" && value.length <= maxChars && printablePattern.test(value)) return;
  refuse(`the endpoint's ${field} ${show(value)}`, `at most ${maxChars} printable characters`);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 64)) : `(${typeof value})`;
}

function refuse(what: string, wanted: string): never {
  throw new RpcError("invalid_argument", `registries do not take ${what}; expected ${wanted}`,
    { phase: "validate", retryable: false });
}
