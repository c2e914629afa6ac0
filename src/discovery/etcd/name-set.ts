/** A NameSet is what etcd holds of one name, kept from reply to reply, and told when it changed. */
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
  readonly maxEndpoints: number;
}

export class NameSet {
  readonly #clock: Clock;
  readonly #view: EngineView;
  readonly #options: NameSetOptions;
  /** By the text of their keys. */
  #entries = new Map<string, Entry>();
  #toldAtMs = -Infinity;
  #telling: Timer | undefined = undefined;

  constructor(clock: Clock, view: EngineView, options: NameSetOptions) {
    this.#clock = clock;
    this.#view = view;
    this.#options = options;
  }

  /** Nobody is told any more. */
  close(): void {
    this.#telling?.cancel();
  }

  /** Takes the complete set. Throws `resource_exhausted` if it is too large. */
  replace(kvs: readonly KeyValue[]): void {
    this.#entries = new Map();
    for (const one of kvs) this.#put(one);
    this.#tell();
  }

  /** Takes changes that etcd made at once. Throws `resource_exhausted` if the set becomes too large. */
  change(events: readonly WatchEvent[]): void {
    for (const { type, kv } of events) {
      if (type === 0) this.#put(kv);
      else this.#entries.delete(keyText(kv.key));
    }
    if (this.#telling !== undefined) return;
    const waitMs = this.#toldAtMs + this.#entries.size / endpointsPerMs - this.#clock.now();
    // A set that is told in less than a timer's grain is not worth one.
    if (waitMs <= 1) this.#tell();
    else this.#telling = this.#clock.after(waitMs, () => this.#tell()).unref();
  }

  #put(kv: KeyValue): void {
    const rest = restOf(kv.key, this.#options.range);
    if (rest === undefined) return;
    this.#entries.set(keyText(kv.key), readKeyValue(rest, kv));
    const { maxEndpoints } = this.#options;
    if (this.#entries.size <= maxEndpoints) return;
    throw new RpcError("resource_exhausted", `etcd lists more than ${maxEndpoints} endpoints under ` +
      `${showKey(this.#options.range.start)} (maxEndpoints)`, { phase: "resolve" });
  }

  #tell(): void {
    this.#telling?.cancel();
    this.#telling = undefined;
    this.#toldAtMs = this.#clock.now();
    const endpoints: EndpointAddress[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state === "good") endpoints.push(entry.endpoint);
      else this.#view.skipped(entry.key, entry.why);
    }
    this.#view.told(endpoints);
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
