/**
 * The embedded registry: who serves what, in the memory of one process.
 *
 * It forgets everything when its process ends, and is built so that this does not matter: servers register
 * again within one renewal, and callers keep what they know until the new incarnation has had time to hear
 * from everybody (driver.ts). That makes it the right default for development and for one machine. It is not
 * replicated: where servers run on several machines, use one of the engines named in the event
 * `registry.second.machine`.
 */
import type { Context } from "../core/context.ts";
import { endpointAddress, type EndpointAddress, sameEndpoint } from "../core/endpoint.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { type LoopGuard, loopGuard } from "../health/index.ts";
import type { Handlers } from "../contract/types.ts";
import { checkEndpoint, checkName, checkRegistrant, checkTtl } from "../discovery/check.ts";
import type { RegistryContract, SnapshotPart } from "./contract.ts";
import { Lease, type LeaseOptions } from "./lease.ts";
import { RegisteredName } from "./name.ts";
import { isLoopback, secondMachineAdvice } from "./second-machine.ts";
import { type Incarnation, Watch } from "./watch.ts";

export interface RegistryOptions {
  /** Most leases of endpoints over all names. Default 100,000. */
  readonly maxEndpoints?: number | undefined;
  /** Most names that have endpoints or watchers. Default 10,000. */
  readonly maxNames?: number | undefined;
  /** Most watches over all names. Default 100,000. */
  readonly maxWatches?: number | undefined;
  /**
   * How long after its start watchers take nothing out because of it, in milliseconds: the time in which it
   * hears from everybody who lives, which is that of finding the way back to it. Default 5,000; 0 for tests.
   */
  readonly settleMs?: number | undefined;
  /**
   * Hears `registry.registered`, `registry.deregistered`, `registry.expired`, each with name and address, and
   * once `registry.second.machine`.
   */
  readonly observer?: Observer | undefined;
}

export interface RegistryService {
  /** To be given to `server.implement(RegistryContract, registry.handlers)`. */
  readonly handlers: Handlers<typeof RegistryContract>;
  /** How many endpoints and watches there are now. */
  readonly endpoints: number;
  readonly watches: number;
  /** Ends all watches; leases end with the process. */
  close(): void;
}

/** Makes an empty registry. */
export function createRegistry(
  runtime: Pick<Runtime, "clock" | "random">, options: RegistryOptions = {},
): RegistryService {
  return new Registry(runtime, options);
}

/** Most lease ids in one call. */
const maxLeaseIds = 10_000;
const keepalive = { minMs: 100, maxMs: 60_000 };

interface Registering {
  readonly name: string;
  readonly endpoint: EndpointAddress;
  readonly ttlMs: number;
  readonly registrant: string;
}

interface Watching {
  readonly name: string;
  readonly keepaliveMs: number;
  readonly changes?: boolean | undefined;
}

class Registry implements RegistryService {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #limits: { readonly maxEndpoints: number; readonly maxNames: number; readonly maxWatches: number };
  readonly #observer: Observer;
  readonly #guard: LoopGuard;
  readonly #incarnation: Incarnation;
  readonly #names = new Map<string, RegisteredName<Lease>>();
  readonly #leases = new Map<string, Lease>();
  readonly #watches = new Set<Watch>();
  #version = 0n;
  #closed = false;
  #advised = false;

