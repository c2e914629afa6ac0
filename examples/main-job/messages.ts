/** What the supervisor and the processes it starts say to each other, and the clock that they share. */
import { describeEndpoint, type Observer } from "../../src/core/index.ts";
import type { FailBackOptions } from "../../src/region/index.ts";
import type { Acknowledged } from "./checker.ts";
import type { AttemptRecord, CallRecord } from "./figures.ts";

export type Role = "registry" | "gateway" | "server" | "client";

/** What a process is told when it starts; the same for all roles, so that one record can be passed around. */
export interface NodeSettings {
  readonly role: Role;
  /** Empty for the registry, which stands for one that is replicated over all regions. */
  readonly region: string;
  /** Empty but for servers. */
  readonly zone: string;
  /** Empty for the registry itself. */
  readonly registry: string;
  readonly atlasPath: string;
  readonly databasePath: string;
  /** The folder to remove when the supervisor is gone without having done it; the registry sees to it. */
  readonly folder: string;
  /** Of each client process. */
  readonly callsPerSecond: number;
  /** Clients balance over servers themselves instead of calling through gateways. */
  readonly direct: boolean;
  /** How a region's traffic returns to it. */
  readonly failBack: FailBackOptions;
  /** Whether to tell of everything that the framework observes. */
  readonly verbose: boolean;
  /** The file with the token of gateways' admin services; empty where they have none. */
  readonly adminTokenPath: string;
}

/** From the supervisor to a client process. */
export type ToNode = { readonly kind: "begin" } | { readonly kind: "finish" };

/** From a process to the supervisor. */
export type FromNode =
  | { readonly kind: "ready"; readonly address: string }
  | ({ readonly kind: "report" } & Report)
  /** A client has ended its last call; its last report has gone out before. */
  | { readonly kind: "finished" }
  /** Where a gateway's admin service listens. */
  | { readonly kind: "admin"; readonly address: string }
  /** Something that people should see. */
  | { readonly kind: "event"; readonly text: string };

/** What a process saw since its last report. */
export interface Report {
  /** Of clients: calls that ended. */
  readonly calls: readonly CallRecord[];
  /** Attempts that ended, of clients (towards gateways, or servers with `--direct`) and of gateways. */
  readonly attempts: readonly AttemptRecord[];
  /** Of clients: writes that were acknowledged. */
  readonly writes: readonly Acknowledged[];
  /** Of gateways: when calls came in. */
  readonly arrivals: readonly number[];
}

/** An observer that sends what it hears as events, for people who want to know why. */
export function verboseObserver({ verbose }: NodeSettings, send: (message: FromNode) => void): Observer | undefined {
  if (!verbose) return undefined;
  const tell = (text: string): void => send({ kind: "event", text: `${machineMs().toFixed(0)} ${text}` });
  return {
    event: (name, fields) => tell(`${name} ${JSON.stringify(fields)}`),
    endpointChanged: (endpoint, status, why) => tell(`${describeEndpoint(endpoint)} ${status}: ${why}`),
  };
}

/** How often a process reports. */
export const reportIntervalMs = 250;

/** Milliseconds on the machine's monotonic clock, which all processes of one machine share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
