/**
 * The policies of one process as they are now: what clients and gateways ask while calls go by, and what a reload
 * changes for all of them at one instant.
 */
import type { Context } from "../core/context.ts";
import { RpcError } from "../core/error.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Runtime } from "../core/runtime.ts";
import { distanceKm } from "../balance/index.ts";
import type { MethodPolicies, MethodPolicy } from "../client/method-policy.ts";
import { nearest } from "../discovery/nearest.ts";
import { compilePatterns, type Fits, type Patterns } from "../gateway/patterns.ts";
import { bearsHedges } from "../resilience/index.ts";
import { regionControl, type RegionControl } from "../region/index.ts";
import type { MethodPolicy as MethodSection } from "./client-schema.ts";
import type { Config } from "./config.ts";
import { type Policy, policyFor, type PolicyOptions, policyOptions } from "./policy.ts";

/** Who asks: a client of a program, or a gateway by its name. */
export interface Asker {
  readonly gateway?: string | undefined;
  /** Where it is. */
  readonly region?: string | undefined;
}

/** Most methods whose policies are kept up to date; those beyond have them as they were when first called. */
const maxMethods = 100_000;

type Cell = { -readonly [K in keyof MethodPolicy]: MethodPolicy[K] };

interface Kept {
  readonly cell: Cell;
  readonly method: MethodInfo;
  readonly asker: Asker;
}

interface Residency {
  readonly service: Fits | undefined;
  readonly method: Fits | undefined;
  readonly routeKey: Fits | undefined;
  readonly regions: readonly string[];
}

export class Policies {
  /** The switchboard of regions: by hand, by the admin service, and by the file. */
  readonly control: RegionControl = regionControl();
  #config: Config;
  #residency: readonly Residency[] = [];
  #homes: readonly (readonly [string, Fits])[] = [];
  /** Regions that the file drained: what others drain is theirs to let back. */
  readonly #drained = new Set<string>();
  readonly #kept = new Map<string, Kept>();

  constructor(config: Config) {
    this.#config = config;
    this.commit(config);
  }

