/**
 * An admin is what operators see and change of one process: it hears what its gateway, clients and server do, and
 * answers for them under the admin contract.
 */
import {
  type Observer, observeAll, numberOption, type Runtime, type Timer,
} from "../core/index.ts";
import type { AnyContract, Handlers } from "../contract/index.ts";
import { createMirror, createRules, type GatewayOptions, type Mirror, type Rules } from "../gateway/index.ts";
import { regionControl, type RegionControl } from "../region/index.ts";
import { type Fault, faults, type Faults } from "../resilience/index.ts";
import type { ClientOptions } from "../client/index.ts";
import { type ServerOptions, timing } from "../server/index.ts";
import { type Audit, type AuditOptions, createAudit } from "./audit.ts";
import type { AdminContract, Snapshot } from "./contract.ts";
import { createDecisions, type DecisionOptions, type Decisions } from "./decisions.ts";
import { EndpointRates } from "./endpoint-rows.ts";
import { createFigures, type FigureKeeper } from "./figures.ts";
import { handlersOf } from "./handlers.ts";
import { createHappenings, type Happenings } from "./happenings.ts";
import { RegionTally, snapshotOf } from "./snapshot.ts";
import { endpointsByService, type Watchable, type Watched, watched } from "./watched.ts";

export interface AdminOptions {
  /** What people call this process. Default: its role. */
  readonly name?: string | undefined;
  /** What it is mainly. Default `gateway`. A `server` counts the calls it handles, others those that they make. */
  readonly role?: "gateway" | "client" | "server" | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  /** The version of what runs here, for people. */
  readonly version?: string | undefined;
  /** What may be called from here by the admin service, by JSON. Default: nothing. */
  readonly contracts?: readonly AnyContract[] | undefined;
  /** The switchboard of regions, rules, mirrors and faults, where they exist already. Default: new ones. */
  readonly control?: RegionControl | undefined;
  readonly rules?: Rules | undefined;
  readonly mirror?: Mirror | undefined;
  readonly faults?: Faults | undefined;
  /** Records of decisions: how many, how detailed; `false` for none. */
  readonly decisions?: Omit<DecisionOptions, "region" | "everybody"> | false | undefined;
  readonly audit?: AuditOptions | undefined;
  /** How often figures are worked out, in milliseconds, 250 to 60,000. Default 1,000. */
  readonly intervalMs?: number | undefined;
  /** Where regions are, in degrees, for a map. Default: the attributes `lat` and `lon` of their endpoints. */
  readonly places?: Readonly<Record<string, { readonly latitude: number; readonly longitude: number }>> | undefined;
  /**
   * How calls that operators make leave: given a contract, answers its client. Default: the client of that contract
   * that is watched, else a client of the gateway or server that is watched, at the address where it listens.
   */
  readonly callBy?: ((contract: AnyContract) => unknown) | undefined;
}

export interface Admin {
  readonly name: string;
  /** Hears what happens: given to gateways, clients and servers by `forGateway` and its like. */
  readonly observer: Observer;
  readonly handlers: Handlers<typeof AdminContract>;
  readonly decisions: Decisions | undefined;
  readonly control: RegionControl;
  readonly rules: Rules;
  readonly mirror: Mirror;
  readonly faults: Faults;
  readonly audit: Audit;
  readonly happenings: Happenings;
  /** Fills in what a gateway's options need: observer, rules, region control, mirrors, faults. */
  forGateway(options: GatewayOptions): GatewayOptions;
  forClient<Options extends ClientOptions>(options: Options): Options;
  forServer<Options extends ServerOptions>(options: Options): Options;
  /** Watches a gateway, a client or a server, and returns it. */
  add<One extends Watchable>(one: One): One;
  /** The state as of the last interval; the same object until the next. */
  snapshot(): Snapshot;
  /** Stops its timer. */
  close(): void;
}

/** What the parts of an admin share. */
export interface AdminState {
  readonly runtime: Runtime;
  readonly options: AdminOptions;
  readonly name: string;
  readonly role: "gateway" | "client" | "server";
  readonly startedWallMs: number;
  readonly watched: readonly Watched[];
  readonly decisions: Decisions | undefined;
  readonly control: RegionControl;
  readonly rules: Rules;
  readonly mirror: Mirror;
  readonly faults: Faults;
  readonly audit: Audit;
  readonly happenings: Happenings;
  readonly rates: EndpointRates;
  readonly drainReasons: Map<string, string>;
  /** Endpoints that were drained, also under names that are not known yet. */
  readonly drainedEndpoints: Set<string>;
  /** Where a server or gateway of this process listens; undefined before. */
  address(): string | undefined;
  snapshot(): Snapshot;
  /** Calls a second of each rule, over the last interval. */
  ruleShares(): readonly { readonly rule: string; readonly callsPerSecond: number }[];
  /** Resolves after the next tick. */
  nextTick(): Promise<void>;
  /** Whether no tick will follow. */
  isClosed(): boolean;
  readonly intervalMs: number;
}

