/**
 * A RegisteredName is one name of the registry: its leases, those who watch it, and when they are told.
 *
 * A first change is published after a few milliseconds, so that what comes together is told together; the next ones no
 * sooner than the size of the set allows, since every watcher makes a complete set of what it is told. What goes over
 * the wire is what changed, for those who keep the set themselves, as long as it is remembered and less than the set.
 */
import { Alarm } from "../core/alarm.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Clock } from "../core/runtime.ts";

/** Changes within so many milliseconds are told together. */
const coalesceMs = 10;
/** Snapshots of a large set keep a distance of a millisecond for so many endpoints, and of at most a second. */
const endpointsPerMs = 50;
const maxDistanceMs = 1_000;
/** A snapshot is cut into parts of about so many characters: far below the largest message. */
const maxPartChars = 131_072;
/** Changes that take more characters than this are not told as such, but by the complete set in parts. */
const maxChangeChars = 4 * maxPartChars;
/** So many versions are remembered by what changed in them, and so many changes in all. */
const maxLog = { versions: 64, ids: 20_000 } as const;
/** For what goes: an id. */
const removedChars = 64;

/** One endpoint's right to be listed, for as long as it is renewed. */
export interface Entry {
  readonly endpoint: EndpointAddress;
  /** Roughly what it takes in a message. */
  readonly chars: number;
}

/** What came or changed, and the ids of what went, since some version. */
export interface Changes {
  readonly endpoints: readonly EndpointAddress[];
  readonly removed: readonly string[];
}

/** Who wants to hear that a new version is there. */
export interface NameWatcher {
  published(): void;
}

export class RegisteredName<E extends Entry = Entry> extends Alarm {
  override keepsAlive = false;
  readonly name: string;
  /** By endpoint id. */
  readonly entries = new Map<string, E>();
  readonly watchers = new Set<NameWatcher>();
  readonly #clock: Clock;
  readonly #nextVersion: () => bigint;
  /** Of what was last published. */
  version: bigint;
  #parts: readonly (readonly EndpointAddress[])[] | undefined = undefined;
  #publishedMs = -Infinity;
  /** Ids that changed since the last version, and for each version that is remembered the one before it. */
  #changing = new Set<string>();
  #log: { readonly basis: bigint; readonly ids: ReadonlySet<string> }[] = [];
  #logged = 0;
  /** By basis, made once a version for all who watch. */
  readonly #changes = new Map<bigint, Changes | undefined>();

  constructor(clock: Clock, name: string, nextVersion: () => bigint) {
    super();
    this.#clock = clock;
    this.name = name;
    this.#nextVersion = nextVersion;
    this.version = nextVersion();
  }

  /** Whether there is a change that was not published yet. */
  get isChanged(): boolean {
    return this.isSet;
  }

  /** The endpoint of this id came, went, or changed. */
  changed(id: string): void {
    this.#changing.add(id);
    if (this.isSet) return;
    const distanceMs = Math.min(maxDistanceMs, this.entries.size / endpointsPerMs);
    this.#clock.set(this, Math.max(this.#clock.now() + coalesceMs, this.#publishedMs + distanceMs));
  }

  ring(): void {
    this.#remember(this.version);
    this.version = this.#nextVersion();
    this.#parts = undefined;
    this.#changes.clear();
    this.#publishedMs = this.#clock.now();
    for (const watcher of [...this.watchers]) watcher.published();
  }

  /** The complete set as of now in parts, at least one; made once a version for all who watch. */
  parts(): readonly (readonly EndpointAddress[])[] {
    return this.#parts ??= cut(this.entries.values());
  }

  #remember(basis: bigint): void {
    this.#log.push({ basis, ids: this.#changing });
    this.#logged += this.#changing.size;
    this.#changing = new Set();
    while (this.#log.length > maxLog.versions || this.#logged > maxLog.ids) {
      this.#logged -= this.#log.shift()?.ids.size ?? 0;
    }
  }

  /** What changed since a version; undefined if that is forgotten, or no less than the set itself. */
  changesSince(basis: bigint): Changes | undefined {
    if (this.#changes.has(basis)) return this.#changes.get(basis);
    const changes = this.#sum(basis);
    this.#changes.set(basis, changes);
    return changes;
  }

  #sum(basis: bigint): Changes | undefined {
    const first = this.#log.findIndex((one) => one.basis === basis);
    if (first < 0) return undefined;
    const ids = new Set(this.#log.slice(first).flatMap((one) => [...one.ids]));
    if (ids.size * 2 > this.entries.size) return undefined;
    const endpoints: EndpointAddress[] = [];
    const removed: string[] = [];
    let chars = 0;
    for (const id of ids) {
      const entry = this.entries.get(id);
      chars += entry?.chars ?? removedChars;
      if (entry === undefined) removed.push(id);
      else endpoints.push(entry.endpoint);
    }
    return chars > maxChangeChars ? undefined : { endpoints, removed };
  }

  close(): void {
    this.#clock.clear(this);
  }
}

function cut(entries: Iterable<Entry>): EndpointAddress[][] {
  let part: EndpointAddress[] = [];
  const parts = [part];
  let chars = 0;
  for (const entry of entries) {
    if (chars > maxPartChars) {
      parts.push(part = []);
      chars = 0;
    }
    part.push(entry.endpoint);
    chars += entry.chars;
  }
  return parts;
}
