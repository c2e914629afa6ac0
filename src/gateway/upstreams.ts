/** Upstreams are a gateway's clients: one for each name that servers register under, made at its first call. */
import { type Clock, isPromise, RpcError, type Service } from "../core/index.ts";
import type { Calling } from "../client/create-client.ts";
import type { ClientEndpoint } from "../client/endpoint.ts";
import { retire } from "../client/retire.ts";
import { describeTarget, rulePicker } from "./by-rules.ts";
import type { RoutingRule } from "./rules.ts";

/** Most names that one gateway forwards to. */
const maxServices = 10_000;

export class Upstreams {
  readonly #clock: Clock;
  readonly #make: (name: string) => Calling;
  readonly #byName = new Map<string, Upstream>();
  #closed = false;

  constructor(clock: Clock, make: (name: string) => Calling) {
    this.#clock = clock;
    this.#make = make;
  }

  get(name: string): Upstream {
    let upstream = this.#byName.get(name);
    if (upstream !== undefined) return upstream;
    if (this.#closed) throw new RpcError("unavailable", "the gateway is closed", { neverStarted: true });
    if (this.#byName.size >= maxServices) this.#makeRoom();
    upstream = new Upstream(this.#make(name));
    this.#byName.set(name, upstream);
    return upstream;
  }

  /** Makes those of a name, or all, anew; the old ones go when their calls have ended. */
  renew(name?: string): void {
    for (const [known, upstream] of [...this.#byName]) {
      if (name !== undefined && name !== known) continue;
      // Made before the old one goes, so that neither connections nor watches are let go of.
      this.#byName.set(known, new Upstream(this.#make(known)));
      upstream.retire(this.#clock);
    }
  }

  endpoints(name: string): readonly ClientEndpoint[] {
    return this.#byName.get(name)?.calling.endpoints() ?? [];
  }

  names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Takes an endpoint out of service, or lets it back, under every name; answers whether anybody knew it. */
  drain(id: string, isDrained: boolean): boolean {
    let isKnown = false;
    for (const { calling } of this.#byName.values()) if (calling.drain(id, isDrained)) isKnown = true;
    return isKnown;
  }

  /** Names that nobody serves go first, since anybody can call them. */
  #makeRoom(): void {
    for (const [name, upstream] of this.#byName) {
      if (upstream.calling.endpoints().length > 0) continue;
      upstream.close();
      this.#byName.delete(name);
    }
    if (this.#byName.size < maxServices) return;
    throw new RpcError("resource_exhausted", `this gateway forwards to ${maxServices} services already`);
  }

  close(): void {
    this.#closed = true;
    for (const upstream of this.#byName.values()) upstream.close();
    this.#byName.clear();
  }
}

export class Upstream {
  readonly calling: Calling;
  /** By rule: a rule that is gone goes with what was kept for it, once its last call has ended. */
  readonly #byRule = new WeakMap<RoutingRule, Service>();
  isClosed = false;

  constructor(calling: Calling) {
    this.calling = calling;
  }

  /** What the calls of a rule go through. */
  serviceOf(rule: RoutingRule): Service {
    let service = this.#byRule.get(rule);
    if (service === undefined) {
      const { calling } = this;
      const picker = rulePicker(rule, calling.picker, () => calling.makePicker());
      service = picker === calling.picker ? calling.service : naming(rule, calling.serviceBy(picker));
      this.#byRule.set(rule, service);
    }
    return service;
  }

  close(): void {
    this.isClosed = true;
    this.calling.close(0);
  }

  retire(clock: Clock): void {
    this.isClosed = true;
    retire(clock, this.calling);
  }
}

/** Failures of a rule that keeps calls from going elsewhere name it: or people look for the fault elsewhere. */
function naming(rule: RoutingRule, service: Service): Service {
  if (rule.target.fallback === true) return service;
  const named = (error: unknown): never => {
    if (RpcError.is(error) && !error.remote && error.code === "unavailable" && !error.message.startsWith("rule ")) {
      error.message = `rule "${rule.name}" sends this call to ${describeTarget(rule.target)} only: ${error.message}`;
    }
    throw error;
  };
  return (request, context) => {
    let answer: unknown;
    try {
      answer = service(request, context);
    } catch (error) {
      return named(error);
    }
    return isPromise(answer) ? answer.then(undefined, named) : answer;
  };
}
