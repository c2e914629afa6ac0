/** A balancer is a service over endpoints: discovery says which there are, a picker says which one now. */
import type { Connect } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import type { Discovery, Watcher } from "../core/discovery.ts";
import { type EndpointAddress, sameEndpoint } from "../core/endpoint.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Picker } from "../core/picker.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import { makesAttempts, type Service } from "../core/service.ts";
import { ClientEndpoint, type EndpointOptions, type EndpointOwner } from "./endpoint.ts";
import {
  type LoadThresholds, type LoadWatch, loadWatch, type LoopGuard, loopGuard, outlierDetection, type OutlierDetector,
  type OutlierOptions,
} from "../health/index.ts";
import { type Divided, Failover, type FailoverOptions } from "./failover.ts";
import { Prober, type ProbeOptions } from "./probes.ts";
import { type SentinelOptions, type Sentinels, sentinels } from "./sentinels.ts";
import { Waiters } from "./waiters.ts";

export interface BalancerOptions extends EndpointOptions, SentinelOptions {
  /** The name that discovery is asked for. */
  readonly name: string;
  readonly discovery: Discovery;
  readonly picker: Picker & { readonly seesAll?: boolean };
  readonly connect: Connect;
  readonly observer: Observer;
  /** Passive outlier detection; `false` for none. */
  readonly outliers?: OutlierOptions | false | undefined;
  /** What a server may report of itself before others are picked first; `false` to disregard reports. */
  readonly loadThresholds?: LoadThresholds | false | undefined;
  /** Active probes where no traffic tells; undefined for none. */
  readonly probes?: ProbeOptions | undefined;
  /** Which endpoints take over from which. */
  readonly failover?: FailoverOptions | undefined;
  /** Up to so many endpoints are connected to ahead of the first call; of more, those that are picked. Default 64. */
  readonly eagerConnections?: number | undefined;
  /** Time for calls in flight on an endpoint that discovery no longer names, in milliseconds. Default 10,000. */
  readonly removalGraceMs?: number | undefined;
}

export class Balancer implements EndpointOwner, Watcher {
  readonly observer: Observer;
  readonly #runtime: Runtime;
  readonly #options: BalancerOptions;
  readonly #waiters: Waiters;
  readonly loopGuard: LoopGuard;
  readonly #outliers: OutlierDetector | undefined;
  readonly #loads: LoadWatch | undefined;
  readonly #prober: Prober | undefined;
  readonly #failover: Failover;
  readonly #sentinels: Sentinels | undefined;
  /** How first attempts are divided while spares stand in for some. */
  #divided: Divided | undefined = undefined;
  /** Endpoints that an operator took out of service, also while discovery does not name them. */
  readonly #drained = new Set<string>();
  readonly #endpoints = new Map<string, ClientEndpoint>();
  readonly #unwatch: () => void;
  /** Calls an endpoint that the picker of the options chooses. */
  readonly service: Service;
  /** What the picker chooses from; undefined after a change until the next pick. */
  #candidates: readonly ClientEndpoint[] | undefined = undefined;
  /** What pickers that see all choose from, where that of the options does not. */
  #everybody: readonly ClientEndpoint[] | undefined = undefined;
  #known = false;
  /** Snapshots so far: endpoints bear the number of the last that named them. */
  #snapshots = 0;
  #lastFailure: RpcError | undefined = undefined;
  #closed = false;

