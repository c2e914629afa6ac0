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

export type ToServer = ({ readonly kind: "behave" } & Behaviour) | { readonly kind: "lateness" };
export type FromServer =
  | { readonly kind: "listening"; readonly address: string }
  | { readonly kind: "changed" }
  /** How late its event loop was at worst since it was asked last, in milliseconds. */
  | { readonly kind: "lateness"; readonly worstMs: number };

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

/** Watches how late this process's event loop is; what it returns tells the worst since it was asked last. */
export function watchLateness(): () => number {
  const everyMs = 10;
  let worstMs = 0;
  let dueMs = machineMs() + everyMs;
  setInterval(() => {
    worstMs = Math.max(worstMs, machineMs() - dueMs);
    dueMs = machineMs() + everyMs;
  }, everyMs).unref();
  return () => {
    const told = worstMs;
    worstMs = 0;
    return told;
  };
}

/** Milliseconds on the machine's monotonic clock, which all processes of one machine share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