/** Makes an admin on `runtime`. The package's `createAdmin` fills in the Node runtime. */
export function createAdminOn(runtime: Runtime, options: AdminOptions = {}): Admin {
  const core = new AdminCore(runtime, options);
  const { state, observer } = core;
  const handlers = handlersOf(state);
  const observing = <O extends { readonly observer?: Observer | undefined }>(given: O): O =>
    ({ ...given, observer: observeAll(given.observer, observer) });
  return {
    name: state.name, observer, handlers,
    decisions: state.decisions, control: state.control, rules: state.rules, mirror: state.mirror, faults: state.faults,
    audit: state.audit, happenings: state.happenings,
    forGateway: (given) => observing({
      control: state.control, rules: state.rules, mirror: state.mirror, ...given,
      client: {
        faults: state.faults, ...given.client,
        // Of two observers a gateway's client takes its own; it is to hear both.
        ...(given.client?.observer === undefined
          ? undefined
          : { observer: observeAll(given.client.observer, observer) }),
      },
    }),
    forClient: (given) => observing({
      faults: state.faults, ...given, regions: { control: state.control, ...given.regions },
    }),
    forServer: (given) => observing({
      ...given, stack: {
        timing: timing(runtime.clock), faults: state.faults.layer(given.region ?? options.region), ...given.stack,
      },
    }),
    add: (one) => {
      core.watched.push(watched(one));
      return one;
    },
    snapshot: () => core.snapshot(),
    close: () => core.close(),
  };
}

class AdminCore {
  readonly watched: Watched[] = [];
  readonly observer: Observer;
  readonly state: AdminState;
  readonly #runtime: Runtime;
  readonly #options: AdminOptions;
  readonly #figures: FigureKeeper;
  readonly #emptied = new Set<string>();
  readonly #before = new Map<string, number>();
  readonly #tally = new RegionTally();
  #shares: readonly { readonly rule: string; readonly callsPerSecond: number }[] = [];
  #snapshot: Snapshot | undefined = undefined;
  #timer: Timer | undefined;
  #ticking = Promise.withResolvers<void>();
  #address: string | undefined = undefined;

  constructor(runtime: Runtime, options: AdminOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { role = "gateway", region = "" } = options;
    const intervalMs = numberOption("intervalMs", options.intervalMs ?? 1_000,
      { least: 250, most: 60_000, unit: "milliseconds" });
    const happenings = createHappenings(runtime);
    this.#figures = createFigures(runtime.clock.now(), role === "server", region);
    const decisions = options.decisions === false ? undefined : createDecisions(runtime, {
      ...options.decisions, region,
      everybody: (service) => this.watched.find((one) => one.services().includes(service))?.endpoints(service) ?? [],
    });
    const control = options.control ?? regionControl();
    const state = {
      runtime, options, name: options.name ?? role, role, startedWallMs: runtime.clock.wallMs(), watched: this.watched,
      decisions, control, rules: options.rules ?? createRules(), mirror: options.mirror ?? createMirror(runtime),
      faults: options.faults ?? faults(runtime, { observer: { event: (name, fields) => happenings.note(name,
        faultText(name, fields), { severity: "warning" }) } }),
      audit: createAudit(runtime, options.audit), happenings, rates: new EndpointRates(),
      drainReasons: new Map<string, string>(), drainedEndpoints: new Set<string>(),
      address: () => this.#address, snapshot: () => this.snapshot(), ruleShares: () => this.#shares,
      nextTick: () => this.#ticking.promise, isClosed: () => this.#timer === undefined, intervalMs,
    };
    this.state = state;
    this.observer = observeAll(this.#figures.observer, decisions?.observer, happenings.observer, {
      event: (name, fields) => {
        if (name === "server.listening") this.#address ??= String(fields["address"]);
        // Its keys are regions, its method names the service.
        if (name === "retry.budget.empty") this.#emptied.add(String(fields["method"]).split("/")[0] ?? "");
      },
    });
    this.#timer = this.#tickLater(intervalMs);
  }

  #tickLater(intervalMs: number): Timer {
    return this.#runtime.clock.after(intervalMs, () => {
      this.#tick();
      if (this.#timer !== undefined) this.#timer = this.#tickLater(intervalMs);
      const ticked = this.#ticking;
      this.#ticking = Promise.withResolvers<void>();
      ticked.resolve();
    }).unref();
  }

  #tick(): void {
    const { intervalMs } = this.#figures.tick(this.#runtime.clock.now());
    this.#snapshot = undefined;
    this.#shares = this.state.rules.matches().map(({ rule, calls }) => {
      const before = this.#before.get(rule) ?? 0;
      this.#before.set(rule, calls);
      // A rule that was replaced counts anew.
      const more = calls >= before ? calls - before : calls;
      return { rule, callsPerSecond: intervalMs > 0 ? more * 1_000 / intervalMs : 0 };
    });
    for (const known of this.#before.keys()) {
      if (!this.#shares.some(({ rule }) => rule === known)) this.#before.delete(known);
    }
    for (const id of this.state.drainedEndpoints) for (const one of this.watched) one.drain(id, true);
  }

  snapshot(): Snapshot {
    if (this.#snapshot !== undefined) return this.#snapshot;
    const { control, drainReasons } = this.state;
    const emptied = new Set(this.#emptied);
    this.#emptied.clear();
    return this.#snapshot = snapshotOf({
      atMs: this.#runtime.clock.wallMs(), region: this.#options.region ?? "",
      byService: endpointsByService(this.watched), seen: this.#figures.seen, control, drainReasons,
      places: this.#options.places ?? {}, isBudgetEmpty: (service) => emptied.has(service), happenings: [],
      tally: this.#tally,
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#ticking.resolve();
  }
}

function faultText(name: string, fields: Readonly<Record<string, unknown>>): string {
  const fault = fields as unknown as Fault;
  if (name !== "fault.injected") return `the injected fault ${fault.id} is over after ${fault.struck} attempts`;
  const what = [fault.delayMs > 0 ? `${fault.delayMs} ms of delay` : "", fault.code ?? ""].filter((one) => one !== "");
  return `${what.join(" and ")} for ${fault.percent} % of ${fault.service}/${fault.method} ` +
    `to region ${fault.region}, until ${new Date(fault.untilWallMs).toISOString().slice(11, 19)} ` +
    `(${fault.by || "somebody"})`;
}

