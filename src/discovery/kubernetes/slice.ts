/**
 * A Slice is one EndpointSlice (discovery.k8s.io/v1) as far as it matters here, read from JSON that is checked by hand:
 * what cannot be read of it is told, and the rest of it serves.
 */
import { RpcError } from "../../core/error.ts";
import { describe } from "../services.ts";
import { type Marks, readMarks, type Texts } from "./marks.ts";

export interface Slice {
  readonly name: string;
  readonly marks: Marks;
  /** Only those of TCP. Empty means that the slice names none, so that any may be meant. */
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
  /** What is left out of it, and why. */
  readonly faults: readonly Fault[];
}

export interface SlicePort {
  readonly name: string;
  readonly port: number;
}

export interface SliceEndpoint {
  /** An IPv4 address, or an IPv6 address in brackets. */
  readonly host: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string;
  readonly node: string;
  readonly pod: string;
  /** The zones that Kubernetes wants it used from; empty without hints. */
  readonly forZones: readonly string[];
}

export interface Fault {
  readonly entry: string;
  readonly why: string;
}

/** Kubernetes itself takes no more (validation of discovery.k8s.io). */
export const sliceLimits = {
  maxEndpoints: 1_000, maxPorts: 100, maxZones: 8, maxTexts: 1_000, maxChars: 1_024,
} as const;

/** The name of the object, if it has one: known also where the rest of it cannot be read. */
export function nameOf(value: unknown): string | undefined {
  const metadata = isObject(value) ? value["metadata"] : undefined;
  const name = isObject(metadata) ? metadata["name"] : undefined;
  return typeof name === "string" && name !== "" && name.length <= 253 ? name : undefined;
}

/** Never throws: a slice of which nothing can be read has only faults. */
export function readSlice(name: string, value: unknown): Slice {
  try {
    return read(name, value);
  } catch (error) {
    const faults = [{ entry: name, why: RpcError.from(error).message }];
    return { name, marks: readMarks(new Map(), new Map()), ports: [], endpoints: [], faults };
  }
}

function read(name: string, value: unknown): Slice {
  const slice = object(value, "the slice");
  const metadata = object(slice["metadata"], "metadata");
  const family = slice["addressType"];
  if (family === "FQDN") {
    throw wrong("addressType is FQDN, of which Kubernetes defines no meaning; IPv4 and IPv6 are served");
  }
  if (family !== "IPv4" && family !== "IPv6") {
    throw wrong(`addressType: expected IPv4 or IPv6, found ${describe(family)}`);
  }
  const labels = texts(metadata["labels"], "metadata.labels");
  const marks = readMarks(texts(metadata["annotations"], "metadata.annotations"), labels);
  const raw = list(slice["endpoints"], "endpoints", sliceLimits.maxEndpoints);
  if (marks.id !== undefined && raw.length > 1) {
    throw wrong(`meridian-rpc/id is for a slice of one endpoint, and this one has ${raw.length}`);
  }
  const faults: Fault[] = [];
  const endpoints = raw.flatMap((one, index) => {
    try {
      return [readEndpoint(one, family)];
    } catch (error) {
      faults.push({ entry: `${name} endpoints[${index}]`, why: RpcError.from(error).message });
      return [];
    }
  });
  return { name, marks, ports: readPorts(slice["ports"]), endpoints, faults };
}

function readPorts(value: unknown): SlicePort[] {
  const all = list(value, "ports", sliceLimits.maxPorts);
  const found = all.flatMap((one, index) => {
    const entry = object(one, `ports[${index}]`);
    const { port } = entry;
    // TCP is the default; a port without a number means every port.
    if ((entry["protocol"] ?? "TCP") !== "TCP" || port === undefined || port === null) return [];
    if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535) {
      throw wrong(`ports[${index}].port: expected 1 to 65535, found ${describe(port)}`);
    }
    return [{ name: text(entry["name"], `ports[${index}].name`), port: port as number }];
  });
  const isOther = (one: unknown): boolean => (one as { protocol?: unknown }).protocol !== undefined &&
    (one as { protocol?: unknown }).protocol !== "TCP";
  if (found.length === 0 && all.length > 0 && all.every(isOther)) throw wrong("none of its ports is one of TCP");
  return found;
}

function readEndpoint(value: unknown, family: "IPv4" | "IPv6"): SliceEndpoint {
  const endpoint = object(value, "the endpoint");
  const [address] = list(endpoint["addresses"], "addresses", 100);
  const conditions = optional(endpoint["conditions"], "conditions");
  const hints = optional(endpoint["hints"], "hints");
  const target = optional(endpoint["targetRef"], "targetRef");
  return {
    // No semantics are defined for addresses beyond the first (the API's own words), and kube-proxy uses none.
    host: host(address, family),
    ready: flag(conditions["ready"], "conditions.ready", true),
    serving: flag(conditions["serving"], "conditions.serving", true),
    terminating: flag(conditions["terminating"], "conditions.terminating", false),
    zone: text(endpoint["zone"], "zone", 64),
    node: text(endpoint["nodeName"], "nodeName"),
    pod: target["kind"] === "Pod" ? text(target["name"], "targetRef.name") : "",
    forZones: list(hints["forZones"], "hints.forZones", sliceLimits.maxZones)
      .map((zone, i) => text(object(zone, `hints.forZones[${i}]`)["name"], `hints.forZones[${i}].name`, 64)),
  };
}

const v4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const v6 = /^(?=.*:.*:)[0-9a-fA-F:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?$/;

function host(value: unknown, family: "IPv4" | "IPv6"): string {
  if (typeof value !== "string" || !(family === "IPv4" ? v4 : v6).test(value)) {
    throw wrong(`addresses: expected an ${family} address, found ${describe(value)}`);
  }
  return family === "IPv4" ? value : `[${value}]`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw wrong(`${what}: expected a mapping, found ${describe(value)}`);
}

/** Go writes what is empty as null, or not at all. */
function optional(value: unknown, what: string): Readonly<Record<string, unknown>> {
  return value === undefined || value === null ? {} : object(value, what);
}

function list(value: unknown, what: string, max: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrong(`${what}: expected a list, found ${describe(value)}`);
  if (value.length > max) throw wrong(`${what} has ${value.length} members, more than the ${max} of Kubernetes`);
  return value as unknown[];
}

function text(value: unknown, what: string, maxChars: number = sliceLimits.maxChars): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw wrong(`${what}: expected text, found ${describe(value)}`);
  if (value.length > maxChars) throw wrong(`${what} is longer than ${maxChars} characters`);
  return value;
}

function flag(value: unknown, what: string, unknown: boolean): boolean {
  if (value === undefined || value === null) return unknown;
  if (typeof value !== "boolean") throw wrong(`${what}: expected true or false, found ${describe(value)}`);
  return value;
}

function texts(value: unknown, what: string): Texts {
  const entries = Object.entries(optional(value, what));
  if (entries.length > sliceLimits.maxTexts) throw wrong(`${what} has ${entries.length} members`);
  // Annotations of others may be anything; what is not text is looked at only where it is ours.
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

function wrong(what: string): RpcError {
  return new RpcError("invalid_argument", what, { phase: "resolve" });
}
