/** Calls as a cache takes them: looked up, answered, followed or fetched, and kept. */
import {
  Context, expected, isPromise, type Layer, type Metadata, type MethodInfo, type Observer, RpcError, type Runtime,
  type Service,
} from "../core/index.ts";
import type { CacheSettings } from "./cache.ts";
import { canonicalText } from "./canonical.ts";
import { type CacheControl, readControl, readNames } from "./control.ts";
import { type Entry, keptError, readEntry, thrownError, writeEntry } from "./entry.ts";
import { Flight, type Landing } from "./flight.ts";
import { guarded } from "./guard.ts";
import { textName } from "./hash.ts";
import { maxKeptMs, type ResolvedRule } from "./rules.ts";
import { type CacheStore, maxKeyChars } from "./store.ts";

/** One call, and where its answer is kept. */
interface Asked {
  readonly next: Service;
  readonly request: unknown;
  readonly context: Context;
  readonly rule: ResolvedRule;
  readonly control: CacheControl;
  /** The whole key, and what it is stored by: the same if every store takes it. */
  readonly key: string;
  readonly storeKey: string;
  /** What the key varies by. */
  readonly vary: readonly string[];
  /** Whether it carries credentials that the key does not: then only what is public is its answer. */
  readonly isOnes: boolean;
}

interface Captured {
  header?: Metadata | undefined;
  trailer?: Metadata | undefined;
}

/** Request metadata by which an answer is one caller's own. */
const credentials = ["authorization", "cookie"];
/** Codes that speak of servers rather than of the request: then an old answer is better than none. */
const troubles: ReadonlySet<string> = new Set(["unavailable", "deadline_exceeded", "internal", "unknown",
  "resource_exhausted", "aborted", "data_loss"]);
/** Codes that speak of the caller who led: those who follow try themselves. */
const ownEnds: ReadonlySet<string> = new Set(["cancelled", "deadline_exceeded"]);
/** Most names that a method's answers are learnt to vary by. */
const maxVaryNames = 16;

export class CachedCalls {
  readonly layer: Layer;
  readonly figures = { hits: 0, stale: 0, misses: 0, coalesced: 0 };
  readonly #runtime: Runtime;
  readonly #observer: Observer;
  readonly #settings: CacheSettings;
  readonly #store: CacheStore;
  readonly #flights = new Map<string, Flight>();
  /** By method: what its servers said that answers vary by. */
  readonly #learnt: (readonly string[] | undefined)[] = [];

  constructor(runtime: Runtime, observer: Observer, settings: CacheSettings, store: CacheStore) {
    this.#runtime = runtime;
    this.#observer = observer;
    this.#settings = settings;
    this.#store = guarded(runtime, store, { timeoutMs: settings.storeTimeoutMs, observer });
    this.layer = (next) => (request, context) => {
      const rule = settings.ruleOf(context.method);
      return rule === undefined ? next(request, context) : this.#call(next, request, context, rule);
    };
  }

