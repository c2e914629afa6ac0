/**
 * Splitting makes parts of a request by its keys, runs each where its shard lives, and merges what comes back.
 *
 * When a shard moves meanwhile, the part that met its old owner is split again by the new map. Parts of methods that
 * may be repeated freely hold all keys of an owner; others hold the keys of one virtual shard, which moves as a whole
 * with the records of what was done, so that a part is never done twice.
 */
import { follow, forget } from "../client/cancellation.ts";
import type { AnyContract, AnyMethod, CallOptions } from "../contract/index.ts";
import { badOption, Context, expected, numberOption, RpcError } from "../core/index.ts";
import type { Input, Output, UnaryName } from "./gather.ts";
import { mergeOrdered, mergeUnordered } from "./merge.ts";
import { type Failure, gatherError } from "./outcome.ts";
import { ownerOf, type ShardMap, shardOf } from "./shard-map.ts";
import type { ShardRouter } from "./shard-router.ts";
import { callShard, deadlineOf, keyOf, type ShardedClient } from "./sharded-client.ts";

/** What became of some of the keys. */
export interface Part<T> {
  readonly keys: readonly string[];
  /** Who answered, by its name in the map. */
  readonly owner: string;
  readonly value: T;
}

export interface SplitOptions<S extends AnyContract, Name extends keyof S["methods"], Request, R> {
  /** The keys of a request, by which it is split. */
  readonly keys: (request: Request) => readonly string[];
  /** The part of a request that some of its keys are about. */
  readonly part: (request: Request, keys: readonly string[]) => Input<S, Name>;
  /** Makes one answer of the parts, which come in no order. Default: the parts as they are. */
  readonly merge?: ((parts: readonly Part<Output<S, Name>>[], request: Request) => R) | undefined;
  /** Parts that may fail; one more fails it, and cancels the others. Default 0. */
  readonly maxFailures?: number | undefined;
  /** Most parts under way at once. Default 64. */
  readonly concurrency?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Split<Request, T, R> {
  (request: Request, options?: CallOptions): Promise<R>;
  /** The parts as they come. Who stops reading cancels what is under way. */
  stream(request: Request, options?: CallOptions): AsyncIterable<Part<T>>;
}

/** Splits calls of a unary method. One deadline holds for all parts, however often they are split again. */
export function split<
  S extends AnyContract, Name extends UnaryName<S>, Request = Input<S, Name>,
  R = readonly Part<Output<S, Name>>[],
>(
  client: ShardedClient<S>, name: Name, options: SplitOptions<S, Name, Request, R>,
): Split<Request, Output<S, Name>, R> {
  const { contract, router } = client.$shards;
  const method = methodOf(contract, name, "unary");
  const concurrency = numberOption("concurrency", options.concurrency ?? 64,
    { least: 1, most: 100_000, whole: true, unit: "parts" });
  const maxFailures = numberOption("maxFailures", options.maxFailures ?? 0, { least: 0, whole: true, unit: "parts" });
  const timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 15_000, { least: 1, unit: "milliseconds" });
  const stream = async function* (request: Request, call: CallOptions = {}): AsyncGenerator<Part<Output<S, Name>>> {
    const parts = new Parts<S>(router, method, {
      part: (keys) => options.part(request, keys), concurrency, maxFailures, call,
      deadline: deadlineOf(router.runtime, method, call, timeoutMs),
    });
    yield* parts.run(options.keys(request)) as AsyncIterable<Part<Output<S, Name>>>;
  };
  const whole = async (request: Request, call?: CallOptions): Promise<R> => {
    const parts: Part<Output<S, Name>>[] = [];
    for await (const part of stream(request, call)) parts.push(part);
    return options.merge === undefined ? parts as R : options.merge(parts, request);
  };
  return Object.assign(whole, { stream });
}

interface PartsPlan {
  readonly part: (keys: readonly string[]) => unknown;
  readonly concurrency: number;
  readonly maxFailures: number;
  readonly call: CallOptions;
  readonly deadline: number;
}

type AnyCall = (input: unknown, options: CallOptions) => Promise<unknown>;

