/**
 * `metricsObserver` turns what an observer hears into standard metrics.
 *
 * Names and labels are those of OpenTelemetry's RPC conventions where there are any, as Prometheus spells
 * them (https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/). A call costs an index into a table by
 * its method's ordinal and its code's number, and one `record`: no text is built and nothing hashed.
 */
import { codeFromNumber, codeNumber } from "../core/code.ts";
import type { Context } from "../core/context.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Observer } from "../core/observer.ts";
import type { Histogram } from "./histogram.ts";
import { type Counter, type Family, type Metrics, other } from "./metrics.ts";

/** Most methods and regions with rows of their own; the rest share one that is called `_OTHER`. */
const maxMethods = 1000;
const maxRegions = 64;
const maxEvents = 200;
/** Ordinals beyond this, in a process that makes contracts without end, are not tabled. */
const maxOrdinal = 65_536;

/**
 * - `rpc_client_call_duration_seconds`, `rpc_server_call_duration_seconds` by `rpc_system_name`, `rpc_method`,
 *   `rpc_response_status_code` and, of failures, `error_type`;
 * - `meridian_attempt_duration_seconds` by the same; `meridian_attempts_total` by `region` and `outcome`;
 * - `meridian_endpoint_changes_total` by `region` and `status`;
 * - `meridian_events_total` by `name`; `meridian_region_share` by `region`, `meridian_admission_limit`.
 *
 * Durations of calls that a tracer records are exemplars of their buckets.
 */
export function metricsObserver(metrics: Metrics): Observer {
  const labels = ["rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type"];
  const client = new MethodTable(metrics.histogram("rpc_client_call_duration_seconds",
    "Duration of calls as their user saw them, over all attempts.", labels));
  const server = new MethodTable(metrics.histogram("rpc_server_call_duration_seconds",
    "Duration of calls handled, from their arrival.", labels));
  const attempts = new MethodTable(metrics.histogram("meridian_attempt_duration_seconds",
    "Duration of single attempts at one endpoint.", labels));
  const byRegion = new RegionTable(metrics.counter("meridian_attempts_total",
    "Attempts by the region of their endpoint.", ["region", "outcome"]));
  const changes = metrics.counter("meridian_endpoint_changes_total",
    "Changes of an endpoint's status, by the new one.", ["region", "status"]);
  const events = new EventTable(metrics.counter("meridian_events_total", "Events by name.", ["name"]));
  const shares = metrics.gauge("meridian_region_share", "Share of the calls that a region is given.", ["region"]);
  const limit = metrics.gauge("meridian_admission_limit", "Calls that admission lets work at once.");
  return {
    callEnded(context: Context, latencyMs: number, error: RpcError | undefined) {
      client.record(context.method, latencyMs, error);
      if (context.span !== undefined) client.exemplify(context.method, latencyMs, error, context.span.traceId);
    },
    attemptEnded(context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError | undefined) {
      attempts.record(context.method, latencyMs, error);
      byRegion.count(endpoint.region, error === undefined);
    },
    handled(context: Context, latencyMs: number, error: RpcError | undefined) {
      server.record(context.method, latencyMs, error);
      if (context.span !== undefined) server.exemplify(context.method, latencyMs, error, context.span.traceId);
    },
    endpointChanged: (endpoint, status) => {
      changes.bind(endpoint.region, status).value++;
    },
    event(name, fields) {
      events.count(name);
      if (name === "region.share" && typeof fields["share"] === "number" && shares.series.length < maxRegions) {
        shares.bind(String(fields["region"])).value = fields["share"];
      } else if (name === "overload.limit" && typeof fields["to"] === "number") limit.bind().value = fields["to"];
    },
  };
}

/** gRPC's numbers run from 0 (ok) to 16. */
const codes = 17;

/** Histograms by method and code: row by row, a row for each method that was seen. */
class MethodTable {
  readonly #family: Family<Histogram>;
  /** Where the row of an ordinal begins, or undefined while there is none. */
  readonly #rows: (number | undefined)[] = [];
  /** The first row is that of all methods beyond the limit. */
  readonly #cells: (Histogram | undefined)[] = emptyRow();
  /** The method that succeeded last, and where that is counted: mostly it is the next one, too. */
  #last: MethodInfo | undefined = undefined;
  #lastCell: Histogram | undefined = undefined;

  constructor(family: Family<Histogram>) {
    this.#family = family;
  }

  record(method: MethodInfo, latencyMs: number, error: RpcError | undefined): void {
    if (error === undefined && method === this.#last) (this.#lastCell as Histogram).record(latencyMs);
    else this.#cellOf(method, error).record(latencyMs);
  }

  exemplify(method: MethodInfo, latencyMs: number, error: RpcError | undefined, traceId: string): void {
    this.#cellOf(method, error).exemplify(latencyMs, traceId);
  }

  #cellOf(method: MethodInfo, error: RpcError | undefined): Histogram {
    const code = error === undefined ? 0 : codeNumber(error.code);
    const row = this.#rows[method.ordinal] ?? this.#addRow(method);
    const cell = this.#cells[row + code] ?? this.#bind(method, row, code);
    if (code === 0) {
      this.#last = method;
      this.#lastCell = cell;
    }
    return cell;
  }

  #addRow(method: MethodInfo): number {
    let row = 0;
    if (method.ordinal < maxOrdinal) {
      if (this.#cells.length < (maxMethods + 1) * codes) {
        row = this.#cells.length;
        this.#cells.push(...emptyRow());
      }
      // Filled, since an array with gaps is a dictionary.
      while (this.#rows.length <= method.ordinal) this.#rows.push(undefined);
      this.#rows[method.ordinal] = row;
    }
    return row;
  }

  #bind(method: MethodInfo, row: number, code: number): Histogram {
    const known = this.#cells[row + code];
    if (known !== undefined) return known;
    const status = code === 0 ? "OK" : codeFromNumber(code).toUpperCase();
    const name = row === 0 ? other : method.path;
    const cell = this.#family.bind("meridian", name, status, code === 0 ? "" : status);
    this.#cells[row + code] = cell;
    return cell;
  }
}

function emptyRow(): undefined[] {
  return Array.from({ length: codes }, () => undefined);
}

/** Regions are few, so their names are compared one after the other: mostly the same string object. */
class RegionTable {
  readonly #family: Family<Counter>;
  readonly #names: string[] = [];
  readonly #succeeded: Counter[] = [];
  readonly #failed: Counter[] = [];
  #last = 0;

  constructor(family: Family<Counter>) {
    this.#family = family;
  }

  count(region: string, ok: boolean): void {
    // One region takes nearly all attempts for long.
    let index = this.#names[this.#last] === region ? this.#last : this.#names.indexOf(region);
    if (index === -1) index = this.#add(region);
    this.#last = index;
    ((ok ? this.#succeeded : this.#failed)[index] as Counter).value++;
  }

  #add(region: string): number {
    if (this.#names.length > maxRegions) return maxRegions;
    const name = this.#names.length === maxRegions ? other : region;
    this.#succeeded.push(this.#family.bind(name, "ok"));
    this.#failed.push(this.#family.bind(name, "failed"));
    return this.#names.push(name) - 1;
  }
}

class EventTable {
  readonly #family: Family<Counter>;
  readonly #counters = new Map<string, Counter>();

  constructor(family: Family<Counter>) {
    this.#family = family;
  }

  count(name: string): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      const full = this.#counters.size >= maxEvents;
      counter = this.#family.bind(full ? other : name);
      if (!full) this.#counters.set(name, counter);
    }
    counter.value++;
  }
}
