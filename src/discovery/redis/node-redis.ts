/**
 * Connections by `@redis/client` (node-redis), an optional peer dependency that is loaded when first used.
 *
 * Its sockets and its timer for connecting are Node's own, so this part does not run in a simulation; everything above
 * {@link ConnectRedis} does.
 */
import { RpcError } from "../../core/error.ts";
import type { ConnectRedis, RedisConnection } from "./connection.ts";

/** What is used of a client of node-redis. */
export interface RedisClientLike {
  readonly options?: { readonly socket?: object | undefined } | undefined;
  duplicate(overrides: RedisClientOverrides): RedisClientCopy;
}

/** Ours by now: connected, subscribed and ended by us alone. */
export interface RedisClientCopy {
  connect(): Promise<unknown>;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  unsubscribe(channel: string, listener: (message: string) => void): Promise<void>;
  pSubscribe(pattern: string, listener: (message: string) => void): Promise<void>;
  pUnsubscribe(pattern: string, listener: (message: string) => void): Promise<void>;
  on(event: "error" | "end", listener: (error: Error) => void): unknown;
  destroy(): void;
}

/** Options of node-redis's `createClient`, of which we must know but one. */
export interface NodeRedisOptions extends Readonly<Record<string, unknown>> {
  readonly socket?: object | undefined;
}

/** Commands and channels share a connection, which needs the third version of the protocol. */
interface RedisClientOverrides {
  readonly RESP: 3;
  readonly disableOfflineQueue: true;
  readonly socket: { readonly reconnectStrategy: false };
}

function overrides(socket: object | undefined): RedisClientOverrides {
  return { RESP: 3, disableOfflineQueue: true, socket: { ...socket, reconnectStrategy: false } };
}

/** Connects copies of a client that its user configured. The client itself is left alone, connected or not. */
export function copiesOf(client: RedisClientLike): ConnectRedis {
  return (lost) => connected(client.duplicate(overrides(client.options?.socket)), lost);
}

/** Connects clients with these options of node-redis's `createClient`. */
export function clientsWith(options: NodeRedisOptions): ConnectRedis {
  return async (lost) => {
    const library = await load();
    let client: RedisClientCopy;
    try {
      client = library.createClient({ ...options, ...overrides(options.socket) });
    } catch {
      // Its message may show the address with the password in it.
      throw new RpcError("invalid_argument", "the Redis client does not take these options: is `url` of the form " +
        "redis://host:port/database, or rediss:// for TLS?");
    }
    return connected(client, lost);
  };
}

/** What the package exports, as far as it is used. */
interface NodeRedis {
  createClient(options: object): RedisClientCopy;
}

async function load(): Promise<NodeRedis> {
  try {
    return await import("@redis/client");
  } catch (cause) {
    throw new RpcError("failed_precondition", "discovery by Redis needs the package @redis/client: " +
      "npm install @redis/client", { cause });
  }
}

async function connected(client: RedisClientCopy, lost: (error: Error) => void): Promise<RedisConnection> {
  client.on("error", lost);
  client.on("end", () => lost(new Error("the connection ended")));
  await client.connect();
  return {
    send: (args) => client.sendCommand(args),
    async subscribe(channel, heard) {
      await client.subscribe(channel, heard);
      return () => client.unsubscribe(channel, heard);
    },
    async subscribePattern(pattern, heard) {
      await client.pSubscribe(pattern, heard);
      return () => client.pUnsubscribe(pattern, heard);
    },
    close: () => client.destroy(),
  };
}
