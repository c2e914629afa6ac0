/**
 * `combinedDiscovery` makes one view of several drivers: one engine for each region, a file beside an engine, or the
 * old engine and the new one while servers move.
 *
 * Each part is kept by itself: what one told last stays while its engine is cut off, and a part that never answered
 * holds up nobody. Of several parts that list one id the first counts, so that a server known to two engines is one
 * endpoint and stays when one of them drops it.
 */
import type { Discovery, Registrar, Registration } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Answer } from "./audience.ts";
import { relay } from "./relay.ts";

/** One driver of several. */
export interface CombinedPart {
  readonly discovery: Discovery;
  /** Where servers of this process are registered. Default: the discovery, if it is a registrar as well. */
  readonly registrar?: Registrar | undefined;
  /** The region of this part's endpoints that name none. Default: they have none. */
  readonly region?: string | undefined;
}

export interface CombinedOptions {
  /**
   * How long the first set may wait until every part has answered or failed, in milliseconds, so that a client does not
   * begin with half a view. Default 0: it is told as soon as one part is known.
   */
  readonly waitMs?: number | undefined;
  /** The names of the parts in which servers are registered. Default: all that can register. */
  readonly registerIn?: readonly string[] | undefined;
}

/**
 * Combines parts, by names that messages call them by. Of an endpoint that several parts list all fields are those of
 * the first part, in the order of writing; only a weight of 0 counts from any of them, since whoever drains a server in
 * one engine means it. A registration is in force as soon as one part holds it, and closed when all have let it go.
 *
 * @example
 * combinedDiscovery(nodeRuntime, { "eu-west": etcdDiscovery({ … }), "us-east": consulDiscovery({ … }) })
 */
export function combinedDiscovery(
  runtime: Pick<Runtime, "clock">, parts: Readonly<Record<string, Discovery | CombinedPart>>,
  options: CombinedOptions = {},
): Discovery & Registrar {
  const all = Object.entries(parts).map(([key, part]) => partOf(key, part));
  if (all.length === 0) throw new RpcError("invalid_argument", "combinedDiscovery needs at least one part");
  const registrars = registrarsOf(all, options.registerIn);
  return {
    ...relay((name, tell) => {
      const view = new CombinedName({ parts: all, waitMs: options.waitMs ?? 0, tell });
      view.begin(runtime, name);
      return () => view.close();
    }),
    deliberate: all.every(({ discovery }) => discovery.deliberate === true),
    register(name, endpoint) {
      if (registrars.length === 0) {
        throw new RpcError("unimplemented", `none of ${all.map(({ key }) => key).join(", ")} takes registrations`);
      }
      return registeredInAll(registrars.map((one) => one.registrar.register(name, withRegion(endpoint, one.region))));
    },
  };
}

interface Part {
  readonly key: string;
  readonly discovery: Discovery;
  readonly registrar: Registrar | undefined;
  readonly region: string | undefined;
}

function partOf(key: string, part: Discovery | CombinedPart): Part {
  const { discovery, registrar, region }: CombinedPart = "discovery" in part ? part : { discovery: part };
  return { key, discovery, region, registrar: registrar ?? ("register" in discovery ? discovery as never : undefined) };
}

function registrarsOf(
  all: readonly Part[], wanted: readonly string[] | undefined,
): readonly { readonly registrar: Registrar; readonly region: string | undefined }[] {
  for (const key of wanted ?? []) {
    const part = all.find((one) => one.key === key);
    if (part?.registrar !== undefined) continue;
    throw new RpcError("invalid_argument", part === undefined
      ? `registerIn names "${key}", but the parts are ${all.map((one) => one.key).join(", ")}`
      : `registerIn names "${key}", which takes no registrations`);
  }
  return all.flatMap(({ key, registrar, region }) =>
    (registrar !== undefined && wanted?.includes(key) !== false ? [{ registrar, region }] : []));
}

function withRegion<E extends EndpointFields>(endpoint: E, region: string | undefined): E {
  return region === undefined || (endpoint.region ?? "") !== "" ? endpoint : { ...endpoint, region };
}

function registeredInAll(registrations: readonly Registration[]): Registration {
  const registered = Promise.any(registrations.map((one) => one.registered)).catch((error: unknown) => {
    throw RpcError.from((error as AggregateError).errors[0]);
  });
  registered.catch(() => undefined);
  return {
    registered,
    async close() {
      await Promise.all(registrations.map((one) => one.close()));
    },
  };
}

