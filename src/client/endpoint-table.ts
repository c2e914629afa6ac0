/** The endpoint table is what a client thinks of each server it knows, and why: one row each, for people and tools. */
import type { EndpointStatus } from "../core/endpoint.ts";
import type { ClientEndpoint } from "./endpoint.ts";

export interface EndpointRow {
  readonly id: string;
  readonly address: string;
  readonly region: string;
  readonly zone: string;
  readonly weight: number;
  readonly priority: number;
  /** `primary`, or `backup`: used only when no other is left. */
  readonly role: "primary" | "backup";
  readonly attributes: Readonly<Record<string, string>>;
  readonly status: EndpointStatus;
  /** How long it has had this status, in milliseconds; undefined if it never had another. */
  readonly forMs: number | undefined;
  /** What it was before; undefined if nothing. */
  readonly from: EndpointStatus | undefined;
  /** The reason of the last change; of one that is being connected to, why the last try failed. */
  readonly why: string;
  /** What is held against it now, gravest first: `outlier: 14 of 120 attempts failed, 0 % of its peers'`. */
  readonly evidence: readonly string[];
  readonly inFlight: number;
  readonly attempts: number;
  readonly failures: number;
  /** Share of the recent attempts that failed, 0 to 1. */
  readonly failureRate: number;
  /** Estimated median and moving average of the attempts' time, and of pings, in milliseconds; 0 before the first. */
  readonly medianMs: number;
  readonly averageMs: number;
  readonly pingMs: number;
  /** What the server last reported, and how old that is; undefined where it reports nothing. */
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  readonly loopLagMs: number | undefined;
  readonly reportAgeMs: number | undefined;
}

/** Makes the table of `client.$.endpoints()`. Sorted by region, zone, tier and id. `nowMs` is the clock's time. */
export function endpointTable(endpoints: readonly ClientEndpoint[], nowMs: number): EndpointRow[] {
  return endpoints.map((one) => rowOf(one, nowMs)).sort((a, b) => compare(a.region, b.region) ||
    compare(a.zone, b.zone) || compare(a.role, b.role) * -1 || a.priority - b.priority || compare(a.id, b.id));
}

function rowOf(endpoint: ClientEndpoint, nowMs: number): EndpointRow {
  const { address, status, load, lastChange, evidence, outlier, connectionFailure } = endpoint;
  const { report } = load;
  return {
    id: address.id, address: address.address, region: address.region, zone: address.zone, weight: address.weight,
    priority: address.priority, role: address.backup ? "backup" : "primary", attributes: address.attributes, status,
    forMs: lastChange === undefined ? undefined : Math.max(0, nowMs - lastChange.atMs),
    from: lastChange?.from,
    // It may fail again and again for other reasons without another status.
    why: (status === "connecting" ? connectionFailure : undefined) ?? lastChange?.why ?? "",
    evidence: evidence.map((one) => `${one.kind}: ${one.why}`),
    inFlight: load.inFlight, attempts: load.ended, failures: load.failed, failureRate: load.failureRate,
    medianMs: outlier?.medianMs ?? 0, averageMs: load.latencyMs, pingMs: load.pingMs,
    cpu: report?.cpu, memory: report?.memory, loopLagMs: report?.loopLagMs,
    reportAgeMs: report === undefined ? undefined : nowMs - load.reportAtMs,
  };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
