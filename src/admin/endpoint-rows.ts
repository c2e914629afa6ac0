/**
 * Endpoint rows are the endpoint table as the admin service tells it: filtered, in pages, with the reason of each
 * state.
 */
import { type ClientEndpoint, type EndpointRow as Row, endpointTable } from "../client/index.ts";
import { warmth } from "../balance/index.ts";
import type { EndpointRow } from "./contract.ts";

export interface EndpointQuery {
  readonly service?: string | undefined;
  readonly region?: string | undefined;
  readonly status?: string | undefined;
  readonly search?: string | undefined;
  readonly offset?: number | undefined;
  readonly limit?: number | undefined;
}

/** Most rows in one answer. */
const maxRows = 5_000;
/** How those that were let back warm up: the default of clients. */
const returning = { windowMs: 10_000, minShare: 0.02 };

/** Rates of endpoints since they were last looked at. */
export class EndpointRates {
  readonly #before = new WeakMap<ClientEndpoint, { atMs: number; ended: number; failed: number; rates: Rates }>();

  of(endpoint: ClientEndpoint, nowMs: number): Rates {
    const { ended, failed } = endpoint.load;
    const before = this.#before.get(endpoint);
    if (before === undefined) {
      this.#before.set(endpoint, { atMs: nowMs, ended, failed, rates: none });
      return none;
    }
    const seconds = (nowMs - before.atMs) / 1_000;
    // Two questions at once have one answer.
    if (seconds < 0.5) return before.rates;
    before.rates = { calls: (ended - before.ended) / seconds, errors: (failed - before.failed) / seconds };
    before.atMs = nowMs;
    before.ended = ended;
    before.failed = failed;
    return before.rates;
  }
}

interface Rates {
  readonly calls: number;
  readonly errors: number;
}

const none: Rates = { calls: 0, errors: 0 };

export interface RowsOf {
  readonly byService: ReadonlyMap<string, readonly ClientEndpoint[]>;
  readonly query: EndpointQuery;
  readonly rates: EndpointRates;
  readonly nowMs: number;
  readonly wallMs: number;
  readonly seenBy: string;
}

export function endpointRows(of: RowsOf): { total: number; endpoints: EndpointRow[] } {
  const { service, region, status, search = "", offset = 0, limit = 1_000 } = of.query;
  const found: { readonly service: string; readonly row: Row; readonly endpoint: ClientEndpoint }[] = [];
  for (const [name, endpoints] of of.byService) {
    if (service !== undefined && service !== "" && service !== name) continue;
    const chosen = endpoints.filter((one) =>
      (region === undefined || region === "" || one.address.region === region) &&
      (status === undefined || status === "" || one.status === status) && mentions(one, search));
    const byId = new Map(chosen.map((one) => [one.address.id, one]));
    for (const row of endpointTable(chosen, of.nowMs)) {
      found.push({ service: name, row, endpoint: byId.get(row.id) as ClientEndpoint });
    }
  }
  const page = found.slice(offset, offset + Math.min(limit, maxRows));
  return { total: found.length, endpoints: page.map((one) => rowOf(one.service, one.row, one.endpoint, of)) };
}

function mentions({ address }: ClientEndpoint, search: string): boolean {
  if (search === "") return true;
  return address.id.includes(search) || address.address.includes(search) ||
    Object.entries(address.attributes).some(([name, value]) => `${name}=${value}`.includes(search));
}

function rowOf(service: string, row: Row, endpoint: ClientEndpoint, of: RowsOf): EndpointRow {
  const { nowMs, wallMs, rates } = of;
  const { returnedAtMs } = endpoint.load;
  const rate = rates.of(endpoint, nowMs);
  return {
    service, id: row.id, address: row.address, region: row.region, zone: row.zone, weight: row.weight,
    ramp: returnedAtMs === 0 ? 1 : warmth(nowMs - returnedAtMs, returning),
    role: row.role === "backup" ? "backup" : "active", priority: row.priority, status: row.status, why: row.why,
    evidence: [...row.evidence], sinceMs: row.forMs === undefined ? 0 : wallMs - row.forMs, pingMs: row.pingMs,
    cpu: row.cpu ?? -1, memory: row.memory ?? -1, loopLagMs: row.loopLagMs ?? -1, attributes: { ...row.attributes },
    figures: {
      callsPerSecond: rate.calls, errorsPerSecond: rate.errors, inFlight: row.inFlight, medianMs: row.medianMs,
      averageMs: row.averageMs,
    },
    seenBy: of.seenBy,
  };
}
