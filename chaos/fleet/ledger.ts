// What the eight properties are asked of: a contract, a server with so much capacity, and crowds of callers.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { RegionPreferenceOptions } from "../../src/region/index.ts";
import type { Change } from "./messages.ts";

const input = z.object({});
const output = z.object({});

export const Ledger = service("chaos.v1.Ledger", {
  read: rpc({ input, output, idempotent: true }),
  pay: rpc({ input, output, idempotent: true, criticality: "critical" }),
  list: rpc({ input, output, idempotent: true, criticality: "sheddable" }),
  add: rpc({ input: z.object({ id: z.string() }), output, idempotent: "keyed" }),
});

export type Method = "read" | "pay" | "list" | "add";

/** What a server is, all its life: the argument of fleet/ledger-server.ts, as JSON. */
export interface LedgerSettings {
  readonly host?: string;
  /** The one it had before, of a server that comes again. */
  readonly port?: number;
  readonly region?: string;
  /** The modelled capacity: so many calls at once, each for so long. */
  readonly workers: number;
  readonly workMs: number;
  /** Where it announces itself. */
  readonly registry?: string;
  /** The Redis of its replay store and of the effects. */
  readonly redisPort?: number;
  /** Servers of the tier below, which each call asks. */
  readonly below?: readonly string[];
}

/** How it behaves from now on. */
export interface LedgerBehaviour {
  /** Share of the calls that fail, and whether at once. */
  readonly errors: number;
  readonly fast: boolean;
  /** Each call's work takes so many times as long. */
  readonly slowness: number;
  /** How many of its workers work. */
  readonly workers: number;
  /** Where a write stands still for ever: between its effect and the reply. */
  readonly holds: boolean;
}

export type ToLedger =
  | ({ readonly kind: "behave" } & Partial<LedgerBehaviour>)
  | { readonly kind: "lateness" }
  | { readonly kind: "figures" };

export type FromLedger =
  | { readonly kind: "listening"; readonly address: string }
  | { readonly kind: "changed" }
  /** A write stands still after its effect. */
  | { readonly kind: "holding" }
  | { readonly kind: "lateness"; readonly worstMs: number }
  | ({ readonly kind: "figures" } & LedgerFigures);

/** Since it was asked last. */
export interface LedgerFigures {
  /** Work done, in milliseconds, and what of it was for calls that had been given up. */
  readonly workMs: number;
  readonly wastedMs: number;
  /** Most calls inside at once. */
  readonly mostInside: number;
  /** How long calls were inside that were turned away: at the door, and before or in the line. */
  readonly shedMs: readonly number[];
  readonly waitedMs: readonly number[];
  /** How many of both were told when to come again. */
  readonly shedsWithAdvice: number;
  /** Resident memory, in MiB. */
  readonly memoryMiB: number;
  /** Handlers begun, and attempts made at the tier below, by quarters of a second of the machine's clock. */
  readonly begun: Buckets;
  readonly attempts: Buckets;
}

export type Buckets = Readonly<Record<number, number>>;
export const bucketMs = 250;

/** One client of a crowd. */
export interface CrowdClient {
  readonly name: string;
  readonly perSecond: number;
  /** In turn. Default: reads. */
  readonly methods?: readonly Method[];
  /** Default 1,000. */
  readonly timeoutMs?: number;
  readonly region?: string;
  readonly regions?: Omit<RegionPreferenceOptions, "region" | "zone">;
  /** Who is called, or the registry that knows. */
  readonly servers?: readonly { readonly address: string; readonly region?: string }[];
  readonly registry?: string;
  /** The file in which it keeps what the registry told. */
  readonly cachePath?: string;
  /** How far the region of an address is, one way, in milliseconds. */
  readonly oneWayMs?: Readonly<Record<string, number>>;
}

export type ToCrowd =
  | { readonly kind: "begin"; readonly clients: readonly CrowdClient[]; readonly readyWithinMs?: number }
  | { readonly kind: "rate"; readonly factor: number }
  /** Every client's discovery tells this from now on, as a push of the control plane would. */
  | { readonly kind: "push"; readonly addresses: readonly string[] }
  | { readonly kind: "end" };

export type FromCrowd =
  | { readonly kind: "started" }
  | { readonly kind: "calling"; readonly ready: number }
  | { readonly kind: "rated" }
  | { readonly kind: "pushed" }
  | ({ readonly kind: "report" } & CrowdReport);

export interface CrowdReport {
  readonly clients: readonly string[];
  readonly methods: readonly Method[];
  /** The addresses by which picks name servers. */
  readonly servers: readonly string[];
  /** Every call: whose, its number, which method, when it was due, how long it took from then, and how it ended. */
  readonly calls: readonly (readonly [
    client: number, number: number, method: number, dueMs: number, tookMs: number, end: End,
  ])[];
  /** Every attempt: whose, when, and at which server. */
  readonly picks: readonly (readonly [client: number, atMs: number, server: number])[];
  readonly changes: readonly Change[];
  /** Why calls failed, in the words of the first of each kind. */
  readonly errors: Readonly<Record<string, number>>;
  /** How often clients told of each event, by its name. */
  readonly events: Readonly<Record<string, number>>;
  readonly stalls: readonly (readonly [atMs: number, lateMs: number])[];
  /** Calls that were never made, since this process itself had stood still. */
  readonly skipped: number;
}

/** 0: acknowledged; 1: refused, certain not to have happened; 2: nobody knows. */
export type End = 0 | 1 | 2;