interface CombinedNameOptions {
  readonly parts: readonly Part[];
  readonly waitMs: number;
  readonly tell: (answer: Answer) => void;
}

type PartState =
  | { readonly state: "unheard" }
  | { readonly state: "known"; readonly endpoints: readonly EndpointAddress[] }
  | { readonly state: "failed"; readonly last: readonly EndpointAddress[] | undefined; readonly error: RpcError };

/** One name, as all parts have it. */
class CombinedName {
  readonly #options: CombinedNameOptions;
  readonly #states: PartState[];
  readonly #stops: (() => void)[] = [];
  #endWait: (() => void) | undefined = undefined;
  #isWaiting: boolean;
  /** Parts tell from within `watch`: one set of all that are known at once, rather than one for each. */
  #isStarting = true;

  constructor(options: CombinedNameOptions) {
    this.#options = options;
    this.#states = options.parts.map(() => ({ state: "unheard" }));
    this.#isWaiting = options.waitMs > 0;
  }

  /** Throws what a part throws, watching none. */
  begin({ clock }: Pick<Runtime, "clock">, name: string): void {
    try {
      this.#watchAll(name);
    } catch (error) {
      this.close();
      throw error;
    }
    if (!this.#isWaiting) return;
    const timer = clock.after(this.#options.waitMs, () => {
      this.#isWaiting = false;
      this.#tellKnown();
    }).unref();
    this.#endWait = () => timer.cancel();
  }

  #watchAll(name: string): void {
    this.#options.parts.forEach(({ key, discovery, region }, index) => this.#stops.push(discovery.watch(name, {
      snapshot: (endpoints) => {
        this.#states[index] = { state: "known", endpoints: stamped(endpoints, region) };
        if (!this.#isStarting) this.#tellKnown();
      },
      failed: (error) => this.#failed(index, key, error),
    })));
    this.#isStarting = false;
    this.#tellKnown();
    for (const state of this.#states) if (state.state === "failed") this.#tellFailure(state.error);
  }

  #failed(index: number, key: string, error: RpcError): void {
    const before = this.#states[index];
    const last = before?.state === "known" ? before.endpoints : before?.state === "failed" ? before.last : undefined;
    const named = new RpcError(error.code, `${key}: ${error.message}`,
      { phase: "resolve", neverStarted: error.neverStarted, retryable: error.retryable, cause: error });
    this.#states[index] = { state: "failed", last, error: named };
    if (this.#isStarting) return;
    if (this.#isWaiting) this.#tellKnown();
    this.#tellFailure(named);
  }

  /** That one part does not have the name says nothing where another one does. */
  #tellFailure(error: RpcError): void {
    if (error.code === "not_found" && this.#states.some(({ state }) => state === "known")) return;
    this.#options.tell({ state: "failed", error });
  }

  #tellKnown(): void {
    if (this.#isWaiting && this.#states.some(({ state }) => state === "unheard")) return;
    this.#isWaiting = false;
    const sets = this.#states.flatMap((one) => {
      const endpoints = one.state === "known" ? one.endpoints : one.state === "failed" ? one.last : undefined;
      return endpoints === undefined ? [] : [endpoints];
    });
    if (sets.length > 0) this.#options.tell({ state: "known", endpoints: union(sets) });
  }

  close(): void {
    this.#endWait?.();
    for (const stop of this.#stops) stop();
  }
}

function stamped(endpoints: readonly EndpointAddress[], region: string | undefined): readonly EndpointAddress[] {
  if (region === undefined || endpoints.every((one) => one.region !== "")) return endpoints;
  return endpoints.map((one) => (one.region === "" ? endpointAddress({ ...one, region }) : one));
}

/** Each id once, of the first set that has it; drained if any set drains it. */
function union(sets: readonly (readonly EndpointAddress[])[]): readonly EndpointAddress[] {
  const [only] = sets;
  if (sets.length === 1 && only !== undefined) return only;
  const byId = new Map<string, EndpointAddress>();
  for (const endpoint of sets.flat()) {
    const first = byId.get(endpoint.id);
    if (first === undefined) byId.set(endpoint.id, endpoint);
    else if (endpoint.weight === 0 && first.weight !== 0) byId.set(first.id, endpointAddress({ ...first, weight: 0 }));
  }
  // In one order whichever part lists it, so that who is dropped by one of two is no change.
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
