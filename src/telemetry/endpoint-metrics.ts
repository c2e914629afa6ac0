/**
 * `endpointMetrics` tells the four figures of each server that somebody calls, as its callers see it: load, faults,
 * response time, error rate, by service, region and server. All is read when metrics are, so calls pay nothing.
 */
import type { Candidate } from "../core/endpoint.ts";
import type { Counter, Family, Metrics } from "./metrics.ts";

/** Who is called, by service. */
export type Endpoints = () => Iterable<readonly [service: string, endpoints: readonly Candidate[]]>;

/** Most servers of which figures are told. */
const maxServers = 5_000;
const labels = ["service", "region", "server"];

interface Watching {
  readonly sources: Set<Endpoints>;
}

const watchings = new WeakMap<Metrics, Watching>();

/**
 * Adds those of a client or a gateway, `() => [["shop.v1.Shop", client.$.endpoints()]]`. Clients of `createClient` add
 * theirs to the process's by themselves. Returns how to stop that.
 *
 * - `meridian_server_in_flight`, `meridian_server_utilization`: load, ours and the processors that the server reports;
 * - `meridian_server_up`: 0 while it is not fit to be called: not connected, suspect, ejected;
 * - `meridian_server_response_seconds`: moving average of the time that attempts take;
 * - `meridian_server_attempts_total`, `meridian_server_failures_total`: attempts that ended, and that it failed.
 */
export function endpointMetrics(metrics: Metrics, endpoints: Endpoints): () => void {
  let watching = watchings.get(metrics);
  if (watching === undefined) {
    watchings.set(metrics, watching = { sources: new Set() });
    watch(metrics, watching);
  }
  const { sources } = watching;
  sources.add(endpoints);
  return () => sources.delete(endpoints);
}

function watch(metrics: Metrics, { sources }: Watching): void {
  const gauge = (name: string, help: string) => metrics.gauge(`meridian_server_${name}`, help, labels);
  const inFlight = gauge("in_flight", "Attempts at the server that have not ended.");
  const utilization = gauge("utilization", "Share of its processors that the server reports in use.");
  const up = gauge("up", "1 while the server is fit to be called, 0 otherwise.");
  const response = gauge("response_seconds", "Moving average of the time of attempts at the server.");
  const attempts = metrics.counter("meridian_server_attempts_total", "Attempts that have ended.", labels);
  const failures = metrics.counter("meridian_server_failures_total", "Attempts that the server failed.", labels);
  const families: readonly Family<Counter>[] = [inFlight, utilization, up, response, attempts, failures];
  metrics.onExposition(() => {
    const seen = new Map<string, Figures>();
    for (const source of sources) {
      for (const [service, endpoints] of source()) {
        for (const one of endpoints) if (seen.size < maxServers) add(seen, service, one);
      }
    }
    for (const { values } of [...up.series]) {
      if (!seen.has(JSON.stringify(values))) for (const family of families) family.forget(...values);
    }
    for (const { values, ...figures } of seen.values()) {
      inFlight.bind(...values).value = figures.inFlight;
      utilization.bind(...values).value = figures.utilization;
      up.bind(...values).value = figures.up;
      response.bind(...values).value = figures.ended > 0 ? figures.weightedMs / figures.ended / 1_000 : 0;
      attempts.bind(...values).value = figures.ended;
      failures.bind(...values).value = figures.failed;
    }
  });
}

interface Figures {
  readonly values: readonly string[];
  inFlight: number;
  utilization: number;
  up: number;
  weightedMs: number;
  ended: number;
  failed: number;
}

/** Endpoints of clients know more than candidates: why they have no connection. */
interface Connectable {
  readonly connectionFailure?: string | undefined;
}

const fit: ReadonlySet<string> = new Set(["ready", "busy", "idle", "draining"]);

/** Several clients of one service are one caller. */
function add(seen: Map<string, Figures>, service: string, one: Candidate & Connectable): void {
  const { address, status, load } = one;
  const values = [service, address.region, address.address].map((value) => value.slice(0, 256));
  const key = JSON.stringify(values);
  let figures = seen.get(key);
  if (figures === undefined) {
    seen.set(key, figures = { values, inFlight: 0, utilization: 0, up: 0, weightedMs: 0, ended: 0, failed: 0 });
  }
  figures.inFlight += load.inFlight;
  figures.utilization = Math.max(figures.utilization, load.report?.cpu ?? 0);
  figures.up = Math.max(figures.up, fit.has(status) && one.connectionFailure === undefined ? 1 : 0);
  figures.weightedMs += load.latencyMs * load.ended;
  figures.ended += load.ended;
  figures.failed += load.failed;
}