class Parts<S extends AnyContract> {
  readonly #router: ShardRouter<S>;
  readonly #method: AnyMethod;
  readonly #plan: PartsPlan;
  readonly #scope: Context;
  readonly #key: string | undefined;
  readonly #waiting: (readonly string[])[] = [];
  readonly #done: Part<unknown>[] = [];
  readonly #failures: Failure[] = [];
  #active = 0;
  #parts = 0;
  #failed: RpcError | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  constructor(router: ShardRouter<S>, method: AnyMethod, plan: PartsPlan) {
    this.#router = router;
    this.#method = method;
    this.#plan = plan;
    this.#scope = new Context(method, router.runtime.clock.now(), plan.deadline);
    this.#key = keyOf(router.runtime, method, plan.call);
  }

  async *run(keys: readonly string[]): AsyncGenerator<Part<unknown>> {
    const unlink = linked(this.#plan.call, this.#scope);
    try {
      await this.#router.known();
      this.#split([...new Set(keys)]);
      for (;;) {
        this.#begin();
        if (this.#failed !== undefined) throw this.#failed;
        const part = this.#done.shift();
        if (part !== undefined) yield part;
        else if (this.#active === 0) return;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      unlink();
      this.#scope.cancel(expected("cancelled", "no more parts are needed"));
    }
  }

  #split(keys: readonly string[]): void {
    const groups = grouped(this.#router.map as ShardMap, keys, this.#method.idempotent === true ? "owner" : "shard");
    this.#waiting.push(...groups);
    this.#parts += groups.length;
  }

  #begin(): void {
    while (this.#failed === undefined && this.#active < this.#plan.concurrency) {
      const keys = this.#waiting.shift();
      if (keys === undefined) return;
      this.#active++;
      const ended = this.#method.idempotent === true ? this.#byOwner(keys) : this.#byShard(keys);
      ended.catch((error: unknown) => this.#fail(keys, RpcError.from(error))).finally(() => {
        this.#active--;
        this.#wake?.();
      });
    }
  }

  #fail(keys: readonly string[], error: RpcError): void {
    const map = this.#router.map as ShardMap;
    const owner = ownerOf(map, shardOf(map, keys[0] ?? ""));
    const target = { id: owner, name: `${keys.length} keys at ${owner}`, region: "" };
    this.#failures.push({ target, error, latencyMs: 0 });
    const { maxFailures } = this.#plan;
    if (this.#failures.length <= maxFailures) return;
    this.#failed ??= this.#scope.cancelReason ?? gatherError(
      `${this.#failures.length} of ${this.#parts} parts failed, at most ${maxFailures} may`,
      { failures: this.#failures, targets: this.#parts, answered: this.#parts - this.#active - this.#failures.length });
  }

  #options(routeKey: string, key: string | undefined): CallOptions {
    return { ...this.#plan.call, context: this.#scope, signal: undefined, routeKey, idempotencyKey: key };
  }

  /** All keys of an owner; those that have moved are split again. */
  async #byOwner(keys: readonly string[]): Promise<void> {
    const router = this.#router;
    const first = keys[0] as string;
    const retry = { attempt: 0, deadline: this.#plan.deadline, sent: router.map as ShardMap };
    for (;;) {
      const map = retry.sent = router.map as ShardMap;
      const owner = ownerOf(map, shardOf(map, first));
      if (keys.some((key) => ownerOf(map, shardOf(map, key)) !== owner)) {
        this.#parts--;
        this.#split(keys);
        return;
      }
      try {
        const call = (router.at(owner) as unknown as Record<string, AnyCall>)[this.#method.name] as AnyCall;
        const options = router.stamped(map, this.#options(first, undefined), this.#plan.deadline);
        const value = await call(this.#plan.part(keys), options);
        this.#done.push({ keys, owner, value });
        return;
      } catch (error) {
        if (this.#scope.cancelReason !== undefined || !await router.again(this.#method, error, retry)) throw error;
      }
    }
  }

  async #byShard(keys: readonly string[]): Promise<void> {
    const first = keys[0] as string;
    const shard = shardOf(this.#router.map as ShardMap, first);
    const options = this.#options(first, this.#key && `${this.#key}#${shard}`);
    const { part, deadline } = this.#plan;
    const value = await callShard(this.#router, this.#method, shard, part(keys), options, deadline);
    this.#done.push({ keys, owner: this.#router.owner(shard), value });
  }
}

function grouped(map: ShardMap, keys: readonly string[], by: "owner" | "shard"): readonly (readonly string[])[] {
  const groups = new Map<string | number, string[]>();
  for (const key of keys) {
    const shard = shardOf(map, key);
    const group = by === "shard" ? shard : ownerOf(map, shard);
    const its = groups.get(group);
    if (its === undefined) groups.set(group, [key]);
    else its.push(key);
  }
  return [...groups.values()];
}

/** The caller's signal and call cancel `scope`. What it returns undoes that. */
function linked({ context, signal }: CallOptions, scope: Context): () => void {
  const child = { cancelled: (reason: RpcError) => scope.cancel(reason) };
  context?.onCancel(child);
  if (signal !== undefined) follow(signal, scope);
  return () => {
    context?.offCancel(child);
    if (signal !== undefined) forget(signal, scope);
  };
}

function methodOf(contract: AnyContract, name: string, kind: AnyMethod["kind"]): AnyMethod {
  const method = Object.hasOwn(contract.methods, name) ? contract.methods[name] : undefined;
  if (method?.kind === kind) return method;
  throw badOption("method", name, `expected a ${kind} method of ${contract.name}`);
}

/** The names of a contract's methods that answer with a stream to one message. */
export type StreamName<S extends AnyContract> = {
  [Name in keyof S["methods"]]: S["methods"][Name]["kind"] extends "server_stream" ? Name : never;
}[keyof S["methods"]] & string;

export interface SplitStreamOptions<S extends AnyContract, Name extends keyof S["methods"], Request> {
  readonly keys: (request: Request) => readonly string[];
  /**
   * The part of a request that some of its keys are about. `after` is the last item that came of it before it broke
   * off: what is asked then begins behind it.
   */
  readonly part: (request: Request, keys: readonly string[], after: Output<S, Name> | undefined) => Input<S, Name>;
  /** The order of the items within each part, kept by the merged stream. Default: items as they come. */
  readonly compare?: ((a: Output<S, Name>, b: Output<S, Name>) => number) | undefined;
  /** Whether a part that broke off after its first item may be gone on with, elsewhere. Default false. */
  readonly resumes?: boolean | undefined;
}

/**
 * Splits calls that answer with streams, and merges those as they come, in order if `compare` says one. The reader's
 * pace is the streams': one item of each is asked for ahead, and credit does the rest.
 */
export function splitStream<S extends AnyContract, Name extends StreamName<S>, Request = Input<S, Name>>(
  client: ShardedClient<S>, name: Name, options: SplitStreamOptions<S, Name, Request>,
): (request: Request, call?: CallOptions) => AsyncIterable<Output<S, Name>> {
  const { contract, router } = client.$shards;
  const method = methodOf(contract, name, "server_stream");
  const { compare, resumes = false } = options;
  type Item = Output<S, Name>;
  return async function* (request, call = {}) {
    const deadline = deadlineOf(router.runtime, method, call, Infinity);
    const scope = new Context(method, router.runtime.clock.now(), deadline);
    const merged = (keys: readonly string[], after: Item | undefined): AsyncIterable<Item> => {
      const parts = grouped(router.map as ShardMap, keys, "owner").map((its) => part(its, after));
      return parts.length === 1 ? parts[0] as AsyncIterable<Item>
        : compare === undefined ? mergeUnordered(parts) : mergeOrdered(parts, compare);
    };
    const part = async function* (keys: readonly string[], from: Item | undefined): AsyncGenerator<Item> {
      let after = from;
      let isOut = false;
      const retry = { attempt: 0, deadline, sent: router.map as ShardMap };
      for (;;) {
        const map = retry.sent = router.map as ShardMap;
        const groups = grouped(map, keys, "owner");
        if (groups.length > 1) {
          yield* merged(keys, after);
          return;
        }
        const first = keys[0] as string;
        const at = router.at(ownerOf(map, shardOf(map, first))) as unknown as Record<string, AnyCall>;
        try {
          const items = (at[method.name] as AnyCall)(options.part(request, keys, after), router.stamped(map,
            { ...call, context: scope, signal: undefined, routeKey: first }, deadline));
          for await (const item of items as unknown as AsyncIterable<Item>) {
            isOut = true;
            after = item;
            retry.attempt = 0;
            yield item;
          }
          return;
        } catch (error) {
          const mayResume = !isOut || resumes;
          if (scope.cancelReason !== undefined || !mayResume || !await router.again(method, error, retry)) throw error;
        }
      }
    };
    const unlink = linked(call, scope);
    try {
      await router.known();
      const keys = [...new Set(options.keys(request))];
      if (keys.length > 0) yield* merged(keys, undefined);
    } finally {
      unlink();
      scope.cancel(expected("cancelled", "no more items are wanted"));
    }
  };
}
