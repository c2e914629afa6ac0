/** An entry is one endpoint as JSON text: what drivers write into engines that keep text by a key. */
import { type EndpointAddress, endpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { describe, describePlace, endpointKeys, type Place, readEndpoint } from "./services.ts";

const maxEntryChars = 16_384;

/** `{"address":"10.0.0.4:7001","region":"eu-west"}`: the fields that differ from their defaults. */
export function encodeEntry(endpoint: EndpointAddress): string {
  const plain = endpointAddress({ address: endpoint.address });
  const entries = endpointKeys.flatMap((key): [string, unknown][] => {
    const value = endpoint[key];
    if (key === "attributes") return Object.keys(endpoint.attributes).length === 0 ? [] : [[key, value]];
    return key === "address" || value !== plain[key] ? [[key, value]] : [];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

/**
 * Reads what {@link encodeEntry} wrote, or somebody by hand. Keys that are unknown here may be those of a later version
 * and are passed over. Throws `invalid_argument` saying what is wrong.
 */
export function readEntry(text: string): EndpointAddress {
  if (text.length > maxEntryChars) refuse([], `the entry has more than ${maxEntryChars} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse([], `expected an endpoint as JSON, found ${describe(text)}`);
  }
  return readEntryValue(value);
}

/** The same of a value that is parsed already. */
export function readEntryValue(value: unknown): EndpointAddress {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return readEndpoint(value, [], refuse);
  }
  const known = Object.entries(value).filter(([key]) => (endpointKeys as readonly string[]).includes(key));
  return readEndpoint(Object.fromEntries(known), [], refuse);
}

function refuse(place: Place, what: string): never {
  const where = describePlace(place);
  throw new RpcError("invalid_argument", where === "" ? what : `${where}: ${what}`, { phase: "resolve" });
}
