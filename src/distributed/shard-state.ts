/** What a handler of a sharded method reads and writes: entries of its keys' shards. Writes count when it is done. */
import { RpcError } from "../core/index.ts";
import { type ShardMap, shardOf } from "./shard-map.ts";
import type { Change, Slot } from "./shard-slot.ts";

export interface ShardState {
  /** The value of a key; what this call has written itself counts already. */
  get(key: string): string | undefined;
  /** Takes effect, with all other writes of this call, when the handler has answered; not at all if it throws. */
  set(key: string, value: string): void;
  delete(key: string): void;
  /** The entries of the call's shards, in the order in which they were made, with this call's own writes. */
  entries(): Iterable<readonly [key: string, value: string]>;
}

type Slots = readonly Slot[];

export class ShardTransaction implements ShardState {
  readonly #map: ShardMap;
  readonly #slots: readonly Slot[];
  readonly #writes = new Map<Slot, Map<string, string | undefined>>();

  constructor(map: ShardMap, slots: Slots) {
    this.#map = map;
    this.#slots = slots;
  }

  get(key: string): string | undefined {
    const slot = this.#slotOf(key);
    const writes = this.#writes.get(slot);
    return writes?.has(key) === true ? writes.get(key) : slot.entries.get(key);
  }

  set(key: string, value: string): void {
    if (typeof value !== "string") throw new RpcError("internal", `the value of ${JSON.stringify(key)} is no text`);
    this.#write(key, value);
  }

  delete(key: string): void {
    this.#write(key, undefined);
  }

  *entries(): Iterable<readonly [key: string, value: string]> {
    for (const slot of this.#slots) {
      const writes = this.#writes.get(slot);
      for (const entry of slot.entries) if (writes?.has(entry[0]) !== true) yield entry;
      for (const [key, value] of writes ?? []) if (value !== undefined) yield [key, value];
    }
  }

  changesOf(slot: Slot): Change[] {
    return Array.from(this.#writes.get(slot) ?? [], ([key, value]): Change => [`d${key}`, value]);
  }

  #write(key: string, value: string | undefined): void {
    const slot = this.#slotOf(key);
    let writes = this.#writes.get(slot);
    if (writes === undefined) this.#writes.set(slot, writes = new Map());
    writes.set(key, value);
  }

  #slotOf(key: string): Slot {
    const shard = shardOf(this.#map, key);
    const slot = this.#slots.find((one) => one.shard === shard);
    if (slot !== undefined) return slot;
    throw new RpcError("internal", `the key ${JSON.stringify(key.slice(0, 64))} lies in shard ${shard}, which this ` +
      "call did not name: see the method's routeKey and the host's keys");
  }
}
