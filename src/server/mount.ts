/** A server's HTTP lent to other HTTP servers: which requests are its own, and how long closing waits for them. */
import type { ServedConnection } from "../core/connection.ts";
import type { RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import type { HttpHandler } from "../http/message.ts";
import type { HttpMount, MountedExchange } from "../http/mount.ts";
import type { PathTable } from "../protocol/http-json/index.ts";

export interface MountParts {
  readonly clock: Clock;
  readonly handle: HttpHandler;
  readonly services: () => readonly string[];
  readonly paths: PathTable;
  /** It has exchanges, and counts as a connection until `idle`. */
  readonly busy: (mount: ServedConnection) => void;
  readonly idle: (mount: ServedConnection) => void;
}

/** Pages and doors that every server has beside its methods. */
const pages = new Set(["healthz", "openapi.json", "docs", "jsonrpc"]);

/** All exchanges that were handed to one server: to its closing they are one connection. */
export class ServerMount implements HttpMount, ServedConnection {
  readonly peer = "(mounted)";
  readonly clock: Clock;
  readonly handle: HttpHandler;
  readonly #parts: MountParts;
  readonly #exchanges = new Set<MountedExchange>();
  #drained: RpcError | undefined = undefined;

  constructor(parts: MountParts) {
    this.clock = parts.clock;
    this.handle = parts.handle;
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#exchanges.size;
  }

  claims(method: string, path: string): boolean {
    const [asked = ""] = path.split("?", 1);
    const [, first = ""] = asked.split("/", 2);
    return pages.has(first) || this.#parts.services().includes(first) || first.startsWith("grpc.") ||
      this.#parts.paths.find(method, asked).kind !== "none";
  }

  begun(exchange: MountedExchange): RpcError | undefined {
    if (this.#drained !== undefined) return this.#drained;
    if (this.#exchanges.size === 0) this.#parts.busy(this);
    this.#exchanges.add(exchange);
    return undefined;
  }

  over(exchange: MountedExchange): void {
    if (this.#exchanges.delete(exchange) && this.#exchanges.size === 0) this.#parts.idle(this);
  }

  drain(reason: RpcError): void {
    this.#drained ??= reason;
  }

  close(reason: RpcError): void {
    for (const exchange of [...this.#exchanges]) exchange.cut(reason);
  }

  sweep(): void {
    // The host watches its connections itself.
  }
}