  /** From now on, calls go by this configuration. */
  commit(config: Config): void {
    this.#config = config;
    const { regions = {}, residency = [] } = config;
    this.#residency = residency.map((rule) => ({
      service: fitsOf(rule.service), method: fitsOf(rule.method), routeKey: fitsOf(rule.routeKey),
      regions: rule.regions,
    }));
    this.#homes = Object.entries(regions).flatMap(([name, { routeKeys }]) =>
      (routeKeys === undefined ? [] : [[name, compilePatterns(routeKeys)] as const]));
    const drained = new Set(Object.keys(regions).filter((name) => regions[name]?.drained === true));
    for (const name of this.#drained) {
      if (drained.has(name)) continue;
      this.#drained.delete(name);
      this.control.undrain(name);
    }
    for (const name of drained) {
      if (this.#drained.has(name)) continue;
      this.#drained.add(name);
      this.control.drain(name);
    }
    for (const { cell, method, asker } of this.#kept.values()) {
      Object.assign(cell, empty, this.#policyOf(method, asker));
    }
  }

  /** The options of a client of `service`, by `config`, which need not be in force yet. */
  options(runtime: Runtime, config: Config, service: string, asker: Asker): PolicyOptions {
    const policy = policyFor(config, service, asker.gateway);
    const { regions = {}, residency = [] } = config;
    const hasHomes = Object.values(regions).some(({ routeKeys }) => routeKeys !== undefined);
    const options = policyOptions(runtime, layersFor(config, service, policy));
    const { region } = asker;
    if (region === undefined) return options;
    return {
      ...options,
      regions: {
        ...options.regions, control: this.control,
        expectedRoundTripMs: (to) => expectedRoundTripMs(this.#config, region, to),
        ...(residency.length > 0 && { residency: (context: Context) => this.#residencyOf(context) }),
        ...(hasHomes && { home: (routeKey: string) => this.#homes.find(([, fits]) => fits(routeKey))?.[0] }),
      },
    };
  }

  /** What of a configuration makes a client another one: while this stays the same, its policies change in place. */
  fingerprint(config: Config, service: string, asker: Asker): string {
    const { timeoutMs: _, ...policy } = policyFor(config, service, asker.gateway);
    const hedges = Object.entries(methodsOf(config, service)).map(([name, { hedge, idempotent }]) =>
      [name, hedge, idempotent]);
    const { regions = {}, residency = [] } = config;
    const hasHomes = Object.values(regions).some(({ routeKeys }) => routeKeys !== undefined);
    return JSON.stringify([layersFor(config, service, policy), hedges, residency.length > 0, hasHomes]);
  }

  /** What methods have of their own: one object a method and asker, kept up to date. */
  methods(asker: Asker): MethodPolicies {
    return (method) => {
      const key = `${asker.gateway ?? ""} ${method.path} ${method.kind} ${method.ordinal}`;
      const known = this.#kept.get(key);
      if (known !== undefined) return known.cell;
      const cell: Cell = { ...empty, ...this.#policyOf(method, asker) };
      if (this.#kept.size < maxMethods) this.#kept.set(key, { cell, method, asker });
      return cell;
    };
  }

  #policyOf(method: MethodInfo, asker: Asker): MethodPolicy {
    const methods = methodsOf(this.#config, method.service);
    // Gateways know methods by the names that wires give them as well.
    const own: MethodSection = (Object.hasOwn(methods, method.name) ? methods[method.name] : undefined) ??
      (Object.hasOwn(methods, method.wireName) ? methods[method.wireName] : undefined) ?? {};
    const policy = policyFor(this.#config, method.service, asker.gateway);
    const { hedge = policy.hedge === false ? false : undefined } = own;
    // A gateway goes by its callers' deadlines, but for methods that have a limit of their own.
    const isOurs = asker.gateway === undefined && method.kind === "unary";
    const usualMs = isOurs ? method.timeoutMs ?? policy.timeoutMs : undefined;
    return { timeoutMs: own.timeoutMs ?? usualMs, retry: own.retry, hedge, idempotent: own.idempotent };
  }

  #residencyOf({ method, routeKey }: Context): readonly string[] | undefined {
    return this.#residency.find((rule) => rule.service?.(method.service) !== false &&
      rule.method?.(method.name) !== false && rule.routeKey?.(routeKey) !== false)?.regions;
  }
}

function fitsOf(patterns: Patterns | undefined): Fits | undefined {
  return patterns === undefined ? undefined : compilePatterns(patterns);
}

const empty: Cell = { timeoutMs: undefined, retry: undefined, hedge: undefined, idempotent: undefined };

function methodsOf({ services = {} }: Config, service: string): Readonly<Record<string, MethodSection>> {
  return (Object.hasOwn(services, service) ? services[service]?.methods : undefined) ?? {};
}

/** A layer that is off for all, and on for one method, is there for that one. */
function layersFor(config: Config, service: string, policy: Policy): Policy {
  const methods = Object.values(methodsOf(config, service));
  const retries = policy.retry === false && methods.some(({ retry }) => typeof retry === "object");
  const hedges = policy.hedge === false && methods.some(({ hedge }) => typeof hedge === "object");
  if (!retries && !hedges) return policy;
  return { ...policy, ...(retries && { retry: { maxAttempts: 1 } }), ...(hedges && { hedge: {} }) };
}

/** Light in fibre goes 100 km and back in a millisecond; fibres are longer than the crow flies. */
const [kmPerRoundTripMs, detour] = [100, 1.5];

/** What the file says, one way or the other; else what geography says; undefined where it says nothing. */
export function expectedRoundTripMs({ regions = {} }: Config, from: string, to: string): number | undefined {
  const here = Object.hasOwn(regions, from) ? regions[from] : undefined;
  const there = Object.hasOwn(regions, to) ? regions[to] : undefined;
  const said = here?.roundTripMs?.[to] ?? there?.roundTripMs?.[from];
  if (said !== undefined) return said;
  if (here?.latitude === undefined || here.longitude === undefined) return undefined;
  if (there?.latitude === undefined || there.longitude === undefined) return undefined;
  const km = distanceKm({ lat: here.latitude, lon: here.longitude }, { lat: there.latitude, lon: there.longitude });
  return km / kmPerRoundTripMs * detour;
}

/**
 * Refuses what a configuration says of methods that a contract has not, or promises of them that the contract does
 * not: that a repeat is harmless is for the contract to say.
 */
export function checkAgainst(
  config: Config, contract: { readonly name: string; readonly methods: Readonly<Record<string, MethodInfo>> },
): void {
  for (const [name, policy] of Object.entries(methodsOf(config, contract.name))) {
    const place = `services["${contract.name}"].methods.${name}`;
    const method = Object.hasOwn(contract.methods, name) ? contract.methods[name]
      : Object.values(contract.methods).find(({ wireName }) => wireName === name);
    if (method === undefined) {
      const meant = nearest(name, Object.keys(contract.methods));
      const hint = meant === undefined ? `; it has ${Object.keys(contract.methods).slice(0, 20).join(", ")}`
        : `; did you mean ${JSON.stringify(meant)}?`;
      throw new RpcError("invalid_argument", `${place}: the contract has no method of that name${hint}`);
    }
    const repeatable = method.idempotent !== false || method.safe === true;
    if (policy.idempotent === true && !repeatable) {
      throw new RpcError("invalid_argument", `${place}.idempotent is true, but the contract says that a repeat may ` +
        "act twice: declare it there, or leave it out");
    }
    if (typeof policy.hedge === "object" && !bearsHedges(method)) {
      throw new RpcError("invalid_argument", `${place}.hedge: a hedge carries a call out twice, and the contract ` +
        "does not say that it may be: `idempotent: true` or `safe`, and unary");
    }
  }
}