  constructor(runtime: Runtime, options: BalancerOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.observer = options.observer;
    this.#waiters = new Waiters(runtime.clock, { phase: "resolve", describe: () => this.#withFailure("discovery") });
    this.loopGuard = guardOf(runtime);
    this.#outliers = options.outliers === false
      ? undefined
      : outlierDetection(runtime, {
        loopGuard: this.loopGuard, isDispensable: (id) => this.#loads?.hasRoomWithout(id) ?? true, ...options.outliers,
      }, (id, ejected, why) => this.#endpoints.get(id)?.eject(ejected, why));
    this.#loads = options.loadThresholds === false
      ? undefined
      : loadWatch(runtime, options.loadThresholds ?? {},
        (id, mark, why) => this.#endpoints.get(id)?.marked(mark, why));
    this.#prober = options.probes && new Prober(runtime, options.probes, this.loopGuard);
    this.#failover = new Failover(runtime.clock, options.failover ?? {}, options.observer, () => this.statusChanged());
    this.#sentinels = sentinels(runtime.clock, this.loopGuard, options, () => this.endpoints);
    this.service = this.serviceBy(options.picker);
    this.#unwatch = options.discovery.watch(options.name, this);
  }

  /** The endpoints now, for views and tests. */
  get endpoints(): readonly ClientEndpoint[] {
    return [...this.#endpoints.values()];
  }

  get picker(): Picker {
    return this.#options.picker;
  }

  /** How many there are, of whatever status. */
  get size(): number {
    return this.#endpoints.size;
  }

  /** Whether the endpoint of this id has a connection that was heard of: evidence that needs no probe. */
  isReady(id: string): boolean {
    const status = this.#endpoints.get(id)?.status;
    return status === "ready" || status === "busy";
  }

  /**
   * The same endpoints under another picker. It is given the same candidates as that of the options, or, if it sees
   * all, every endpoint there is, of whatever status and tier.
   */
  serviceBy(picker: Picker): Service {
    const seesAll = picker.seesAll === true && picker !== this.#options.picker;
    const service: Service = (request, context) => {
      let candidates = seesAll
        ? this.#everybody ??= this.endpoints
        : this.#candidates ?? this.#select();
      if (this.#divided !== undefined && context.avoid.length === 0 && !seesAll) {
        candidates = this.#divided.lists[this.#divided.shares.next()] ?? candidates;
      }
      const endpoint = picker(candidates, context);
      if (endpoint !== undefined) {
        context.picked = endpoint;
        return endpoint.call(request, context);
      }
      return this.#withoutEndpoint(service, request, context);
    };
    return makesAttempts(service);
  }

  #withoutEndpoint(service: Service, request: unknown, context: Context): unknown {
    const { name } = this.#options;
    if (this.#closed) throw closedError();
    if (!this.#known) {
      const sinceMs = this.#runtime.clock.now();
      const known = this.#waiters.wait(context).then(() =>
        context.traced().phase("resolve", sinceMs, this.#runtime.clock.now()));
      const { kind } = context.method;
      const streams = kind === "server_stream" || kind === "bidi_stream";
      if (streams) return this.#streamLater(known, service, request, context);
      return known.then(() => service(request, context));
    }
    const why = this.#endpoints.size === 0
      ? `nobody serves "${name}": discovery knows no endpoint of that name`
      : `none of the ${this.#endpoints.size} endpoints of "${name}" may take this call: ${this.#statuses()}`;
    throw expected("unavailable", this.#withFailure(why), { neverStarted: true, phase: "pick" });
  }

  #withFailure(text: string): string {
    return this.#lastFailure === undefined ? text : `${text} (${this.#lastFailure.message})`;
  }

  /** `2 connecting, 1 draining`: for a picker that found none of them fit. */
  #statuses(): string {
    const counts = new Map<string, number>();
    for (const { status } of this.#endpoints.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
    return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
  }

  async *#streamLater(known: Promise<void>, service: Service, request: unknown, context: Context): AsyncGenerator {
    await known;
    yield* service(request, context) as AsyncIterable<unknown>;
  }

  /** Those in use that are ready; if there are none, the next best (see `Failover`). */
  #select(): readonly ClientEndpoint[] {
    const all = [...this.#endpoints.values()];
    if (this.#options.picker.seesAll === true) return this.#candidates = this.#failover.members(all);
    this.#candidates = this.#failover.select(all, all.length > (this.#options.eagerConnections ?? 64));
    this.#divided = this.#failover.divided;
    return this.#candidates;
  }

  /**
   * Takes an endpoint out of service, or lets it back: no new calls go there, not even when nobody else is left.
   * Answers false for an id that nobody has, unless it was drained before.
   */
  drain(id: string, isDrained: boolean): boolean {
    const endpoint = this.#endpoints.get(id);
    const was = this.#drained.has(id);
    if (endpoint === undefined && (isDrained || !was)) return was;
    if (!isDrained) this.#drained.delete(id);
    else if (this.#drained.size < maxDrained) this.#drained.add(id);
    endpoint?.drained(isDrained);
    return true;
  }

  snapshot(addresses: readonly EndpointAddress[]): void {
    if (this.#closed) return;
    const snapshot = ++this.#snapshots;
    let changed = !this.#known;
    let named = 0;
    const added: ClientEndpoint[] = [];
    for (const address of addresses) {
      const present = this.#endpoints.get(address.id);
      if (present !== undefined) {
        if (present.snapshot !== snapshot) named++;
        present.snapshot = snapshot;
        if (sameEndpoint(present.address, address)) continue;
        changed = true;
        if (present.address.address === address.address && present.address.region === address.region) {
          present.address = address;
          continue;
        }
        this.#outliers?.forget(address.id);
        this.#loads?.forget(address.id);
        present.close(this.#options.removalGraceMs ?? 10_000);
      } else {
        named++;
      }
      added.push(this.#add(address, snapshot));
    }
    const removed = this.#endpoints.size - named;
    if (removed > 0) this.#removeUnnamed(snapshot);
    this.#known = true;
    this.#lastFailure = undefined;
    if (changed || added.length > 0 || removed > 0) {
      this.#sentinels?.changed();
      this.#candidates = this.#everybody = undefined;
      this.observer.event?.("discovery.snapshot",
        { name: this.#options.name, endpoints: this.#endpoints.size, added: added.length, removed });
    }
    if (added.length > 0) this.#failover.begin();
    if (this.#endpoints.size <= (this.#options.eagerConnections ?? 64)) for (const one of added) one.connect();
    this.#waiters.release();
  }

  #add(address: EndpointAddress, snapshot: number): ClientEndpoint {
    const endpoint = new ClientEndpoint(this.#runtime, this.#options.connect, address, this, this.#options);
    endpoint.snapshot = snapshot;
    endpoint.outlier = this.#outliers?.member(address.id, address.region);
    endpoint.loadMember = this.#loads?.member(address.id, address.region);
    this.#endpoints.set(address.id, endpoint);
    if (this.#drained.has(address.id)) endpoint.drained(true);
    this.#prober?.watch(endpoint);
    return endpoint;
  }

  #removeUnnamed(snapshot: number): void {
    for (const [id, endpoint] of this.#endpoints) {
      if (endpoint.snapshot === snapshot) continue;
      this.#endpoints.delete(id);
      this.#outliers?.forget(id);
      this.#loads?.forget(id);
      endpoint.close(this.#options.removalGraceMs ?? 10_000);
    }
  }

  failed(error: RpcError): void {
    this.#lastFailure = error;
    this.observer.event?.("discovery.failed", { name: this.#options.name, error: error.message });
  }

  doubted(endpoint: ClientEndpoint): void {
    this.#sentinels?.doubted(endpoint);
  }

  /**
   * A region dies as a whole, and its servers fall silent together: those whose silence is nearly as long, or whose
   * answer to a ping is overdue, are suspected with the first, before its calls are made elsewhere, or they would be
   * made on the next to fall.
   */
  suspected(endpoint: ClientEndpoint, error: RpcError): void {
    const nowMs = this.#runtime.clock.now();
    const enoughMs = (this.#options.suspectAfterMs ?? 300) * 0.6;
    const fallen = new Set([...this.#endpoints.values()].filter((other) => other === endpoint ||
      (other.address.region === endpoint.address.region &&
        (other.quietMs(nowMs) >= enoughMs || other.isDoubted(nowMs)))));
    for (const one of this.#sentinels?.sharing(endpoint, nowMs) ?? []) fallen.add(one);
    for (const one of fallen) one.suspect(error.message);
    // With nobody left to turn to, waiting is the better chance: everybody silent is more likely a stall than a death.
    if (!this.endpoints.some((one) => one.status === "ready")) return;
    for (const one of fallen) one.failRepeatable(error);
  }

  statusChanged(): void {
    this.#candidates = this.#everybody = undefined;
    this.#sentinels?.changed();
  }

  close(graceMs: number): void {
    this.#closed = true;
    this.#unwatch();
    this.#outliers?.close();
    this.#loads?.close();
    this.#prober?.close();
    this.#failover.close();
    this.#sentinels?.close();
    for (const endpoint of this.#endpoints.values()) endpoint.close(graceMs);
    this.#endpoints.clear();
    this.#candidates = this.#everybody = undefined;
    this.#known = true;
    this.#waiters.fail(closedError());
  }
}

/** Most endpoints drained by id; more are drained until they leave the set. */
const maxDrained = 10_000;

function closedError(): RpcError {
  return expected("unavailable", "the client is closed: make another to call again",
    { neverStarted: true, retryable: false });
}

/** One guard for all balancers of a clock, which share its event loop: runtimes may come and go, and guards stay. */
const guards = new WeakMap<Clock, LoopGuard>();

function guardOf({ clock }: Runtime): LoopGuard {
  let guard = guards.get(clock);
  if (guard === undefined) guards.set(clock, guard = loopGuard({ clock }));
  return guard;
}
