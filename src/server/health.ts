/**
 * Health is what a server says of itself by the standard service `grpc.health.v1.Health`: which of its services are
 * serving, at once (Check, List) or with every change (Watch). Kubernetes and load balancers ask it.
 *
 * The protocol is that of https://github.com/grpc/grpc/blob/v1.66.0/doc/health-checking.md.
 */
import * as z from "zod";
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { field, rpc, service } from "../contract/index.ts";
import type { Handlers } from "../contract/types.ts";

const servingStatus = z.enum(["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]).meta({
  id: "HealthCheckResponse.ServingStatus", numbers: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 },
});
const checkRequest = z.object({ service: z.string() }).meta({ id: "HealthCheckRequest" });
const checkResponse = z.object({ status: servingStatus }).meta({ id: "HealthCheckResponse" });

/** The contract of `grpc/health/v1/health.proto`. Overload sheds it last: it decides over the whole server. */
export const Health = service("grpc.health.v1.Health", {
  check: rpc({ input: checkRequest, output: checkResponse, criticality: "critical" }),
  list: rpc({
    input: z.object({}).meta({ id: "HealthListRequest" }),
    output: z.object({ statuses: field(1, z.record(z.string(), checkResponse)) }).meta({ id: "HealthListResponse" }),
    criticality: "critical",
  }),
  watch: rpc({ kind: "server_stream", input: checkRequest, output: checkResponse, criticality: "critical" }),
});

/** What a service may be set to. */
export type ServingStatus = "SERVING" | "NOT_SERVING";

type SaidStatus = z.infer<typeof servingStatus>;

export interface HealthOptions {
  /** The services that are implemented: they are SERVING unless set otherwise. */
  readonly services: () => readonly string[];
  /** Most watches at once; more are refused with `resource_exhausted`. Default 1,000. */
  readonly maxWatches?: number | undefined;
}

/** Most services that may be set by name, and that List tells of. */
const maxServices = 10_000;
const maxListed = 100;

/** Handlers of {@link Health}, and what steers their answers. */
export class ServerHealth {
  readonly #options: HealthOptions;
  readonly #maxWatches: number;
  readonly #set = new Map<string, ServingStatus>();
  readonly #watches = new Set<Watch>();
  #isDraining = false;
  #ended: RpcError | undefined = undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#maxWatches = options.maxWatches ?? 1_000;
  }

  /** For `server.implement(Health, health.handlers)`. */
  readonly handlers: Handlers<typeof Health> = {
    check: ({ service: name }) => {
      const status = this.statusOf(name);
      if (status !== "SERVICE_UNKNOWN") return { status };
      throw expected("not_found", `"${name.slice(0, 256)}" is not served here`, { phase: "handler" });
    },
    list: () => this.#list(),
    watch: ({ service: name }, context) => this.#watch(name, context),
  };

  /**
   * Says how a service is, e.g. while its database is away; `""` is the server as a whole. A name need not be
   * implemented. Throws `resource_exhausted` for more than 10,000 names.
   */
  set(name: string, status: ServingStatus): void {
    if (!this.#set.has(name) && this.#set.size >= maxServices) {
      throw new RpcError("resource_exhausted", `the health of ${maxServices} services is set already`);
    }
    this.#set.set(name, status);
    this.refresh();
  }

  /** What is said of a service: all are NOT_SERVING while the server drains. */
  statusOf(name: string): SaidStatus {
    const status = this.#set.get(name);
    if (status === undefined && name !== "" && !this.#options.services().includes(name)) return "SERVICE_UNKNOWN";
    return this.#isDraining ? "NOT_SERVING" : status ?? "SERVING";
  }

  /** Says NOT_SERVING of everything from now on: the server is about to end, and callers shall go elsewhere. */
  drain(): void {
    this.#isDraining = true;
    this.refresh();
  }

  /** Tells watches what has changed; to be called when a service was implemented. */
  refresh(): void {
    for (const watch of this.#watches) watch.changed();
  }

  /** Ends all watches, which would keep their connections open: watchers look for another server. */
  close(reason: RpcError = expected("unavailable", "the server is shutting down")): void {
    this.drain();
    this.#ended = reason;
    for (const watch of [...this.#watches]) watch.end(reason);
  }

  #list(): { statuses: Record<string, { status: SaidStatus }> } {
    const names = new Set(["", ...this.#options.services(), ...this.#set.keys()]);
    if (names.size > maxListed) {
      const why = `there are ${names.size} services, more than the ${maxListed} that are listed`;
      throw expected("resource_exhausted", why, { phase: "handler" });
    }
    return { statuses: Object.fromEntries([...names].map((name) => [name, { status: this.statusOf(name) }])) };
  }

  #watch(name: string, context: Context): AsyncIterable<{ status: SaidStatus }> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#watches.size >= this.#maxWatches) {
      throw expected("resource_exhausted", `${this.#maxWatches} watches are open (maxWatches)`, { phase: "handler" });
    }
    const watch = new Watch(() => this.statusOf(name), (ended) => {
      this.#watches.delete(ended);
      context.offCancel(ended);
    });
    this.#watches.add(watch);
    context.onCancel(watch);
    return watch;
  }
}

/** Handlers of the standard health service for a server: `healthOf({ services: () => server.services })`. */
export function healthOf(options: HealthOptions): ServerHealth {
  return new ServerHealth(options);
}

/** One stream of changes. It keeps nothing for a slow watcher, who gets the latest status when it reads on. */
class Watch implements AsyncIterableIterator<{ status: SaidStatus }> {
  readonly #current: () => SaidStatus;
  readonly #over: (watch: Watch) => void;
  #said: SaidStatus | undefined = undefined;
  #waiting: PromiseWithResolvers<IteratorResult<{ status: SaidStatus }>> | undefined = undefined;
  #isOver = false;
  #reason: RpcError | undefined = undefined;

  constructor(current: () => SaidStatus, over: (watch: Watch) => void) {
    this.#current = current;
    this.#over = over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<{ status: SaidStatus }>> {
    const reason = this.#reason;
    this.#reason = undefined;
    if (reason !== undefined) return Promise.reject(reason);
    if (this.#isOver) return Promise.resolve(done);
    const status = this.#current();
    if (status !== this.#said) {
      this.#said = status;
      return Promise.resolve({ done: false, value: { status } });
    }
    return (this.#waiting ??= Promise.withResolvers()).promise;
  }

  /** The reader has left. */
  return(): Promise<IteratorResult<{ status: SaidStatus }>> {
    this.#finish();
    this.#waiting?.resolve(done);
    this.#waiting = undefined;
    return Promise.resolve(done);
  }

  changed(): void {
    const waiting = this.#waiting;
    const status = this.#current();
    if (waiting === undefined || status === this.#said) return;
    this.#said = status;
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: { status } });
  }

  cancelled(): void {
    void this.return();
  }

  /** Ends the stream with an error, behind what its reader has not heard yet. */
  end(reason: RpcError): void {
    if (this.#isOver) return;
    this.#finish();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#reason = reason;
    else waiting.reject(reason);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over(this);
  }
}

const done = { done: true, value: undefined } as const;
