/**
 * A NameSet is what etcd holds of one name, kept from reply to reply, and told when it changed.
 *
 * It outlives connections: what was there before etcd was lost stays for a while although it is there no longer, since
 * those who could not renew their leases, or whom etcd forgot with all its data, need time to come back.
 */
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import type { Timer } from "../../core/alarm.ts";
import type { Clock } from "../../core/runtime.ts";
import type { EngineView } from "../engine.ts";
import { readEntry } from "../entry.ts";
import type { KeyValue, WatchEvent } from "./contract.ts";
import { type KeyRange, keyText, restOf, showKey, textOf } from "./keys.ts";

/** A larger value is not looked at: no entry has so many bytes. */
const maxValueBytes = 65_536;
/** So many endpoints are told a millisecond at most: a set of 1,000 every 20 ms, one of 50,000 every second. */
const endpointsPerMs = 50;

type Entry =
  | { readonly state: "good"; readonly endpoint: EndpointAddress }
  | { readonly state: "bad"; readonly key: string; readonly why: string };

export interface NameSetOptions {
  readonly range: KeyRange;
  readonly settleMs: number;
  readonly maxEndpoints: number;
}

export class NameSet {
  readonly #clock: Clock;
  readonly #options: NameSetOptions;
  /** By the text of their keys. */
  #entries = new Map<string, Entry>();
  /** Those that were there before etcd was lost, and are not there now. */
  readonly #carried = new Map<string, EndpointAddress>();
  #known = false;
  #settlesAtMs = -Infinity;
  #toldAtMs = -Infinity;
  #view: EngineView | undefined = undefined;
  #telling: Timer | undefined = undefined;
  #settling: Timer | undefined = undefined;

  constructor(clock: Clock, options: NameSetOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** From now on `view` is told. Whoever was told before has lost etcd meanwhile. */
  attach(view: EngineView): void {
    this.#view = view;
    if (!this.#known) return;
    const { settleMs } = this.#options;
    this.#settlesAtMs = this.#clock.now() + settleMs;
    this.#settling?.cancel();
    this.#settling = this.#clock.after(settleMs, () => this.#settled()).unref();
  }

  /** Nobody is told any more. */
  detach(): void {
    this.#view = undefined;
    this.#telling?.cancel();
    this.#settling?.cancel();
    this.#telling = this.#settling = undefined;
  }

  /** Takes the complete set. Throws `resource_exhausted` if it is too large. */
  replace(kvs: readonly KeyValue[]): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const one of kvs) this.#put(one);
    for (const [key, entry] of before) if (!this.#entries.has(key)) this.#gone(key, entry);
    this.#known = true;
    this.#tell();
  }

  /** Takes changes that etcd made at once. Throws `resource_exhausted` if the set becomes too large. */
  change(events: readonly WatchEvent[]): void {
    for (const { type, kv } of events) {
      const key = keyText(kv.key);
      const entry = this.#entries.get(key);
      if (type === 0) this.#put(kv);
      else if (entry !== undefined && this.#entries.delete(key)) this.#gone(key, entry);
    }
    if (this.#telling !== undefined) return;
    const waitMs = this.#toldAtMs + this.#size / endpointsPerMs - this.#clock.now();
    // A set that is told in less than a timer's grain is not worth one.
    if (waitMs <= 1) this.#tell();
    else this.#telling = this.#clock.after(waitMs, () => this.#tell()).unref();
  }

  get #size(): number {
    return this.#entries.size + this.#carried.size;
  }

  #put(kv: KeyValue): void {
    const rest = restOf(kv.key, this.#options.range);
    if (rest === undefined) return;
    const key = keyText(kv.key);
    this.#entries.set(key, readKeyValue(rest, kv));
    this.#carried.delete(key);
    const { maxEndpoints } = this.#options;
    if (this.#entries.size <= maxEndpoints) return;
    throw new RpcError("resource_exhausted", `etcd lists more than ${maxEndpoints} endpoints under ` +
      `${showKey(this.#options.range.start)} (maxEndpoints)`, { phase: "resolve" });
  }

  #gone(key: string, entry: Entry): void {
    if (entry.state !== "good" || this.#clock.now() >= this.#settlesAtMs) return;
    if (this.#size < this.#options.maxEndpoints) this.#carried.set(key, entry.endpoint);
  }

  #settled(): void {
    this.#settling = undefined;
    if (this.#carried.size === 0) return;
    this.#carried.clear();
    this.#tell();
  }

  #tell(): void {
    this.#telling?.cancel();
    this.#telling = undefined;
    const view = this.#view;
    if (view === undefined) return;
    this.#toldAtMs = this.#clock.now();
    const endpoints: EndpointAddress[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state === "good") endpoints.push(entry.endpoint);
      else view.skipped(entry.key, entry.why);
    }
    if (this.#carried.size > 0) {
      const ids = new Set(endpoints.map(({ id }) => id));
      for (const one of this.#carried.values()) if (!ids.has(one.id)) endpoints.push(one);
    }
    view.told(endpoints);
  }
}

function readKeyValue(rest: Uint8Array, { key, value }: KeyValue): Entry {
  const bad = (why: string): Entry => ({ state: "bad", key: showKey(key), why });
  if (value.length > maxValueBytes) return bad(`the value has ${value.length} bytes; an entry has at most 16384`);
  try {
    textOf(rest);
  } catch {
    return bad("the key is not UTF-8 text");
  }
  let text: string;
  try {
    text = textOf(value);
  } catch {
    return bad("the value is not UTF-8 text; expected an endpoint as JSON");
  }
  try {
    return { state: "good", endpoint: readEntry(text) };
  } catch (error) {
    return bad(RpcError.from(error).message);
  }
}
