/**
 * A ShardHost is the server's half of sharding: handlers get the state of their keys' shard, if it is held here.
 *
 * Calls for a shard of another's are refused with its owner and epoch (see shard-moved.ts). What a handler writes is
 * committed with the record that it was done, in one step (RIFL's rule), so that a repeat of a keyed call is answered
 * from the record, here or wherever the shard has moved to.
 */
import { taggedJson } from "../codec/json-tagged.ts";
import type { AnyContract, AnyMethod, Client, HandlerInputOf, HandlerOf, Handlers } from "../contract/index.ts";
import { Writer } from "../contract/index.ts";
import {
  badOption, type Context, expected, numberOption, type Observer, RpcError, type Runtime,
} from "../core/index.ts";
import { keyLocks, type KeyLocks } from "./key-locks.ts";
import type { ShardAuthority } from "./shard-authority.ts";
import type { ShardHosts } from "./shard-contract.ts";
import { type Arrivals, arrivals } from "./shard-arrivals.ts";
import { ownerOf, type ShardMap, shardOf } from "./shard-map.ts";
import { moveOut, type MoveSettings, pauseMs } from "./shard-move.ts";
import { epochHeader, shardMovedError } from "./shard-moved.ts";
import { type Change, committed, type ShardLog, Slot, writeRecord } from "./shard-slot.ts";
import { type ShardState, ShardTransaction } from "./shard-state.ts";

/** A handler that gets, between its input and its context, the state of its keys' shard. */
export type ShardHandler<H> = H extends (input: infer I, context: Context) => infer O
  ? (input: I, state: ShardState, context: Context) => O : never;

export type ShardHandlers<S extends AnyContract> = {
  readonly [Name in keyof S["methods"]]: ShardHandler<HandlerOf<S["methods"][Name]>>;
};

export interface ShardHostOptions<S extends AnyContract> {
  /** The name under which the map knows this server. It names what is held, not the process: see `log`. */
  readonly id: string;
  readonly authority: ShardAuthority;
  /** The other servers, by their names in the map: `shardPeers(client)`. */
  readonly peer: (owner: string) => Client<typeof ShardHosts>;
  /**
   * Where it is written down what is held. Default: nowhere; then a process that starts anew has nothing, and must do
   * so under another `id`.
   */
  readonly log?: ShardLog | undefined;
  /** The keys of a call, for methods that have several or no route key. Default: the method's `routeKey`. */
  readonly keys?: {
    readonly [Name in keyof S["methods"]]?: (input: HandlerInputOf<S["methods"][Name]>) => readonly string[];
  };
  /**
   * How long it is remembered that a keyed call was done, in milliseconds; no caller may repeat one for longer.
   * Default 600,000.
   */
  readonly recordTtlMs?: number | undefined;
  /** Most records and entries of one shard. Default 100,000 and 1,000,000. */
  readonly maxRecords?: number | undefined;
  readonly maxEntries?: number | undefined;
  /** Most calls that wait at a fence for their shard to move. Default 1,000. */
  readonly maxWaiting?: number | undefined;
  readonly move?: Partial<MoveSettings> | undefined;
  /** Hears `shard.claimed`, `shard.arrived`, `shard.moved`, `shard.move.given-up`. */
  readonly observer?: Observer | undefined;
}

export interface ShardHost<S extends AnyContract> {
  /** Handlers for `server.implement(contract, …)`. */
  handlers(handlers: ShardHandlers<S>): Handlers<S>;
  /** For `server.implement(ShardHosts, host.service)`: by this the servers talk to each other. */
  readonly service: Handlers<typeof ShardHosts>;
  /**
   * Takes possession of the shards that are its own by the map, with a new epoch: nothing that an earlier life of this
   * server may have left under way can take effect after that. Before it, every call is refused.
   */
  start(): Promise<void>;
  /** Moves a shard of its own to another owner; resolves with the map when it has moved. */
  move(shard: number, to: string): Promise<ShardMap>;
  /** The shards that it serves now. */
  owned(): readonly number[];
  /** What it holds of a shard, for backups, views and tests. */
  entriesOf(shard: number): ReadonlyMap<string, string>;
  readonly map: ShardMap | undefined;
  close(): void;
}

interface Settings {
  readonly recordTtlMs: number;
  readonly maxRecords: number;
  readonly maxEntries: number;
  readonly maxWaiting: number;
  readonly move: MoveSettings;
}

/** Makes the server's half. Nothing is served before `start`. */
export function shardHost<S extends AnyContract>(
  runtime: Runtime, contract: S, options: ShardHostOptions<S>,
): ShardHost<S> {
  return new Host(runtime, contract, options, settingsOf(options));
}

