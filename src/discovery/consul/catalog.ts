/** The catalog's entries of one service as endpoints: those that we made, and those that others made. */
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import { readEntryValue } from "../entry.ts";
import type { EngineView } from "../engine.ts";
import { describe } from "../services.ts";
import { joinAddress } from "./address.ts";
import { attributesIn, ownKey } from "./meta.ts";

export interface CatalogReader {
  /** The name that is followed, and what Consul calls it. */
  readonly name: string;
  readonly service: string;
  readonly server: string;
  readonly view: Pick<EngineView, "skipped">;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the answer of `/v1/health/service/NAME`; the newest entry first, since of one id the first counts. */
export function readCatalog(value: unknown, reader: CatalogReader): readonly EndpointAddress[] {
  if (!Array.isArray(value)) {
    throw new RpcError("internal", `${reader.server} answered ${describe(value)} where a list of entries was expected`,
      { phase: "decode", retryable: true });
  }
  const found: { readonly endpoint: EndpointAddress; readonly index: number }[] = [];
  value.forEach((entry: unknown, place) => {
    const service = isFields(entry) && isFields(entry["Service"]) ? entry["Service"] : {};
    const id = typeof service["ID"] === "string" ? service["ID"] : `entry ${place}`;
    try {
      const endpoint = readOne(entry, reader);
      if (endpoint !== undefined) found.push({ endpoint, index: Number(service["ModifyIndex"]) || 0 });
    } catch (error) {
      reader.view.skipped(id, RpcError.from(error).message);
    }
  });
  return found.sort((a, b) => b.index - a.index).map(({ endpoint }) => endpoint);
}

/** Undefined for an entry that is none of this name, or does not pass. */
function readOne(entry: unknown, { name, service: wanted }: CatalogReader): EndpointAddress | undefined {
  const { Node: node, Service: service, Checks: checks } = fieldsOf(entry, "an entry");
  const { Service, Address, Port, Meta, Weights, Tags } = fieldsOf(service, "Service");
  const place = fieldsOf(node ?? {}, "Node");
  const meta = textsOf(Meta ?? {}, "Service.Meta");
  // Consul takes Geo and geo for one service.
  if (Service !== wanted || (meta[ownKey.name] ?? name) !== name) return undefined;
  const states = listOf(checks ?? [], "Checks").map((check) => fieldsOf(check, "a check")["Status"]);
  if (states.includes("critical")) return undefined;
  const weights = fieldsOf(Weights ?? {}, "Service.Weights");
  const isOurs = meta[ownKey.registrant] !== undefined;
  const attributes = attributesIn(meta);
  const tags = listOf(Tags ?? [], "Service.Tags");
  if (!isOurs && tags.length > 0) attributes["tags"] ??= tags.join();
  return readEntryValue({
    address: meta[ownKey.address] ?? joinAddress(Address || place["Address"], Port),
    id: meta[ownKey.id],
    region: meta["region"] ?? place["Datacenter"],
    zone: meta["zone"] ?? textsOf(place["Meta"] ?? {}, "Node.Meta")["zone"],
    weight: numberIn(meta["weight"]) ?? weights[states.includes("warning") ? "Warning" : "Passing"],
    backup: booleanIn(meta["backup"]),
    priority: numberIn(meta["priority"]),
    attributes,
  });
}

/** What is no number is left as it is, for the message that says so. */
function numberIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isNaN(value) ? text : value;
}

function booleanIn(text: string | undefined): unknown {
  return text === "true" ? true : text === "false" ? false : text;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown, what: string): Fields {
  return isFields(value) ? value : refuse(what, "an object", value);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  return Array.isArray(value) ? value as unknown[] : refuse(what, "a list", value);
}

function textsOf(value: unknown, what: string): Readonly<Record<string, string>> {
  const fields = fieldsOf(value, what);
  for (const [key, text] of Object.entries(fields)) {
    if (typeof text !== "string") refuse(`${what}.${key}`, "text", text);
  }
  return fields as Readonly<Record<string, string>>;
}

function refuse(what: string, wanted: string, found: unknown): never {
  throw new RpcError("invalid_argument", `${what}: expected ${wanted}, found ${describe(found)}`, { phase: "decode" });
}