  constructor(runtime: Pick<Runtime, "clock" | "random">, options: RegistryOptions) {
    this.#runtime = runtime;
    this.#observer = options.observer ?? {};
    const { maxEndpoints = 100_000, maxNames = 10_000, maxWatches = 100_000, settleMs = 5_000 } = options;
    this.#limits = { maxEndpoints, maxNames, maxWatches };
    this.#guard = loopGuard(runtime);
    const settledAtMs = runtime.clock.now() + settleMs;
    this.#incarnation = {
      id: runtime.random.id(),
      settlesInMs: () => Math.max(0, Math.ceil(settledAtMs - runtime.clock.now())),
    };
  }

  get endpoints(): number {
    return this.#leases.size;
  }

  get watches(): number {
    return this.#watches.size;
  }

  readonly handlers: Handlers<typeof RegistryContract> = {
    register: (request) => this.#register(request),
    renew: ({ leaseIds }) => ({ unknown: this.#renew(leaseIds) }),
    deregister: ({ leaseIds }) => this.#deregister(leaseIds),
    watch: (request, context) => this.#watch(request, context),
    list: () => ({
      incarnation: this.#incarnation.id,
      names: [...this.#names.values()].map(({ name, entries, watchers }) =>
        ({ name, endpoints: entries.size, watchers: watchers.size })),
    }),
  };

  #register(request: Registering): { leaseId: string; ttlMs: number } {
    const { name: text, ttlMs, registrant } = request;
    checkName(text);
    checkTtl(ttlMs);
    checkEndpoint(request.endpoint);
    checkRegistrant(registrant);
    const { id } = request.endpoint;
    const listed = this.#names.get(text)?.entries.get(id);
    const known = find(listed, (one) => registrant !== "" && one.registrant === registrant);
    if (known === undefined && this.#leases.size >= this.#limits.maxEndpoints) {
      throw exhausted(`${this.#limits.maxEndpoints} endpoints are registered (maxEndpoints)`);
    }
    const endpoint = endpointAddress(request.endpoint);
    const before = listed?.endpoint;
    const lease = known ?? this.#enter(this.#name(text), { registrant, endpoint, ttlMs });
    known?.hold(endpoint, ttlMs);
    // One that is not on top, or that says nothing new, changes nothing for those who watch.
    const { entries } = lease.name;
    if (entries.get(id) === lease && (before === undefined || !sameEndpoint(before, endpoint))) {
      lease.name.changed(id);
      this.#tell("registry.registered", lease);
      this.#adviseOnce(endpoint.address);
    }
    return { leaseId: lease.id, ttlMs };
  }

  #enter(name: RegisteredName<Lease>, fields: Pick<LeaseOptions, "registrant" | "endpoint" | "ttlMs">): Lease {
    const lease = new Lease(this.#runtime.clock, {
      ...fields, id: this.#runtime.random.id(), name,
      stalledRecently: (windowMs) => this.#guard.stalledRecently(windowMs),
      expired: (one) => this.#remove(one, "registry.expired"),
    });
    lease.below = name.entries.get(fields.endpoint.id);
    name.entries.set(fields.endpoint.id, lease);
    this.#leases.set(lease.id, lease);
    return lease;
  }

  #renew(leaseIds: readonly string[]): string[] {
    checkCount(leaseIds);
    return leaseIds.filter((id) => {
      const lease = this.#leases.get(id);
      lease?.renew();
      return lease === undefined;
    });
  }

  #deregister(leaseIds: readonly string[]): Record<string, never> {
    checkCount(leaseIds);
    for (const id of leaseIds) {
      const lease = this.#leases.get(id);
      if (lease !== undefined) this.#remove(lease, "registry.deregistered");
    }
    return {};
  }

  #remove(lease: Lease, event: string): void {
    const { name, endpoint, below } = lease;
    lease.end();
    this.#leases.delete(lease.id);
    const above = find(name.entries.get(endpoint.id), (one) => one.below === lease);
    if (above !== undefined) {
      above.below = below;
      return;
    }
    if (below === undefined) name.entries.delete(endpoint.id);
    else name.entries.set(endpoint.id, below);
    if (below === undefined || !sameEndpoint(below.endpoint, endpoint)) name.changed(endpoint.id);
    this.#dropUnused(name);
    this.#tell(event, lease);
  }

  /** Enters nothing before it is read: a stream that its caller gives up at once would never leave again. */
  async *#watch(request: Watching, context: Context): AsyncGenerator<SnapshotPart> {
    checkName(request.name);
    if (this.#closed) throw closing();
    if (this.#watches.size >= this.#limits.maxWatches) {
      throw exhausted(`${this.#limits.maxWatches} watches are open (maxWatches)`);
    }
    const name = this.#name(request.name);
    const keepaliveMs = Math.min(keepalive.maxMs, Math.max(keepalive.minMs, request.keepaliveMs));
    const watch = new Watch({
      clock: this.#runtime.clock, incarnation: this.#incarnation, name, keepaliveMs,
      takesChanges: request.changes === true,
    });
    this.#watches.add(watch);
    try {
      yield* watch.run(context);
    } finally {
      this.#watches.delete(watch);
      this.#dropUnused(name);
    }
  }

  /** The name, made if nobody knows it yet. */
  #name(text: string): RegisteredName<Lease> {
    let name = this.#names.get(text);
    if (name === undefined) {
      const { maxNames } = this.#limits;
      if (this.#names.size >= maxNames) throw exhausted(`${maxNames} names are registered or watched (maxNames)`);
      name = new RegisteredName<Lease>(this.#runtime.clock, text, () => ++this.#version);
      this.#names.set(text, name);
    }
    return name;
  }

  #dropUnused(name: RegisteredName<Lease>): void {
    if (name.entries.size > 0 || name.watchers.size > 0 || this.#names.get(name.name) !== name) return;
    name.close();
    this.#names.delete(name.name);
  }

  #tell(event: string, { name, endpoint }: Lease): void {
    this.#observer.event?.(event,
      { name: name.name, address: endpoint.address, region: endpoint.region, endpoints: name.entries.size });
  }

  #adviseOnce(address: string): void {
    if (this.#advised || isLoopback(address)) return;
    this.#advised = true;
    this.#observer.event?.("registry.second.machine", { address, text: secondMachineAdvice(address) });
  }

  close(): void {
    this.#closed = true;
    this.#guard.close();
    for (const watch of [...this.#watches]) watch.end(closing());
  }
}

/** The first of the leases of one endpoint, from the listed one down, that fits. */
function find(listed: Lease | undefined, fits: (lease: Lease) => boolean): Lease | undefined {
  let lease = listed;
  while (lease !== undefined && !fits(lease)) lease = lease.below;
  return lease;
}

function checkCount(leaseIds: readonly string[]): void {
  if (leaseIds.length <= maxLeaseIds) return;
  throw new RpcError("invalid_argument", `${leaseIds.length} lease ids in one call; at most ${maxLeaseIds} are allowed`,
    { phase: "validate", retryable: false });
}

function exhausted(why: string): RpcError {
  return expected("resource_exhausted", `the registry is full: ${why}`, { retryable: false });
}

function closing(): RpcError {
  return expected("unavailable", "the registry is closing");
}
