/** A RedisConnection is the little that the driver needs of a client: commands, and channels on the same server. */

export interface RedisConnection {
  /** Runs a command; `key` is one that it is about, by which a cluster finds the node. */
  send(args: readonly string[], key: string): Promise<unknown>;
  /** Hears what is published in a channel, until the connection ends or the returned function is called. */
  subscribe(channel: string, heard: () => void): Promise<() => Promise<unknown>>;
  /** The same for all channels that a pattern fits, with what was published. Absent: no keyspace notifications. */
  subscribePattern?(pattern: string, heard: (message: string) => void): Promise<() => Promise<unknown>>;
  /** Ends it at once. */
  close(): void;
}

/**
 * Makes a connection; `lost` is called when it breaks, which it must not mend by itself: another is made then. Rejects
 * with what is wrong.
 */
export type ConnectRedis = (lost: (error: Error) => void) => Promise<RedisConnection>;
