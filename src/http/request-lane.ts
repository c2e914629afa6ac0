/** A RequestLane is the way to one server: the connection that takes new requests, and who waits for it. */
import { expected, RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { HttpConnect, HttpConnection } from "./message.ts";

export interface LaneSettings {
  readonly address: string;
  readonly connect: HttpConnect;
  readonly connectTimeoutMs: number;
  readonly maxWaiting: number;
}

/** Who wants to send a request. One of the two is called, once, unless it leaves before. */
export interface LaneUser {
  /** The connection takes a request now. */
  begin(connection: HttpConnection): void;
  refused(error: RpcError): void;
}

/** What a connection that nobody trusts any more has left under way may end in its own time: by its own limits. */
const graceMs = 3_600_000;

export class RequestLane {
  readonly #runtime: Runtime;
  readonly #settings: LaneSettings;
  /** All that are not closed; new requests go to `#current` alone. */
  readonly #connections = new Set<HttpConnection>();
  readonly #waiting = new Set<LaneUser>();
  #current: HttpConnection | undefined = undefined;
  #isClosed = false;

  constructor(runtime: Runtime, settings: LaneSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  enter(user: LaneUser): void {
    const { maxWaiting } = this.#settings;
    if (this.#isClosed) {
      user.refused(this.#closedError());
    } else if (this.#waiting.size === 0 && this.#current?.available === true) {
      user.begin(this.#current);
    } else if (this.#waiting.size >= maxWaiting) {
      user.refused(expected("resource_exhausted", `${maxWaiting} requests wait already (maxWaiting)`,
        { neverStarted: true, phase: "queue" }));
    } else {
      this.#waiting.add(user);
      if (this.#current === undefined) this.#open();
    }
  }

  leave(user: LaneUser): void {
    this.#waiting.delete(user);
  }

  /** A request came to nothing in time: if the server has said nothing at all since, others take a new connection. */
  doubt(connection: HttpConnection, sinceMs: number): void {
    if (connection !== this.#current || connection.lastReceivedMs > sinceMs) return;
    this.#current = undefined;
    connection.close(graceMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#current = undefined;
    for (const connection of [...this.#connections]) connection.abort(this.#closedError());
    this.#refuse(this.#closedError());
  }

  #open(): void {
    const { connect, address, connectTimeoutMs } = this.#settings;
    let isOpened = false;
    const timer = this.#runtime.clock.after(connectTimeoutMs, () => {
      connection.abort(expected("unavailable", `no connection within ${connectTimeoutMs} ms`,
        { neverStarted: true, phase: "connect" }));
    });
    let connection: HttpConnection;
    try {
      connection = connect(this.#runtime, address, {
        opened: () => {
          isOpened = true;
          timer.cancel();
          this.#pump(connection);
        },
        available: () => this.#pump(connection),
        draining: () => this.#forget(connection),
        closed: (error) => {
          timer.cancel();
          this.#connections.delete(connection);
          const wasCurrent = this.#forget(connection);
          // What was open once may be had again; what never opened would be tried without end.
          if (!wasCurrent || this.#waiting.size === 0) return;
          if (isOpened) this.#open();
          else this.#refuse(this.#unreached(error));
        },
        pinged: () => undefined,
      });
    } catch (error) {
      timer.cancel();
      this.#refuse(RpcError.from(error, "invalid_argument"));
      return;
    }
    this.#connections.add(connection);
    this.#current = connection;
  }

  #pump(connection: HttpConnection): void {
    for (const user of this.#waiting) {
      if (connection !== this.#current || !connection.available) return;
      this.#waiting.delete(user);
      user.begin(connection);
    }
  }

  #forget(connection: HttpConnection): boolean {
    if (connection !== this.#current) return false;
    this.#current = undefined;
    return true;
  }

  #refuse(error: RpcError): void {
    const refused = [...this.#waiting];
    this.#waiting.clear();
    for (const user of refused) user.refused(error);
  }

  #unreached(error: RpcError | undefined): RpcError {
    return expected("unavailable", error?.message ?? "the connection was closed before it opened",
      { cause: error, neverStarted: true, phase: "connect" });
  }

  #closedError(): RpcError {
    return expected("cancelled", "the requester is closed", { neverStarted: true });
  }
}
