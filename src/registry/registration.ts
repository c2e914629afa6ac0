/**
 * Registrations keep the entries of one process in the registry: entered, renewed all together, entered again
 * when the registry has forgotten them, and withdrawn.
 */
import type { Timer } from "../core/alarm.ts";
import type { Registration } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Client } from "../contract/types.ts";
import type { RegistryContract } from "./contract.ts";

export interface RegistrationsOptions {
  readonly client: Client<typeof RegistryContract>;
  readonly ttlMs: number;
  readonly observer: Observer;
}

/** Leases renewed by one call. */
const renewedTogether = 1_000;
/** First and longest pause before an entry is tried again, in milliseconds. */
const pauseMs = { min: 50, max: 1_000, growth: 1.6 } as const;
/** Time for withdrawing an entry; after that its lease runs out by itself. In milliseconds. */
const withdrawMs = 1_000;

export class Registrations {
  readonly runtime: Runtime;
  readonly options: RegistrationsOptions;
  readonly #all = new Set<RegisteredEndpoint>();
  #timer: Timer | undefined = undefined;
  #renewing = false;
  /** Since the last heartbeat that was answered, one was not: said once. */
  #isUnheard = false;
  #closed = false;

  constructor(runtime: Runtime, options: RegistrationsOptions) {
    this.runtime = runtime;
    this.options = options;
  }

  add(name: string, endpoint: EndpointAddress): Registration {
    const one = new RegisteredEndpoint(this, name, endpoint);
    this.#all.add(one);
    one.enter();
    this.#timer ??= this.#renewLater(this.options.ttlMs / 3);
    return one;
  }

  removed(one: RegisteredEndpoint): void {
    this.#all.delete(one);
  }

  /** The registry can be reached (again), perhaps another incarnation of it: say at once that we are here. */
  hurry(): void {
    for (const one of this.#all) one.hurry();
    void this.#renew();
  }

  #renewLater(delayMs: number): Timer {
    const { clock, random } = this.runtime;
    // Between 90 and 100 %: processes that started together must not beat together for ever.
    return clock.after(delayMs * (0.9 + 0.1 * random.next()), () => void this.#renew()).unref();
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#closed) return;
    this.#renewing = true;
    this.#timer?.cancel();
    const { ttlMs } = this.options;
    let isAnswered = true;
    const held = [...this.#all].filter((one) => one.leaseId !== undefined);
    for (let i = 0; i < held.length; i += renewedTogether) {
      if (!await this.#renewSome(held.slice(i, i + renewedTogether))) isAnswered = false;
    }
    this.#renewing = false;
    if (!this.#closed) this.#timer = this.#renewLater(isAnswered ? ttlMs / 3 : ttlMs / 9);
  }

  async #renewSome(some: readonly RegisteredEndpoint[]): Promise<boolean> {
    const { client, observer, ttlMs } = this.options;
    const byLease = new Map(some.map((one) => [one.leaseId ?? "", one]));
    try {
      const { unknown } = await client.renew({ leaseIds: [...byLease.keys()] }, { timeoutMs: ttlMs / 3 });
      this.#isUnheard = false;
      for (const leaseId of unknown) byLease.get(leaseId)?.forgotten(leaseId);
      return true;
    } catch (error) {
      if (!this.#isUnheard) {
        this.#isUnheard = true;
        observer.event?.("registry.renew.failed", { leases: this.#all.size, error: RpcError.from(error).message });
      }
      return false;
    }
  }

  /** Withdraws everything. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await Promise.all([...this.#all].map((one) => one.close()));
  }
}

class RegisteredEndpoint implements Registration {
  readonly registered: Promise<void>;
  leaseId: string | undefined = undefined;
  readonly #owner: Registrations;
  readonly #name: string;
  readonly #endpoint: EndpointAddress;
  readonly #registrant: string;
  readonly #first = Promise.withResolvers<void>();
  #isHeld = false;
  #entering: Promise<void> | undefined = undefined;
  #endPause: (() => void) | undefined = undefined;
  readonly #abandoned = new AbortController();
  #closing: Promise<void> | undefined = undefined;

  constructor(owner: Registrations, name: string, endpoint: EndpointAddress) {
    this.#owner = owner;
    this.#name = name;
    this.#endpoint = endpoint;
    this.#registrant = owner.runtime.random.id();
    this.registered = this.#first.promise;
    // Not everybody asks; a refusal that nobody hears must not end the process.
    this.registered.catch(() => undefined);
  }

  hurry(): void {
    this.#endPause?.();
  }

  /** The registry does not know the lease: it has restarted, or could not be reached for too long. */
  forgotten(leaseId: string): void {
    if (this.leaseId !== leaseId) return;
    this.leaseId = undefined;
    this.#owner.options.observer.event?.("registry.forgotten", { name: this.#name, address: this.#endpoint.address });
    this.enter();
  }

  enter(): void {
    if (this.#closing === undefined) this.#entering ??= this.#enter();
  }

  /** Tries until the registry holds the entry, refuses it for good, or nobody wants it any more. */
  async #enter(): Promise<void> {
    const { client, ttlMs, observer } = this.#owner.options;
    const request = {
      name: this.#name, ttlMs, registrant: this.#registrant,
      endpoint: { ...this.#endpoint, attributes: { ...this.#endpoint.attributes } },
    };
    for (let failures = 0; this.#closing === undefined; failures++) {
      try {
        ({ leaseId: this.leaseId } = await client.register(request, { signal: this.#abandoned.signal }));
        this.#isHeld = true;
        this.#first.resolve();
        break;
      } catch (caught) {
        if (this.#abandoned.signal.aborted) break;
        const error = RpcError.from(caught);
        if (failures === 0) {
          observer.event?.("registry.register.failed",
            { name: this.#name, address: this.#endpoint.address, error: error.message });
        }
        if (isRefusal(error) && !this.#isHeld) {
          this.#first.reject(error);
          this.#owner.removed(this);
          break;
        }
        await this.#pause(failures);
      }
    }
    this.#entering = undefined;
  }

  #pause(failures: number): Promise<void> {
    const { clock, random } = this.#owner.runtime;
    const boundMs = Math.min(pauseMs.max, pauseMs.min * pauseMs.growth ** Math.min(failures, 64));
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#endPause = undefined;
        resolve();
      };
      const timer = clock.after(boundMs * (0.5 + 0.5 * random.next()), end).unref();
      this.#endPause = end;
    });
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#endPause?.();
    // What is under way may still be entered: it is let finish, to be withdrawn, but not for ever.
    const patience = this.#owner.runtime.clock.after(withdrawMs, () => this.#abandoned.abort()).unref();
    await this.#entering;
    patience.cancel();
    this.#owner.removed(this);
    this.#first.reject(new RpcError("cancelled", `the registration of ${this.#endpoint.address} was closed`));
    const { leaseId } = this;
    this.leaseId = undefined;
    if (leaseId === undefined) return;
    // A registry that cannot be reached ends the lease by itself: no reason to keep a server from closing.
    await this.#owner.options.client.deregister({ leaseIds: [leaseId] }, { timeoutMs: withdrawMs })
      .catch(() => undefined);
  }
}

/** Whether the registry itself said no, and would say so again. */
function isRefusal(error: RpcError): boolean {
  return error.remote && !error.retryable && !error.neverStarted && error.code !== "deadline_exceeded";
}
