/** `readServices` checks a description of who serves what, by hand, so that every complaint is exact. */
import { type EndpointAddress, endpointAddress } from "../core/endpoint.ts";
import { didYouMean } from "./nearest.ts";

/** Endpoints by the name of the service. */
export type Services = ReadonlyMap<string, readonly EndpointAddress[]>;

/** Keys and indexes from the root to a value. */
export type Place = readonly (string | number)[];

/** Throws the error for what is wrong at a place; `key` means the last step itself, rather than its value. */
export type Refuse = (place: Place, what: string, at?: "key" | "value") => never;

/** Most characters of any text in a description. */
const maxTextLength = 1024;
const maxAttributes = 64;
/** Of one attribute: as much as a server may register with. */
const maxAttributeChars = 4096;

/** Reads the mapping from names to lists of endpoints at `place`. Objects may be plain or Maps. */
export function readServices(value: unknown, place: Place, maxEndpoints: number, refuse: Refuse): Services {
  const services = new Map<string, readonly EndpointAddress[]>();
  let count = 0;
  for (const [name, list] of members(value, place, "a mapping from service names to lists of endpoints", refuse)) {
    const here = [...place, name];
    if (name === "" || name.length > maxTextLength) refuse(here, "is no name of a service", "key");
    if (!Array.isArray(list)) refuse(here, `expected a list of endpoints, found ${describe(list)}`);
    count += (list as unknown[]).length;
    if (count > maxEndpoints) refuse(here, `there are more than ${maxEndpoints} endpoints in all (maxEndpoints)`);
    services.set(name, readEndpoints(list as unknown[], here, refuse));
  }
  return services;
}

function readEndpoints(list: readonly unknown[], place: Place, refuse: Refuse): readonly EndpointAddress[] {
  const places = new Map<string, number>();
  return list.map((value, index) => {
    const endpoint = readEndpoint(value, [...place, index], refuse);
    const first = places.get(endpoint.id);
    if (first !== undefined) {
      refuse([...place, index], `${JSON.stringify(endpoint.id)} is listed twice, first as number ${first + 1}; ` +
        "an endpoint is known by its id, which is its address unless it has one of its own");
    }
    places.set(endpoint.id, index);
    return endpoint;
  });
}

type Reader = (value: unknown, place: Place, refuse: Refuse) => unknown;

const readers: Readonly<Record<keyof EndpointAddress, Reader>> = {
  address: readAddress,
  id: readText,
  region: readText,
  zone: readText,
  weight: (value, place, refuse) => (typeof value === "number" && value >= 0 && value < Infinity
    ? value
    : refuse(place, `expected a number of 0 or more, found ${describe(value)}`)),
  backup: (value, place, refuse) => (typeof value === "boolean"
    ? value
    : refuse(place, `expected true or false, found ${describe(value)}`)),
  priority: (value, place, refuse) => (Number.isInteger(value) && (value as number) >= 0
    ? value
    : refuse(place, `expected a whole number of 0 or more, found ${describe(value)}`)),
  attributes: readAttributes,
};

/** The fields of an endpoint, in the order in which they are written. */
export const endpointKeys = Object.keys(readers) as readonly (keyof EndpointAddress)[];

/** Reads one endpoint. */
export function readEndpoint(value: unknown, place: Place, refuse: Refuse): EndpointAddress {
  const fields: Record<string, unknown> = {};
  for (const [key, member] of members(value, place, "an endpoint ({ address: …, region: … })", refuse)) {
    if (!Object.hasOwn(readers, key)) {
      const known = Object.keys(readers);
      const meant = didYouMean(key, known) || `; an endpoint has ${known.join(", ")}`;
      refuse([...place, key], `unknown key ${JSON.stringify(key.slice(0, 64))}${meant}`, "key");
    }
    // TypeScript's undefined is absence; an empty value in a file is null, and a mistake.
    if (member === undefined) continue;
    fields[key] = readers[key as keyof EndpointAddress](member, [...place, key], refuse);
  }
  if (fields["address"] === undefined) refuse(place, 'an endpoint needs an "address", such as "10.0.0.1:7001"');
  return endpointAddress(fields as Partial<EndpointAddress> & { address: string });
}

function members(value: unknown, place: Place, expected: string, refuse: Refuse): [string, unknown][] {
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, member]) => {
      if (typeof key !== "string") refuse(place, `the key ${describe(key)} is not text; write it in quotes`);
      return [key, member];
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse(place, `expected ${expected}, found ${describe(value)}`);
  }
  return Object.entries(value);
}

function readText(value: unknown, place: Place, refuse: Refuse, maxChars = maxTextLength): string {
  if (typeof value !== "string") {
    refuse(place, `expected text, found ${describe(value)}${value === null ? "" : "; write it in quotes"}`);
  }
  if (value.length > maxChars) refuse(place, `text is longer than ${maxChars} characters`);
  return value;
}

/** A host or a bracketed IPv6 address with a port, or the path of a socket. */
const addressForm = /^(?:unix:.+|\[[0-9A-Fa-f:.]+(?:%\w+)?\]:(\d{1,5})|[^\s:/[\]]+:(\d{1,5}))$/;

function readAddress(value: unknown, place: Place, refuse: Refuse): string {
  const text = readText(value, place, refuse);
  const match = addressForm.exec(text);
  const port = Number(match?.[1] ?? match?.[2] ?? 1);
  if (match === null || port < 1 || port > 65_535) {
    refuse(place, `expected "host:port", "[v6]:port" or "unix:/path", found ${describe(text)}`);
  }
  return text;
}

function readAttributes(value: unknown, place: Place, refuse: Refuse): Record<string, string> {
  const entries = members(value, place, "a mapping from names to text", refuse);
  if (entries.length > maxAttributes) refuse(place, `there are more than ${maxAttributes} attributes`);
  return Object.fromEntries(entries.map(([name, text]) => {
    if (name === "__proto__") refuse([...place, name], 'an attribute named "__proto__" is refused', "key");
    return [name, readText(text, [...place, name], refuse, maxAttributeChars)];
  }));
}

/** The kind of a value, and a short one itself. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "string") return JSON.stringify(value.slice(0, 64));
  if (typeof value === "object") return "a mapping";
  return typeof value === "number" || typeof value === "boolean" ? `the ${typeof value} ${value}` : `a ${typeof value}`;
}

/** `services["geo.v1.Cities"][0].weight`. */
export function describePlace(place: Place): string {
  let text = "";
  for (const step of place) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_]\w*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step.slice(0, 64))}]`;
  }
  return text;
}