  async invalidate(method: MethodInfo, request: unknown, metadata: Metadata): Promise<void> {
    const key = this.#keyOf(method, request, metadata);
    if (key === undefined) return;
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      flight.isOutdated = true;
      this.#flights.delete(key);
    }
    await this.#store.delete(storeKeyOf(method, key));
  }

  /** Answers whose calls began up to the time that is kept here are outdated. */
  async invalidateTag(tag: string): Promise<void> {
    const untilMs = this.#runtime.clock.wallMs() + (this.#store.isShared ? this.#settings.clockSkewMs : 0);
    await this.#store.set(tagKeyOf(tag), String(untilMs), maxKeptMs);
  }

  #call(next: Service, request: unknown, context: Context, rule: ResolvedRule): unknown {
    const control = readControl(context.metadata);
    if (control.noStore) return next(request, context);
    const key = this.#keyOf(context.method, request, context.metadata);
    if (key === undefined) return next(request, context);
    const vary = this.#varyOf(context.method);
    const isOnes = credentials.some((name) => context.metadata[name] !== undefined && !vary.includes(name));
    const storeKey = storeKeyOf(context.method, key);
    const asked: Asked = { next, request, context, rule, control, key, storeKey, vary, isOnes };
    if (control.noCache) return this.#lead(asked, undefined);
    const found = this.#store.get([asked.storeKey]);
    if (isPromise(found)) return found.then((texts) => this.#found(asked, texts[0]));
    return this.#found(asked, found[0]);
  }

  #found(asked: Asked, text: string | undefined): unknown {
    const read = readEntry(text, asked.key, asked.storeKey);
    const entry = asked.isOnes && read?.isPublic !== true ? undefined : read;
    if (entry?.tags === undefined || entry.tags.length === 0) return this.#judge(asked, entry);
    const times = this.#store.get(entry.tags.map(tagKeyOf));
    const judge = (untilMs: readonly (string | undefined)[]): unknown =>
      this.#judge(asked, untilMs.some((one) => entry.atMs <= Number(one)) ? undefined : entry);
    return isPromise(times) ? times.then(judge) : judge(times);
  }

  #judge(asked: Asked, entry: Entry | undefined): unknown {
    const nowMs = this.#runtime.clock.wallMs();
    if (entry !== undefined && nowMs < entry.freshMs) {
      this.figures.hits++;
      this.#tell("cache.hit", asked, entry);
      return answer(asked.context, entry);
    }
    if (entry !== undefined && nowMs < entry.staleMs) {
      this.figures.stale++;
      this.#tell("cache.stale", asked, entry, "a new answer is being fetched");
      this.#refresh(asked);
      return answer(asked.context, entry);
    }
    if (asked.control.onlyIfCached) {
      throw expected("unavailable", `no answer to ${asked.context.method.path} is cached, and the caller wanted no ` +
        "other (only-if-cached)", { neverStarted: true, retryAfterMs: -1 });
    }
    const flight = this.#flights.get(asked.key);
    return flight === undefined || asked.isOnes ? this.#lead(asked, entry) : this.#follow(flight, asked, entry);
  }

  async #follow(flight: Flight, asked: Asked, stale: Entry | undefined): Promise<unknown> {
    this.figures.coalesced++;
    const landing = await flight.follow(this.#runtime.clock, asked.context);
    switch (landing.kind) {
      case "entry": {
        const entry = readEntry(landing.text, asked.key, asked.storeKey);
        return entry === undefined ? asked.next(asked.request, asked.context) : answer(asked.context, entry);
      }
      case "error":
        return this.#orStale(asked, stale, landing.error);
      case "alone":
        return asked.next(asked.request, asked.context);
      case "again":
        // With a key of its own perhaps, by what was learnt.
        return this.#call(asked.next, asked.request, asked.context, asked.rule);
    }
  }

  /** Makes the call, for this caller and those who come meanwhile, and keeps what it gives. */
  async #lead(asked: Asked, stale: Entry | undefined): Promise<unknown> {
    this.figures.misses++;
    this.#tell("cache.miss", asked, stale);
    const flight = new Flight();
    this.#flights.set(asked.key, flight);
    const captured: Captured = {};
    const { context } = asked;
    const atMs = this.#runtime.clock.wallMs();
    let landing: Landing = { kind: "again" };
    try {
      const value = await asked.next(asked.request, context.with({ onMetadata: (kind, metadata) => {
        captured[kind] = metadata;
        context.onMetadata?.(kind, metadata);
      } }));
      landing = this.#kept(asked, flight, atMs, { value }, captured);
      return value;
    } catch (thrown) {
      const error = RpcError.from(thrown);
      const isOwn = context.cancelReason !== undefined || ownEnds.has(error.code);
      const keptMs = asked.rule.negative.get(error.code);
      if (keptMs !== undefined) landing = this.#kept(asked, flight, atMs, { error: keptError(error) }, captured);
      else if (!isOwn) landing = { kind: "error", error: thrown };
      return this.#orStale(asked, stale, thrown);
    } finally {
      if (this.#flights.get(asked.key) === flight) this.#flights.delete(asked.key);
      flight.land(landing);
    }
  }

  #orStale(asked: Asked, stale: Entry | undefined, thrown: unknown): unknown {
    const { code } = RpcError.from(thrown);
    if (stale === undefined || !troubles.has(code) || this.#runtime.clock.wallMs() >= stale.errorMs) throw thrown;
    this.figures.stale++;
    this.#tell("cache.stale", asked, stale, `the call ended with ${code}`);
    return answer(asked.context, stale);
  }

  /** Keeps an answer if it may be kept, and says what those get who followed. */
  #kept(
    asked: Asked, flight: Flight, atMs: number, what: Pick<Entry, "value" | "error">, captured: Captured,
  ): Landing {
    const { context, rule, request } = asked;
    // In a server the handler's metadata are in the reply, in a client they have come from afar.
    const header = captured.header ?? context.reply?.header;
    const trailer = captured.trailer ?? context.reply?.trailer;
    const control = readControl(header);
    if (control.noStore || (asked.isOnes && !control.isPublic)) return { kind: "alone" };
    this.#learn(context.method, readNames(header, "cache-vary"));
    const key = asked.vary === this.#varyOf(context.method)
      ? asked.key
      : this.#keyOf(context.method, request, context.metadata) ?? asked.key;
    const storeKey = storeKeyOf(context.method, key);
    const ttlMs = what.error === undefined ? control.maxAgeMs ?? rule.ttlMs : rule.negative.get(what.error.code) ?? 0;
    const freshMs = atMs + ttlMs;
    const isValue = what.error === undefined;
    const entry: Entry = {
      key: storeKey === key ? undefined : key, atMs, freshMs,
      staleMs: freshMs + (isValue ? control.staleWhileRevalidateMs ?? rule.staleWhileRevalidateMs : 0),
      errorMs: freshMs + (isValue ? control.staleIfErrorMs ?? rule.staleIfErrorMs : 0),
      isPublic: control.isPublic ? true : undefined, tags: tagsOf(asked, header), header, trailer, ...what,
    };
    const text = this.#written(asked, entry);
    if (text === undefined) return { kind: "alone" };
    const keptMs = Math.min(maxKeptMs, Math.max(entry.staleMs, entry.errorMs) - this.#runtime.clock.wallMs());
    if (keptMs > 0 && !flight.isOutdated) void this.#store.set(storeKey, text, keptMs);
    // Its answer turned out to depend on more than what they have in common.
    return key === asked.key ? { kind: "entry", text } : { kind: "again" };
  }

  #written(asked: Asked, entry: Entry): string | undefined {
    try {
      return writeEntry(entry);
    } catch (error) {
      this.#observer.event?.("cache.unstorable",
        { method: asked.context.method.path, why: RpcError.from(error).message });
      return undefined;
    }
  }

  /** Renews behind the caller's back, with a deadline of its own. */
  #refresh(asked: Asked): void {
    if (this.#flights.has(asked.key)) return;
    const { method, metadata, routeKey, hops } = asked.context;
    const nowMs = this.#runtime.clock.now();
    const context = new Context(method, nowMs, nowMs + this.#settings.refreshTimeoutMs, { metadata, routeKey, hops });
    this.#lead({ ...asked, context }, undefined).catch((error: unknown) =>
      this.#observer.event?.("cache.refresh.failed", { method: method.path, why: RpcError.from(error).message }));
  }

  #varyOf(method: MethodInfo): readonly string[] {
    return this.#learnt[method.ordinal] ?? this.#settings.vary;
  }

  #learn(method: MethodInfo, names: readonly string[]): void {
    const before = this.#varyOf(method);
    const more = names.filter((name) => !before.includes(name));
    if (more.length === 0 || before.length >= maxVaryNames) return;
    this.#learnt[method.ordinal] = [...before, ...more].toSorted().slice(0, maxVaryNames);
  }

  #keyOf(method: MethodInfo, request: unknown, metadata: Metadata): string | undefined {
    const text = canonicalText(request);
    if (text === undefined) return undefined;
    const vary = this.#varyOf(method);
    if (vary.length === 0) return `${method.path}||${text}`;
    return `${method.path}|${JSON.stringify(vary.map((name) => [name, metadata[name] ?? null]))}|${text}`;
  }

  #tell(name: string, { context }: Asked, entry: Entry | undefined, why?: string): void {
    if (this.#observer.event === undefined) return;
    const ageMs = entry === undefined ? undefined : this.#runtime.clock.wallMs() - entry.atMs;
    this.#observer.event(name, { method: context.method.path, ageMs, why });
  }
}

