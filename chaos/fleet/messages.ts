// What a scenario and the processes it starts say to each other, and the clock that they share.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";

/** What is called: a server that says who it is. */
export const Who = service("chaos.v1.Who", {
  ask: rpc({ input: z.object({}), output: z.object({ pid: z.int32() }), idempotent: true }),
});

/** How a server behaves from now on. */
export interface Behaviour {
  /** Until an answer, in milliseconds. */
  readonly delayMs: number;
  /** Share of the calls that fail. */
  readonly errors: number;
  /** Whether failures come at once rather than after the delay. */
  readonly fast: boolean;
}

export type ToServer = Behaviour;
export type FromServer = { readonly kind: "listening"; readonly address: string } | { readonly kind: "changed" };

/** `begin` makes a client and calls; `end` reports what was seen since, and closes it. */
export type ToCaller =
  | { readonly kind: "begin"; readonly addresses: readonly string[]; readonly callsPerSecond: number }
  | { readonly kind: "end" };

export type FromCaller =
  | { readonly kind: "started" }
  /** All servers are ready and are being called. */
  | { readonly kind: "calling" }
  | ({ readonly kind: "report" } & Report);

export interface Report {
  /** Every pick: when, and which of the addresses. */
  readonly picks: readonly (readonly [atMs: number, server: number])[];
  /** Calls that failed, as their user saw them: when they ended and why. */
  readonly failures: readonly (readonly [atMs: number, error: string])[];
  readonly calls: number;
  readonly changes: readonly Change[];
  /** Lateness of the caller's own event loop beyond 20 ms: when, and by how much. */
  readonly stalls: readonly (readonly [atMs: number, lateMs: number])[];
}

export interface Change {
  readonly atMs: number;
  readonly server: number;
  readonly status: string;
  readonly why: string;
}

/** Milliseconds on the machine's monotonic clock, which all processes of one machine share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