function settingsOf<S extends AnyContract>(options: ShardHostOptions<S>): Settings {
  if (options.id === "" || options.id.length > 128) throw badOption("id", options.id, "expected 1 to 128 characters");
  const count = (name: string, value: number, unit: string): number =>
    numberOption(name, value, { least: 1, whole: true, unit });
  const { move } = options;
  return {
    recordTtlMs: numberOption("recordTtlMs", options.recordTtlMs ?? 600_000, { least: 1_000, unit: "milliseconds" }),
    maxRecords: count("maxRecords", options.maxRecords ?? 100_000, "records"),
    maxEntries: count("maxEntries", options.maxEntries ?? 1_000_000, "entries"),
    maxWaiting: count("maxWaiting", options.maxWaiting ?? 1_000, "calls"),
    move: {
      batchEntries: count("move.batchEntries", move?.batchEntries ?? 256, "entries"),
      batchChars: count("move.batchChars", move?.batchChars ?? 262_144, "characters"),
      fenceTimeoutMs: count("move.fenceTimeoutMs", move?.fenceTimeoutMs ?? 2_000, "milliseconds"),
      maxRounds: count("move.maxRounds", move?.maxRounds ?? 8, "rounds"),
    },
  };
}

type AnyHandler = (input: unknown, state: ShardState, context: Context) => unknown;
type KeysOf = (input: unknown) => readonly string[];

class Host<S extends AnyContract> implements ShardHost<S> {
  readonly service: Handlers<typeof ShardHosts>;
  readonly #runtime: Runtime;
  readonly #contract: S;
  readonly #options: ShardHostOptions<S>;
  readonly #settings: Settings;
  readonly #observer: Observer;
  readonly #locks: KeyLocks = keyLocks();
  readonly #slots = new Map<number, Slot>();
  readonly #moves = new Map<number, { readonly to: string; readonly done: Promise<ShardMap> }>();
  readonly #arrivals: Arrivals;
  #map: ShardMap | undefined = undefined;
  #sequence = 0;
  #waiting = 0;
  #started = false;
  #closed = false;
  #refreshing: Promise<void> | undefined = undefined;

