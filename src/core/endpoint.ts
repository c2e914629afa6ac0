/** An Endpoint is a service with an address, a status and a load. */
import type { Service } from "./service.ts";
import type { Load } from "./load.ts";

/** What discovery knows of one server: immutable data, equal by value. */
export interface EndpointAddress {
  /** Unique within one service: what a snapshot is compared by. By default the address. */
  readonly id: string;
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** A logical group of servers with its own gateways, e.g. `eu-west`. */
  readonly region: string;
  /** A part of a region, e.g. `a`. Empty when unknown. */
  readonly zone: string;
  /** Share of the traffic relative to its peers; 0 drains. Default 1. */
  readonly weight: number;
  /** Used only when no endpoint that is not a backup is left. */
  readonly backup: boolean;
  /** Lower first; endpoints of a higher number are used only as lower ones fail. Default 0. */
  readonly priority: number;
  /** Anything else: version, shard, `lat`/`lon` in degrees, `protocol`. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The least a discovery driver must say; the rest has defaults. */
export type EndpointFields = Partial<EndpointAddress> & { readonly address: string };

/** Fills in the defaults of an endpoint address. */
export function endpointAddress(fields: EndpointFields): EndpointAddress {
  return Object.freeze({
    id: fields.id ?? fields.address,
    address: fields.address,
    region: fields.region ?? "",
    zone: fields.zone ?? "",
    weight: fields.weight ?? 1,
    backup: fields.backup ?? false,
    priority: fields.priority ?? 0,
    attributes: Object.freeze({ ...fields.attributes }),
  });
}

/** Equality by value, by which an unchanged endpoint keeps its connection and history across snapshots. */
export function sameEndpoint(a: EndpointAddress, b: EndpointAddress): boolean {
  if (a === b) return true;
  if (a.id !== b.id || a.address !== b.address || a.region !== b.region || a.zone !== b.zone ||
    a.weight !== b.weight || a.backup !== b.backup || a.priority !== b.priority) return false;
  const names = Object.keys(a.attributes);
  return names.length === Object.keys(b.attributes).length &&
    names.every((name) => a.attributes[name] === b.attributes[name]);
}

/**
 * - `idle`: not connected, and nobody asked for it yet;
 * - `connecting`: first connection under way, or waiting to try again;
 * - `ready`: calls go out at once;
 * - `busy`: it reported that it is full: picked when nobody who is not is ready;
 * - `suspect`: it has owed a sign of life for too long, and is out until it is heard again;
 * - `ejected`: our calls to it, or probes, went wrong: it is kept out for a time;
 * - `draining`: the server, or an operator here, wants no new calls on it;
 * - `closed`: gone for good.
 */
export type EndpointStatus =
  "idle" | "connecting" | "ready" | "busy" | "suspect" | "ejected" | "draining" | "closed";

/** What a picker chooses among: an address with its present status and load. Tests pass plain objects. */
export interface Candidate {
  readonly address: EndpointAddress;
  readonly status: EndpointStatus;
  readonly load: Load;
  /**
   * Asks the server for its load now, without a call; what it says shows as `load.report`. False where it cannot be
   * asked: it is not connected, its protocol has no way, or it has not answered the last time yet.
   */
  askLoad?(): boolean;
}

export interface Endpoint extends Candidate {
  readonly call: Service;
  /** Opens the connection ahead of the first call. */
  connect(): void;
  /** Lets calls in flight finish within `graceMs` (default 0), then closes. */
  close(graceMs?: number): void;
}

/** `region/zone address`, for people. */
export function describeEndpoint(address: EndpointAddress): string {
  const place = address.zone === "" ? address.region : `${address.region}/${address.zone}`;
  return place === "" ? address.address : `${place} ${address.address}`;
}
