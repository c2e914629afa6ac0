/** A SliceStore keeps objects with one version for all changes, and the latest of these for watches: the emulator's. */
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Status } from "./kubernetes-emulator-status.ts";

type Fields = Record<string, unknown>;

export interface Kept {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly object: Fields;
}

export type Matches = (kept: Kept) => boolean;

export interface Change {
  readonly version: number;
  readonly before: Kept | undefined;
  readonly after: Kept | undefined;
  /** As it is now, or was last, with the version of the change. */
  readonly object: Fields;
}

export class SliceStore {
  readonly #file: string;
  readonly #window: () => number;
  readonly #objects = new Map<string, Kept>();
  readonly #subscribers = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  /** What lists that are read page by page still need: all objects as of a version. */
  readonly #snapshots = new Map<number, readonly Kept[]>();
  version = 1;
  /** Watches can begin at this version or later. */
  oldest: number;

  constructor(folder: string, window: () => number) {
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, "changes.jsonl");
    this.#window = window;
    if (existsSync(this.#file)) {
      // A process that was killed may have left half a line.
      for (const line of readFileSync(this.#file, "utf8").split("\n").slice(0, -1)) {
        const { version, key, object } = JSON.parse(line) as { version: number; key: string; object?: Fields };
        this.version = version;
        if (object === undefined) this.#objects.delete(key);
        else this.#objects.set(key, keptOf(object));
      }
    }
    // As with the real one, the memory of changes begins with the process.
    this.oldest = this.version;
  }

  all(): Kept[] {
    return [...this.#objects.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kept]) => kept);
  }

  get(namespace: string, name: string): Kept {
    const found = this.#objects.get(`${namespace}/${name}`);
    if (found === undefined) {
      throw new Status(404, "NotFound", `endpointslices.discovery.k8s.io "${name}" not found`);
    }
    return found;
  }

  create(namespace: string, object: Fields): Kept {
    const metadata = metadataOf(object);
    const name = (metadata["name"] ?? `${String(metadata["generateName"])}${randomUUID().slice(0, 5)}`) as string;
    if (this.#objects.has(`${namespace}/${name}`)) {
      throw new Status(409, "AlreadyExists", `endpointslices.discovery.k8s.io "${name}" already exists`);
    }
    check(object);
    return this.#write(`${namespace}/${name}`, { ...object, metadata: {
      ...metadata, name, namespace, uid: randomUUID(), generation: 1,
      creationTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
    } });
  }

  replace(namespace: string, name: string, object: Fields): Kept {
    const before = metadataOf(this.get(namespace, name).object);
    const metadata = metadataOf(object);
    const { resourceVersion } = metadata;
    if (resourceVersion !== undefined && resourceVersion !== before["resourceVersion"]) {
      throw new Status(409, "Conflict", `Operation cannot be fulfilled on endpointslices.discovery.k8s.io "${name}": ` +
        "the object has been modified; please apply your changes to the latest version and try again");
    }
    check(object);
    const { uid, creationTimestamp, generation } = before;
    return this.#write(`${namespace}/${name}`, { ...object, metadata: {
      ...metadata, name, namespace, uid, creationTimestamp, generation: Number(generation) + 1,
    } });
  }

  /** Endpoints and ports are atomic lists, so a strategic merge is a merge (RFC 7396) here. */
  patch(namespace: string, name: string, change: Fields): Kept {
    const { object } = this.get(namespace, name);
    const merged = merge(object, change) as Fields;
    metadataOf(merged)["resourceVersion"] = metadataOf(object)["resourceVersion"];
    return this.replace(namespace, name, merged);
  }

  remove(namespace: string, name: string): Kept {
    const kept = this.get(namespace, name);
    this.#write(`${namespace}/${name}`, undefined);
    return kept;
  }

  removeAll(_namespace: string, matches: Matches): void {
    for (const kept of this.all().filter(matches)) this.#write(`${kept.namespace}/${kept.name}`, undefined);
  }

  /** Whatever tests want kept, sound or not. What is kept so already is no change. */
  put(objects: readonly Fields[], isReplaced: (labels: Kept["labels"]) => boolean): void {
    const keys = objects.map((object) => {
      const { namespace, name } = keptOf(object);
      return `${namespace}/${name}`;
    });
    for (const [key, { labels }] of [...this.#objects]) {
      if (isReplaced(labels) && !keys.includes(key)) this.#write(key, undefined);
    }
    objects.forEach((object, i) => {
      const key = keys[i] as string;
      const { resourceVersion: _, ...before } = metadataOf(this.#objects.get(key)?.object ?? {});
      const isSame = JSON.stringify({ ...this.#objects.get(key)?.object, metadata: before }) === JSON.stringify(object);
      if (!isSame) this.#write(key, structuredClone(object));
    });
  }

  #write(key: string, object: Fields | undefined): Kept {
    const version = ++this.version;
    const before = this.#objects.get(key);
    if (object !== undefined) {
      object["metadata"] = { ...(object["metadata"] as Fields | undefined), resourceVersion: String(version) };
    }
    const after = object === undefined ? undefined : keptOf(object);
    if (after === undefined) this.#objects.delete(key);
    else this.#objects.set(key, after);
    appendFileSync(this.#file, `${JSON.stringify({ version, key, object })}\n`);
    const last = object ?? {
      ...before?.object, metadata: { ...metadataOf(before?.object ?? {}), resourceVersion: String(version) },
    };
    const change: Change = { version, before, after, object: last };
    this.#changes.push(change);
    while (this.#changes.length > this.#window()) this.oldest = this.#changes.shift()?.version ?? this.oldest;
    for (const told of [...this.#subscribers]) told(change);
    return after ?? (before as Kept);
  }

  /** What happened after a version; undefined if that is no longer known. */
  since(version: number): readonly Change[] | undefined {
    return version < this.oldest ? undefined : this.#changes.filter((change) => change.version > version);
  }

  subscribe(told: (change: Change) => void): () => void {
    this.#subscribers.add(told);
    return () => void this.#subscribers.delete(told);
  }

  /** All pages of a list are as of the version of the first. */
  list(matches: Matches, limit: number, token: string) {
    const { version, after } = token === "" ? { version: this.version, after: 0 }
      : JSON.parse(Buffer.from(token, "base64url").toString()) as { version: number; after: number };
    const snapshot = token === "" ? this.all() : this.#snapshots.get(version);
    if (snapshot === undefined) {
      throw new Status(410, "Expired", "The provided continue parameter is too old to display a consistent list " +
        "result. You can start a new list without the continue parameter.");
    }
    const found = snapshot.filter(matches);
    const until = limit > 0 ? after + limit : found.length;
    const remaining = Math.max(0, found.length - until);
    if (remaining > 0) this.#snapshots.set(version, snapshot);
    if (this.#snapshots.size > 100) this.#snapshots.delete([...this.#snapshots.keys()][0] as number);
    const next = Buffer.from(JSON.stringify({ version, after: until })).toString("base64url");
    return { version, objects: found.slice(after, until), remaining, token: remaining > 0 ? next : "" };
  }

  compact(): void {
    this.#changes = [];
    this.#snapshots.clear();
    this.oldest = this.version;
  }
}

export function keptOf(object: Fields): Kept {
  const { namespace, name, labels } = metadataOf(object);
  return {
    namespace: typeof namespace === "string" ? namespace : "default", name: String(name),
    labels: typeof labels === "object" && labels !== null ? labels as Record<string, string> : {}, object,
  };
}

function metadataOf(object: Fields): Fields {
  const { metadata } = object;
  return typeof metadata === "object" && metadata !== null ? metadata as Fields : {};
}

/** The least of what the real one asks for. It also refuses loopback addresses, which tests need. */
function check(object: Fields): void {
  if (["IPv4", "IPv6", "FQDN"].includes(String(object["addressType"]))) return;
  throw new Status(422, "Invalid", "EndpointSlice.discovery.k8s.io is invalid: addressType: Required value");
}

function merge(target: unknown, change: unknown): unknown {
  if (typeof change !== "object" || change === null || Array.isArray(change)) return change;
  const merged: Fields = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(change)) {
    if (key.startsWith("$")) continue;
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

/** `a=b,c!=d,e in (f,g),h,!i`. */
export function selectorOf(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const tests = text.split(/,(?![^(]*\))/).map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const [, name = "", operator = "", value = ""] =
      /^!?([-\w./]+)\s*(=|==|!=|\bin\b|\bnotin\b)?\s*(.*)$/.exec(part) ?? [];
    const values = value.replace(/^\((.*)\)$/, "$1").split(",").map((one) => one.trim());
    const isNegated = part.startsWith("!") || operator === "!=" || operator === "notin";
    const isSetOnly = operator === "";
    return (labels: Readonly<Record<string, string>>): boolean => {
      const has = Object.hasOwn(labels, name);
      const is = isSetOnly ? has : has && values.includes(labels[name] as string);
      return isNegated ? !is : is;
    };
  });
  return (labels) => tests.every((one) => one(labels));
}