  constructor(runtime: Runtime, contract: S, options: ShardHostOptions<S>, settings: Settings) {
    this.#runtime = runtime;
    this.#contract = contract;
    this.#options = options;
    this.#settings = settings;
    this.#observer = options.observer ?? {};
    this.#arrivals = arrivals({
      log: options.log, slot: (shard) => this.#slot(shard), map: () => this.map,
      refresh: () => this.#refresh(), move: (shard, to) => this.move(shard, to),
    });
    this.service = this.#arrivals.handlers;
  }

  get map(): ShardMap | undefined {
    return this.#map;
  }

  async start(): Promise<void> {
    const { authority, id, log } = this.#options;
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        const before = this.#map ?? await authority.read();
        const { replaced, map } = await authority.replace(before.epoch, { ...before, epoch: before.epoch + 1 });
        this.#map = map;
        if (replaced) break;
      } catch (error) {
        this.#observer.event?.("shard.claim.failed", { id, why: RpcError.from(error).message });
        this.#map = undefined;
      }
      await new Promise<void>((resolve) => void this.#runtime.clock.after(pauseMs(attempt, this.#runtime), resolve));
    }
    const map = this.#map as ShardMap;
    for (let shard = 0; shard < map.shards.length; shard++) {
      if (ownerOf(map, shard) !== id) continue;
      const slot = this.#slot(shard);
      slot.clear();
      slot.apply(await log?.load(shard) ?? []);
      slot.become({ kind: "owned", moving: undefined });
    }
    this.#started = true;
    this.#observer.event?.("shard.claimed", { id, epoch: map.epoch, shards: this.owned().length });
  }

  owned(): readonly number[] {
    return [...this.#slots.values()].filter(({ state }) => state.kind !== "away").map(({ shard }) => shard)
      .toSorted((a, b) => a - b);
  }

  entriesOf(shard: number): ReadonlyMap<string, string> {
    return this.#slot(shard).entries;
  }

  close(): void {
    this.#closed = true;
  }

  handlers(handlers: ShardHandlers<S>): Handlers<S> {
    const made: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(this.#contract.methods)) {
      const handler = (handlers as Record<string, AnyHandler>)[name];
      if (typeof handler !== "function") {
        throw badOption(`handlers.${name}`, handler, `expected a function for ${method.path}`);
      }
      const keysOf = this.#keysOf(name, method);
      if (method.kind === "unary") {
        made[name] = (input: unknown, context: Context) => this.#handle(method, handler, keysOf(input), input, context);
      } else if (method.kind === "server_stream") {
        made[name] = (input: unknown, context: Context) => this.#stream(handler, keysOf(input), input, context);
      } else {
        throw badOption(`handlers.${name}`, method.kind, "of sharded methods, the caller sends one message");
      }
    }
    return made as Handlers<S>;
  }

  #keysOf(name: string, method: AnyMethod): KeysOf {
    const own = (this.#options.keys as Record<string, KeysOf | undefined> | undefined)?.[name];
    if (own !== undefined) return own;
    const routeKey = method.routeKey as ((input: unknown) => string) | undefined;
    if (routeKey !== undefined) return (input) => [routeKey(input)];
    throw badOption(`keys.${name}`, undefined, `${method.path} has no routeKey: say what its keys are`);
  }

  #slot(shard: number): Slot {
    let slot = this.#slots.get(shard);
    if (slot === undefined) this.#slots.set(shard, slot = new Slot(shard));
    return slot;
  }

  /** Counts the call in at its shards; refuses it if one of them is another's, waits while one is about to go. */
  async #enter(keys: readonly string[], context: Context): Promise<readonly Slot[]> {
    let isFresh = false;
    for (;;) {
      if (!this.#started) throw unclaimed();
      const map = this.#map as ShardMap;
      const slots = [...new Set(keys.map((key) => shardOf(map, key)))].map((shard) => this.#slot(shard));
      // Nobody counts in before all may: two calls that wait for each other's shard would hold up both moves.
      const fenced = slots.find(({ state }) => state.kind === "fenced");
      if (fenced !== undefined) {
        await this.#waitAt(fenced, context);
        continue;
      }
      const away = slots.find(({ state }) => state.kind === "away");
      if (away === undefined) {
        for (const slot of slots) slot.running++;
        return slots;
      }
      if (isFresh || !this.#mayHaveCome(away, map, context)) throw this.#moved(away);
      isFresh = true;
      await this.#refresh();
    }
  }

  #moved({ shard }: Slot): RpcError {
    return shardMovedError(this.#contract.name, this.#map as ShardMap, shard, this.#options.id);
  }

  /** Whether the map that counts may say more than ours. */
  #mayHaveCome({ state }: Slot, map: ShardMap, context: Context): boolean {
    return (state.kind === "away" && state.arriving?.complete === true) ||
      Number(context.metadata[epochHeader] ?? 0) > map.epoch;
  }

  async #waitAt(slot: Slot, context: Context): Promise<void> {
    if (this.#waiting >= this.#settings.maxWaiting) {
      throw expected("resource_exhausted", `${this.#waiting} calls wait for shards that are about to move (maxWaiting)`,
        { neverStarted: true, retryAfterMs: 20 });
    }
    this.#waiting++;
    try {
      await slot.wait(this.#runtime, context);
    } finally {
      this.#waiting--;
    }
  }

  /** Looks at the map that counts, and takes possession of what has arrived and is ours by it. */
  #refresh(): Promise<void> {
    return this.#refreshing ??= (async () => {
      try {
        this.#learn(await this.#options.authority.read());
      } catch {
        // What is known stays true; whoever asked is told by it.
      } finally {
        this.#refreshing = undefined;
      }
    })();
  }

  #learn(map: ShardMap): void {
    if (this.#map === undefined || map.epoch <= this.#map.epoch) return;
    this.#map = map;
    for (const slot of this.#slots.values()) {
      const { state, shard } = slot;
      const isOurs = ownerOf(map, shard) === this.#options.id;
      if (state.kind === "owned" && !isOurs) {
        // No move of ours did this: whoever changed the map by hand has taken it away.
        slot.become({ kind: "away", arriving: undefined });
        const to = ownerOf(map, shard);
        this.#observer.event?.("shard.taken", { shard, at: this.#options.id, epoch: map.epoch, to });
      }
      if (!isOurs || state.kind !== "away" || state.arriving?.complete !== true) continue;
      slot.become({ kind: "owned", moving: undefined });
      this.#observer.event?.("shard.arrived", { shard, at: this.#options.id, epoch: map.epoch });
    }
  }

  async #handle(
    method: AnyMethod, handler: AnyHandler, keys: readonly string[], input: unknown, context: Context,
  ): Promise<unknown> {
    const slots = await this.#enter(keys, context);
    let unlock: (() => void) | undefined;
    try {
      if (slots.length > 1 && method.idempotent !== true) {
        throw new RpcError("invalid_argument", `the keys of this call lie in ${slots.length} shards; ${method.path} ` +
          "is not idempotent, so call it for each shard by itself", { neverStarted: true });
      }
      const state = new ShardTransaction(this.#map as ShardMap, slots);
      if (method.safe === true) return await handler(input, state, context);
      unlock = await this.#locks.take(keys);
      if (context.cancelReason !== undefined) throw context.cancelReason;
      if (this.#runtime.clock.now() >= context.deadline) {
        throw expected("deadline_exceeded", "other calls at this key took all the time", { neverStarted: true });
      }
      const key = method.idempotent === "keyed" ? context.idempotencyKey : undefined;
      const done = key === undefined ? undefined : slots[0]?.records.get(key);
      if (done !== undefined) return readAnswer(done.answer);
      const answer = await handler(input, state, context);
      for (const slot of slots) {
        await this.#commit(slot, state.changesOf(slot), slot === slots[0] ? key : undefined, answer);
      }
      return answer;
    } finally {
      unlock?.();
      for (const slot of slots) slot.leave();
    }
  }

  /** What the handler wrote, that it was done, and which records have served their time: one commit. */
  async #commit(slot: Slot, changes: Change[], key: string | undefined, answer: unknown): Promise<void> {
    const { recordTtlMs, maxRecords, maxEntries } = this.#settings;
    if (key !== undefined) {
      const nowMs = this.#runtime.clock.wallMs();
      for (const [old, { expiresMs }] of slot.records) {
        if (expiresMs > nowMs) break;
        changes.push([`r${old}`, undefined]);
      }
      if (slot.records.size >= maxRecords + changes.length) throw tooMany("calls to be remembered", maxRecords, slot);
      changes.push([`r${key}`, writeRecord({ expiresMs: nowMs + recordTtlMs, answer: writeAnswer(answer) })]);
    }
    if (changes.length === 0) return;
    if (slot.entries.size >= maxEntries) throw tooMany("entries", maxEntries, slot);
    await committed(this.#options.log, slot, changes);
  }

  /** A stream is not waited for at the fence: it ends when its shard goes, for its reader to go on elsewhere. */
  async *#stream(
    handler: AnyHandler, keys: readonly string[], input: unknown, context: Context,
  ): AsyncGenerator {
    const slots = await this.#enter(keys, context);
    for (const slot of slots) slot.leave();
    const state = new ShardTransaction(this.#map as ShardMap, slots);
    for await (const item of handler(input, state, context) as AsyncIterable<unknown>) {
      const away = slots.find(({ state: { kind } }) => kind === "away");
      if (away !== undefined) throw this.#moved(away);
      yield item;
    }
  }

  move(shard: number, to: string): Promise<ShardMap> {
    const under = this.#moves.get(shard);
    if (under !== undefined) {
      return under.to === to ? under.done : Promise.reject(
        expected("aborted", `shard ${shard} is moving to ${under.to} already`, { neverStarted: true }));
    }
    const done = this.#move(shard, to).finally(() => this.#moves.delete(shard));
    this.#moves.set(shard, { to, done });
    return done;
  }

  async #move(shard: number, to: string): Promise<ShardMap> {
    const { id, authority, log } = this.#options;
    const slot = this.#slot(shard);
    // It may have come so lately that nobody has told us.
    if (slot.state.kind === "away" && slot.state.arriving?.complete === true) await this.#refresh();
    const map = this.#map;
    if (map === undefined || !this.#started) throw unclaimed();
    const owner = ownerOf(map, shard);
    if (owner === to) return map;
    if (slot.state.kind === "away") throw this.#moved(slot);
    const moved = await moveOut({
      runtime: this.#runtime, self: id, slot, authority, observer: this.#observer, settings: this.#settings.move,
      move: { epoch: map.epoch, sequence: ++this.#sequence }, peer: this.#options.peer(to),
      map: () => this.#map as ShardMap, learn: (newer) => this.#learn(newer), isClosed: () => this.#closed,
    }, to);
    await log?.drop(shard);
    return moved;
  }
}

function unclaimed(): RpcError {
  return expected("unavailable", "this server has not claimed its shards yet", { neverStarted: true });
}

function tooMany(what: string, most: number, slot: Slot): RpcError {
  return expected("resource_exhausted", `shard ${slot.shard} has ${most} ${what} already`, { retryAfterMs: 1_000 });
}

function writeAnswer(answer: unknown): string {
  const writer = new Writer();
  taggedJson.encode(answer, writer);
  return new TextDecoder().decode(writer.finish());
}

function readAnswer(text: string): unknown {
  const bytes = new TextEncoder().encode(text);
  return taggedJson.decode(bytes, 0, bytes.length);
}
