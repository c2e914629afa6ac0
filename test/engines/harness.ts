/** An engine as tests need it: the real server, started by us, that can be killed, stalled, wiped and started again. */
import type { Observer } from "../../src/core/observer.ts";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";

export interface EngineUnderTest {
  /** `etcd`; an emulator says that it is one. */
  readonly name: string;
  /** Why it cannot be started here (a program that is not installed); undefined if it can. */
  readonly missing: string | undefined;
  /** Starts an empty one on a free port of loopback, with its data in a temporary folder. */
  start(): Promise<EngineServer>;
  /** A driver for it, with leases of `ttlMs` (or what the engine takes for the nearest). */
  discovery(server: EngineServer, options?: { ttlMs?: number; observer?: Observer }): EngineDiscovery;
  /**
   * What a driver that is only read (DNS, Kubernetes) lacks: enters an endpoint as this engine's operators do. Absent
   * where the driver itself registers.
   */
  enter?(server: EngineServer, name: string, endpoints: readonly { address: string; region?: string }[]): Promise<void>;
}

export interface EngineServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  stall(): void;
  resume(): void;
  /** Starts again at the same address with the data that the killed one left; resolves once it answers. */
  restart(): Promise<void>;
  /** The same, but with all data gone. */
  restartEmpty(): Promise<void>;
  /** Ends it for good and takes its files away. */
  stop(): Promise<void>;
}
