/**
 * A sharded client calls the owner of each call's key, and follows shards that move while it calls.
 *
 * A call that comes to a server whose shard has gone is told who has it, by which epoch; it is made again there, under
 * the same idempotency key and within the same deadline.
 */
import type { AnyContract, AnyMethod, CallOptions, Client } from "../contract/index.ts";
import { badOption, expected, numberOption, type Runtime } from "../core/index.ts";
import { type ShardMap, shardOf } from "./shard-map.ts";
import { type RouterOptions, ShardRouter } from "./shard-router.ts";
import type { Governed, Target, Targets } from "./target.ts";

export interface ShardedOptions extends RouterOptions {
  /** Milliseconds for a unary call that says nothing and whose method says nothing. Default 15,000. */
  readonly timeoutMs?: number | undefined;
}

export interface ShardedControl<S extends AnyContract> {
  readonly contract: S;
  readonly runtime: Runtime;
  /** The newest map that is known; undefined before the first call or `refresh`. */
  readonly map: ShardMap | undefined;
  /** Reads the map anew. Never rejects: what is known stays true. */
  refresh(): Promise<void>;
  /** Everybody who owns shards, as targets of gatherings. */
  owners(): Targets<S>;
  readonly router: ShardRouter<S>;
}

/** The methods of the contract, each call at its shard's owner. */
export type ShardedClient<S extends AnyContract> = Client<S> & { readonly $shards: ShardedControl<S> };

type AnyCall = (input: unknown, options: CallOptions) => unknown;

/** Makes it of a client of the servers that hold the shards. Keys are what the methods' `routeKey` reads. */
export function shardedClient<S extends AnyContract>(client: Governed<S>, options: ShardedOptions): ShardedClient<S> {
  if (typeof options.map !== "function" && !(options.map.epoch > 0)) {
    throw badOption("map", options.map, "expected a shard map, or a function that reads one");
  }
  const router = new ShardRouter(client, options);
  const timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 15_000, { least: 1, unit: "milliseconds" });
  const { contract, runtime } = client.$;
  const methods: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(contract.methods)) {
    if (method.kind === "unary") {
      methods[name] = (input: unknown, call: CallOptions = {}) => unary(router, method, timeoutMs, input, call);
    } else if (method.kind === "server_stream") {
      methods[name] = (input: unknown, call: CallOptions = {}) => streamed(router, method, input, call);
    }
  }
  const control: ShardedControl<S> = {
    contract, runtime, router,
    get map() {
      return router.map;
    },
    refresh: () => router.refresh(),
    owners: () => ownersOf(router),
  };
  return Object.freeze(Object.assign(methods, { $shards: control })) as unknown as ShardedClient<S>;
}

/** The absolute deadline of a call. */
export function deadlineOf(runtime: Runtime, method: AnyMethod, options: CallOptions, timeoutMs: number): number {
  const ownMs = numberOption("timeoutMs", options.timeoutMs ?? method.timeoutMs ?? timeoutMs,
    { least: Number.MIN_VALUE, most: Infinity });
  return Math.min(options.deadline ?? Infinity, options.context?.deadline ?? Infinity, runtime.clock.now() + ownMs);
}

/** The idempotency key of a call that needs one: the same for whatever it takes to make it. */
export function keyOf(runtime: Runtime, method: AnyMethod, options: CallOptions): string | undefined {
  return options.idempotencyKey ?? (method.idempotent === "keyed" ? runtime.random.id() : undefined);
}

async function unary<S extends AnyContract>(
  router: ShardRouter<S>, method: AnyMethod, timeoutMs: number, input: unknown, options: CallOptions,
): Promise<unknown> {
  const routeKey = routeKeyOf(method, input, options);
  const deadline = deadlineOf(router.runtime, method, options, timeoutMs);
  const call = { ...options, routeKey, idempotencyKey: keyOf(router.runtime, method, options) };
  const map = router.map ?? await router.known();
  return await callShard(router, method, shardOf(map, routeKey), input, call, deadline);
}

/** Calls the owner of a shard, whoever that becomes, until it has answered or the deadline leaves no time. */
export async function callShard<S extends AnyContract>(
  router: ShardRouter<S>, method: AnyMethod, shard: number, input: unknown, options: CallOptions, deadline: number,
): Promise<unknown> {
  const retry = { attempt: 0, deadline, sent: router.map as ShardMap };
  for (;;) {
    retry.sent = router.map as ShardMap;
    try {
      const call = (router.at(router.owner(shard)) as unknown as Record<string, AnyCall>)[method.name] as AnyCall;
      return await call(input, router.stamped(retry.sent, options, deadline));
    } catch (error) {
      if (isCancelled(options) || !await router.again(method, error, retry)) throw error;
    }
  }
}

export function isCancelled({ signal, context }: CallOptions): boolean {
  return signal?.aborted === true || context?.cancelReason !== undefined;
}

/** A stream may follow its shard until its first item is out. */
async function* streamed<S extends AnyContract>(
  router: ShardRouter<S>, method: AnyMethod, input: unknown, options: CallOptions,
): AsyncGenerator {
  const routeKey = routeKeyOf(method, input, options);
  const deadline = deadlineOf(router.runtime, method, options, Infinity);
  const shard = shardOf(router.map ?? await router.known(), routeKey);
  const retry = { attempt: 0, deadline, sent: router.map as ShardMap };
  for (;;) {
    retry.sent = router.map as ShardMap;
    let isOut = false;
    try {
      const call = (router.at(router.owner(shard)) as unknown as Record<string, AnyCall>)[method.name] as AnyCall;
      const items = call(input, router.stamped(retry.sent, { ...options, routeKey }, deadline));
      for await (const item of items as AsyncIterable<unknown>) {
        isOut = true;
        yield item;
      }
      return;
    } catch (error) {
      if (isOut || isCancelled(options) || !await router.again(method, error, retry)) throw error;
    }
  }
}

function routeKeyOf(method: AnyMethod, input: unknown, options: CallOptions): string {
  const key = options.routeKey ?? (method.routeKey as ((input: unknown) => string) | undefined)?.(input);
  if (typeof key === "string" && key !== "") return key;
  throw expected("invalid_argument", `${method.path} has no route key: declare routeKey in the contract, or name it ` +
    "in the call's options", { phase: "encode" });
}

function ownersOf<S extends AnyContract>(router: ShardRouter<S>): Targets<S> {
  const targets = new Map<string, Target<S>>();
  return {
    contract: router.client.$.contract, runtime: router.runtime,
    list: () => (router.map?.owners ?? []).toSorted().map((owner) => {
      let target = targets.get(owner);
      if (target === undefined) {
        target = { id: owner, name: `owner ${owner}`, region: "", size: 1, call: router.at(owner) };
        targets.set(owner, target);
      }
      return target;
    }),
  };
}
