/**
 * A pool lets endpoints that mean the same address share one connection, whatever service they are of.
 *
 * Each user opens, calls and closes as if the connection were its own; the real one closes with its last
 * user. So clients are cheap to make, and a gateway keeps one connection to a server of fifty services.
 */
import type { AttemptObserver, Connect, Connection, ConnectionEvents } from "../core/connection.ts";
import type { Context } from "../core/context.ts";
import type { RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import type { Runtime } from "../core/runtime.ts";

/** Shares the connections that `connect` makes, per runtime and address. */
export function pooled(connect: Connect): Connect {
  const pools = new WeakMap<Runtime, Map<string, SharedConnection>>();
  return (runtime, address, events, attributes) => {
    let pool = pools.get(runtime);
    if (pool === undefined) pools.set(runtime, pool = new Map());
    const { protocol } = attributes ?? {};
    const key = protocol === undefined ? address : `${address} ${protocol}`;
    let shared = pool.get(key);
    if (shared === undefined) {
      const addresses = pool;
      shared = new SharedConnection(runtime, () => {
        if (addresses.get(key) === shared) addresses.delete(key);
      });
      pool.set(key, shared);
      shared.start(connect, address, attributes);
    }
    return shared.join(events);
  };
}

class SharedConnection implements ConnectionEvents {
  readonly #runtime: Runtime;
  /** Takes it out of the pool: the next user makes a new one. */
  readonly #retire: () => void;
  readonly #users = new Set<User>();
  #connection!: Connection;
  #open = false;

  constructor(runtime: Runtime, retire: () => void) {
    this.#runtime = runtime;
    this.#retire = retire;
  }

  start(connect: Connect, address: string, attributes: Readonly<Record<string, string>> | undefined): void {
    this.#connection = connect(this.#runtime, address, this, attributes);
  }

  get connection(): Connection {
    return this.#connection;
  }

  join(events: ConnectionEvents): Connection {
    const user = new User(this, events);
    this.#users.add(user);
    if (this.#open) {
      this.#runtime.clock.defer(() => {
        if (this.#open && this.#users.has(user)) events.opened();
      });
    }
    return user;
  }

  leave(user: User, graceMs: number): void {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    this.#retire();
    this.#connection.close(graceMs);
  }

  opened(): void {
    this.#open = true;
    for (const user of [...this.#users]) user.events.opened();
  }

  draining(why: string, reconnect?: boolean): void {
    this.#retire();
    for (const user of [...this.#users]) user.events.draining(why, reconnect);
  }

  closed(error: RpcError | undefined): void {
    this.#open = false;
    this.#retire();
    const users = [...this.#users];
    this.#users.clear();
    for (const user of users) user.events.closed(error);
  }

  pinged(roundTripMs: number): void {
    for (const user of this.#users) user.events.pinged(roundTripMs);
  }

  reported(report: LoadReport): void {
    for (const user of this.#users) user.events.reported(report);
  }
}

/** One endpoint's share in a connection. */
class User implements Connection {
  readonly #shared: SharedConnection;
  readonly #connection: Connection;
  readonly events: ConnectionEvents;

  constructor(shared: SharedConnection, events: ConnectionEvents) {
    this.#shared = shared;
    this.#connection = shared.connection;
    this.events = events;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    return this.#connection.call(request, context, observer);
  }

  get inFlight(): number {
    return this.#connection.inFlight;
  }

  get lastReceivedMs(): number {
    return this.#connection.lastReceivedMs;
  }

  ping(): boolean {
    return this.#connection.ping();
  }

  askLoad(): boolean {
    return this.#connection.askLoad?.() ?? false;
  }

  get pingsSparingly(): boolean {
    return this.#connection.pingsSparingly;
  }

  failRepeatable(error: RpcError): void {
    this.#connection.failRepeatable(error);
  }

  abort(error: RpcError): void {
    this.#connection.abort(error);
  }

  close(graceMs: number): void {
    this.#shared.leave(this, graceMs);
  }
}
