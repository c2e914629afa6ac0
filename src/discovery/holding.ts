/** A Holding keeps one entry in an engine: entered, entered again when it was lost, and withdrawn at the end. */
import type { Registration } from "../core/discovery.ts";
import { describeEndpoint, type EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Engine } from "./engine.ts";
import { type PauseBounds, Pauses } from "./pauses.ts";

/** What is entered. */
export interface EngineEntry {
  readonly name: string;
  readonly endpoint: EndpointAddress;
  /** Of this registration alone, so that its end takes out nobody who entered the same id after it. */
  readonly registrant: string;
}

export interface HoldingSettings {
  readonly observer: Observer;
  readonly pauseMs: PauseBounds;
}

/** Why a hold ends whose entry was entered again by the same process. */
export const superseded: unique symbol = Symbol("superseded");

/** Time for withdrawing an entry; after that its lease runs out by itself. In milliseconds. */
const withdrawMs = 2_000;

export class Holding implements Registration {
  readonly registered: Promise<void>;
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  readonly #entry: EngineEntry;
  readonly #settings: HoldingSettings;
  readonly #ended: () => void;
  readonly #pauses: Pauses;
  readonly #first = Promise.withResolvers<void>();
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined = undefined;
  /** Whether the engine ever held it, and whether it does now. */
  #wasHeld = false;
  #isHeld = false;
  /** Whether it was said that the entry cannot be entered: once an outage. */
  #isFailing = false;

  constructor(runtime: Runtime, engine: Engine, entry: EngineEntry, settings: HoldingSettings, ended: () => void) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.#entry = entry;
    this.#settings = settings;
    this.#ended = ended;
    this.#pauses = new Pauses(runtime, settings.pauseMs);
    this.registered = this.#first.promise;
    // Not everybody asks; a refusal that nobody hears must not end the process.
    this.registered.catch(() => undefined);
  }

  start(): void {
    this.#running = this.#hold();
  }

  async #hold(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      try {
        await this.#engine.hold?.(this.#entry, () => this.#held(), signal);
        if (!signal.aborted) this.#lost(new RpcError("unavailable", `${this.#engine.name} no longer has the entry`));
      } catch (caught) {
        const error = RpcError.from(caught, "unavailable");
        if (!signal.aborted) this.#lost(error);
        if (isRefusal(error) && !this.#wasHeld) {
          this.#first.reject(error);
          this.#ended();
          return;
        }
      }
      if (!signal.aborted) await this.#pauses.next();
    }
  }

  #held(): void {
    if (this.#wasHeld && !this.#isHeld) this.#tell("discovery.registered", {});
    this.#wasHeld = this.#isHeld = true;
    this.#isFailing = false;
    this.#pauses.reset();
    this.#first.resolve();
  }

  #lost(error: RpcError): void {
    if (this.#isHeld) this.#tell("discovery.register.lost", { error: error.message });
    else if (!this.#isFailing) this.#tell("discovery.register.failed", { error: error.message });
    this.#isFailing = true;
    this.#isHeld = false;
  }

  #tell(event: string, fields: Readonly<Record<string, string>>): void {
    const { name, endpoint } = this.#entry;
    this.#settings.observer.event?.(event,
      { engine: this.#engine.name, name, endpoint: describeEndpoint(endpoint), ...fields });
  }

  /** The same process entered the same id again: leaves the entry to that registration. */
  supersede(): void {
    this.#closing ??= Promise.resolve();
    this.#end.abort(superseded);
    this.#pauses.skip();
    this.#first.reject(new RpcError("aborted", `${this.#entry.endpoint.id} was registered again`));
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#end.abort();
    this.#pauses.skip();
    this.#ended();
    this.#first.reject(new RpcError("cancelled", `the registration of ${this.#entry.endpoint.id} was closed`));
    // An engine that cannot be reached ends the lease by itself: no reason to keep a server from closing.
    const patience = Promise.withResolvers<void>();
    const timer = this.#runtime.clock.after(withdrawMs, patience.resolve);
    await Promise.race([this.#running, patience.promise]);
    timer.cancel();
  }
}

/** Whether the engine said no, and would say so again. */
function isRefusal({ code }: RpcError): boolean {
  return code === "invalid_argument" || code === "permission_denied" || code === "unauthenticated";
}