/** Gives the entry to one caller: metadata, and a value or an error that are its own. */
function answer(context: Context, { header, trailer, error, value }: Entry): unknown {
  for (const [kind, metadata] of [["header", header], ["trailer", trailer]] as const) {
    if (metadata === undefined) continue;
    if (context.onMetadata !== undefined) context.onMetadata(kind, metadata);
    else for (const name in metadata) setReply(context, kind, name, metadata[name] as string);
  }
  if (error !== undefined) throw thrownError(error);
  return value;
}

function setReply(context: Context, kind: "header" | "trailer", name: string, value: string): void {
  if (kind === "header") context.setHeader(name, value);
  else context.setTrailer(name, value);
}

function tagsOf({ rule, request }: Asked, header: Metadata | undefined): readonly string[] | undefined {
  const told = readNames(header, "cache-tags");
  const own = rule.tags?.(request) ?? [];
  return told.length + own.length === 0 ? undefined : [...new Set([...own, ...told])];
}

/** What a key is stored by: itself where every engine takes it, else its name among those of its method. */
function storeKeyOf(method: MethodInfo, key: string): string {
  if (key.length <= maxKeyChars && printable.test(key)) return key;
  return `${method.path.slice(-100).replaceAll(/[^\x21-\x7e]/g, "_")}#${textName(key)}`;
}

const printable = /^[\x21-\x7e]+$/;

function tagKeyOf(tag: string): string {
  const key = `tag:${tag}`;
  return key.length <= maxKeyChars && printable.test(key) ? key : `tag#${textName(tag)}`;
}
