/**
 * A RegisteredName is one name of the registry: its leases, those who watch it, and when they are told.
 *
 * A first change is published after a few milliseconds, so that what comes together is told together; the
 * next ones no sooner than the size of the set allows, since every snapshot is told in full.
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

/** One endpoint's right to be listed, for as long as it is renewed. */
export interface Entry {
  readonly endpoint: EndpointAddress;
  /** Roughly what it takes in a message. */
  readonly chars: number;
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

  /** Somebody came, went, or changed. */
  changed(): void {
    if (this.isSet) return;
    const distanceMs = Math.min(maxDistanceMs, this.entries.size / endpointsPerMs);
    this.#clock.set(this, Math.max(this.#clock.now() + coalesceMs, this.#publishedMs + distanceMs));
  }

  ring(): void {
    this.version = this.#nextVersion();
    this.#parts = undefined;
    this.#publishedMs = this.#clock.now();
    for (const watcher of [...this.watchers]) watcher.published();
  }

  /** The complete set as of now in parts, at least one; made once a version for all who watch. */
  parts(): readonly (readonly EndpointAddress[])[] {
    return this.#parts ??= cut(this.entries.values());
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
