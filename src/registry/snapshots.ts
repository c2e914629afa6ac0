/**
 * Snapshots decide what watchers of one name are told of what a registry says.
 *
 * The rule is: *a new registry must first hear from everybody.* While an incarnation of the registry is young,
 * it may add and change endpoints, and take out those that it has itself listed before; what only its
 * predecessor knew stays until it says that it has settled. Our own clock cannot settle it: it may have died
 * meanwhile without our having noticed. So a restart of the registry takes nothing with it.
 */
import { type EndpointAddress, sameEndpoint } from "../core/endpoint.ts";
import type { Watcher } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { SnapshotPart } from "./contract.ts";

/** More endpoints of one name are not taken in: the registry's own default limit over all names. */
const maxEndpoints = 100_000;

export class Snapshots {
  readonly #tell: Watcher["snapshot"];
  /** Parts of a snapshot that is not complete. */
  #arriving: EndpointAddress[] = [];
  #incarnation: string | undefined = undefined;
  /** Ids that this incarnation has listed; undefined once it has settled. */
  #listed: Set<string> | undefined = undefined;
  /** What this incarnation lists, by id, and the version of it. */
  #latest = new Map<string, EndpointAddress>();
  #version = 0n;
  /** What watchers know, by id; undefined before they were told anything. */
  #told: Map<string, EndpointAddress> | undefined = undefined;

  constructor(tell: Watcher["snapshot"]) {
    this.#tell = tell;
  }

  /**
   * Takes one message of the stream. Returns whether it completed a snapshot. Throws `data_loss` for changes of a set
   * other than the one that is known.
   */
  part(part: SnapshotPart): boolean {
    if (part.unchanged) {
      if (part.settlesInMs === 0 && this.#listed !== undefined) this.#settle();
      return false;
    }
    if (part.basis !== 0n) {
      this.#change(part);
      return true;
    }
    for (const endpoint of part.endpoints) {
      if (this.#arriving.length < maxEndpoints) this.#arriving.push(endpoint);
    }
    if (part.more) return false;
    this.#latest = new Map(this.#arriving.map((one) => [one.id, one]));
    this.#arriving = [];
    this.#complete(part);
    return true;
  }

  /** Applies what changed to what is known. */
  #change(part: SnapshotPart): void {
    if (part.incarnation !== this.#incarnation || part.basis !== this.#version) {
      throw new RpcError("data_loss",
        `the registry told changes of version ${part.basis}, but ${this.#version} is known`);
    }
    for (const id of part.removed) this.#latest.delete(id);
    for (const endpoint of part.endpoints) {
      if (this.#latest.size < maxEndpoints || this.#latest.has(endpoint.id)) this.#latest.set(endpoint.id, endpoint);
    }
    const told = this.#told;
    if (this.#listed !== undefined || told === undefined || part.settlesInMs > 0) {
      this.#complete(part);
      return;
    }
    // Settled: what was told is what was listed, so that only what changed need be looked at.
    this.#version = part.version;
    for (const id of part.removed) told.delete(id);
    for (const { id } of part.endpoints) {
      const endpoint = this.#latest.get(id);
      if (endpoint !== undefined) told.set(id, kept(endpoint));
    }
    this.#tell([...told.values()]);
  }

  /** The stream broke: what was half told is void. */
  broken(): void {
    this.#arriving = [];
  }

  #complete({ incarnation, settlesInMs, version }: SnapshotPart): void {
    this.#version = version;
    if (incarnation !== this.#incarnation) {
      this.#incarnation = incarnation;
      this.#listed = new Set();
    }
    const endpoints = [...this.#latest.values()];
    if (settlesInMs === 0) {
      this.#settle();
      return;
    }
    for (const { id } of endpoints) this.#listed?.add(id);
    const held = [...this.#told?.values() ?? []].filter(({ id }) => this.#listed?.has(id) === false);
    const all = [...endpoints, ...held];
    // "Nobody" from a registry that has just begun to listen is no answer yet.
    if (all.length > 0 || this.#told !== undefined) this.#update(all);
  }

  #settle(): void {
    this.#listed = undefined;
    this.#update([...this.#latest.values()]);
    // One copy of a large set is enough, and from now on both change together.
    if (this.#told !== undefined) this.#latest = this.#told;
  }

  #update(endpoints: readonly EndpointAddress[]): void {
    const told = new Map<string, EndpointAddress>();
    let isChanged = this.#told === undefined;
    for (const endpoint of endpoints) {
      const known = this.#told?.get(endpoint.id);
      // An unchanged endpoint stays the same object, so that whoever compares is done at once.
      const isSame = known !== undefined && sameEndpoint(known, endpoint);
      isChanged ||= !isSame;
      told.set(endpoint.id, isSame ? known : kept(endpoint));
    }
    if (!isChanged && told.size === this.#told?.size) return;
    this.#told = told;
    this.#tell([...told.values()]);
  }
}

/** Names of places, of which there are few, each once however many endpoints say them. */
const places = new Map<string, string>();
const maxPlaces = 10_000;
const noAttributes = Object.freeze({});

/** The endpoint as it is told, in little memory: a client may keep ten thousand, and a gateway more. */
function kept(endpoint: EndpointAddress): EndpointAddress {
  const { id, address, region, zone, attributes } = endpoint;
  return Object.freeze({
    ...endpoint, address: address === id ? id : address, region: place(region), zone: place(zone),
    attributes: Object.keys(attributes).length === 0 ? noAttributes : Object.freeze({ ...attributes }),
  });
}

function place(name: string): string {
  const known = places.get(name);
  if (known !== undefined) return known;
  if (places.size < maxPlaces) places.set(name, name);
  return name;
}
