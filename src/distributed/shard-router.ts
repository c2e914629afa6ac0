/** A ShardRouter sends calls to the owners of their shards, and learns from those who say that a shard has moved. */
import { derived } from "../balance/index.ts";
import type { AnyContract, CallOptions, Client } from "../contract/index.ts";
import {
  type Candidate, type EndpointAddress, expected, type MethodInfo, type Observer, RpcError, type Runtime,
} from "../core/index.ts";
import { ownerOf, type ShardMap, withOwner } from "./shard-map.ts";
import { epochHeader, shardMoved } from "./shard-moved.ts";
import type { Governed } from "./target.ts";

export interface RouterOptions {
  /** The map, or where it is read: from the authority, or from any server (`ShardHosts.map`). */
  readonly map: ShardMap | (() => Promise<ShardMap>);
  /** Which owner of the map an endpoint is. Default: its attribute `owner`, or else its id. */
  readonly ownerOf?: ((endpoint: EndpointAddress) => string) | undefined;
  /** Hears `shard.map` when another map is in force. */
  readonly observer?: Observer | undefined;
}

/** Which owner an endpoint is, unless the user says otherwise. */
export function defaultOwner({ attributes, id }: EndpointAddress): string {
  return attributes["owner"] ?? id;
}

/** Between two readings of the map for the same reason, in milliseconds. */
const rereadMs = 20;

export class ShardRouter<S extends AnyContract> {
  readonly client: Governed<S>;
  readonly runtime: Runtime;
  readonly #read: (() => Promise<ShardMap>) | undefined;
  readonly #ownerOf: (endpoint: EndpointAddress) => string;
  readonly #observer: Observer | undefined;
  readonly #byOwner: (candidates: readonly Candidate[]) => ReadonlyMap<string, Candidate>;
  readonly #clients = new Map<string, Client<S>>();
  #map: ShardMap | undefined = undefined;
  #reading: Promise<void> | undefined = undefined;
  #readAtMs = -Infinity;

  constructor(client: Governed<S>, options: RouterOptions) {
    this.client = client;
    this.runtime = client.$.runtime;
    this.#ownerOf = options.ownerOf ?? defaultOwner;
    this.#observer = options.observer;
    if (typeof options.map === "function") this.#read = options.map;
    else this.#map = options.map;
    this.#byOwner = derived((candidates) =>
      new Map(candidates.filter(({ status }) => status !== "closed").map((one) => [this.#ownerOf(one.address), one])));
  }

  get map(): ShardMap | undefined {
    return this.#map;
  }

  /** The map, read if none is known yet. */
  async known(): Promise<ShardMap> {
    if (this.#map === undefined) await this.refresh();
    if (this.#map !== undefined) return this.#map;
    throw expected("unavailable", "the shard map cannot be read", { neverStarted: true, phase: "resolve" });
  }

  /** Reads the map anew, unless it has just been. */
  refresh(): Promise<void> {
    const nowMs = this.runtime.clock.now();
    if (this.#read === undefined || nowMs < this.#readAtMs + rereadMs) return this.#reading ?? Promise.resolve();
    const read = this.#read;
    this.#readAtMs = nowMs;
    return this.#reading ??= (async () => {
      try {
        this.#learn(await read(), "read");
      } catch (error) {
        // The last one stays true until somebody says otherwise.
        this.#observer?.event?.("shard.map.failed", { why: RpcError.from(error).message });
      } finally {
        this.#reading = undefined;
      }
    })();
  }

  #learn(map: ShardMap, why: string): boolean {
    if (this.#map !== undefined && map.epoch <= this.#map.epoch) return false;
    this.#map = map;
    for (const owner of this.#clients.keys()) if (!map.owners.includes(owner)) this.#clients.delete(owner);
    this.#observer?.event?.("shard.map", { epoch: map.epoch, owners: map.owners.length, why });
    return true;
  }

  /** The methods, called at one owner alone. */
  at(owner: string): Client<S> {
    let methods = this.#clients.get(owner);
    if (methods === undefined) {
      methods = this.client.$.by(Object.assign(<C extends Candidate>(candidates: readonly C[]) =>
        this.#byOwner(candidates).get(owner) as C | undefined, { seesAll: true as const }));
      this.#clients.set(owner, methods);
    }
    return methods;
  }

  /** What every call carries: by which map it was sent. */
  stamped(map: ShardMap, options: CallOptions, deadline: number): CallOptions {
    return {
      ...options, timeoutMs: Infinity, deadline,
      metadata: { ...options.metadata, [epochHeader]: String(map.epoch) },
    };
  }

  /**
   * Whether a call that failed may be made again, by a newer map or after a pause. What has moved is known at once;
   * for an owner that cannot be reached the map is read again, since its shards may have been given to another.
   */
  async again(
    method: MethodInfo, error: unknown, retry: { attempt: number; deadline: number; readonly sent: ShardMap },
  ): Promise<boolean> {
    if (!RpcError.is(error)) return false;
    const told = shardMoved(error);
    const isOurs = told?.service === this.client.$.contract.name && (error.neverStarted || method.kind !== "unary");
    const moved = isOurs ? told : undefined;
    if (moved === undefined && !mayRepeat(method, error)) return false;
    let isNews = false;
    if (moved !== undefined) {
      const map = this.#map as ShardMap;
      if (moved.map !== undefined) isNews = this.#learn(moved.map, "moved");
      // Of the others nothing is known; the epoch is no more than the next, so that a map that is read still counts.
      else if (moved.epoch > map.epoch) isNews = this.#learn(withOwner(map, moved.shard, moved.owner), "moved");
      isNews ||= (this.#map as ShardMap).epoch > retry.sent.epoch;
    }
    if (isNews) return this.runtime.clock.now() < retry.deadline;
    const waitMs = Math.min(500, 5 * 2 ** Math.min(retry.attempt++, 7)) * (0.5 + this.runtime.random.next());
    if (this.runtime.clock.now() + waitMs >= retry.deadline) return false;
    await this.refresh();
    await new Promise<void>((resolve) => void this.runtime.clock.after(waitMs, resolve));
    return this.runtime.clock.now() < retry.deadline;
  }

  /** Who owns a shard now. */
  owner(shard: number): string {
    return ownerOf(this.#map as ShardMap, shard);
  }
}

/** A call that never began may be repeated, and one that bears it if its outcome is unknown. */
function mayRepeat(method: MethodInfo, error: RpcError): boolean {
  if (error.code === "deadline_exceeded" || error.code === "cancelled") return false;
  if (error.neverStarted) return true;
  return error.retryable && method.idempotent !== false;
}
