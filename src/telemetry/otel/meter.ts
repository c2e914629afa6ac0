/**
 * `meterObserver` turns what an observer hears into OpenTelemetry's metrics: `rpc.client.call.duration` and
 * `rpc.server.call.duration` by its RPC conventions, and what they have no name for under `meridian.`.
 */
import { type Attributes, type Histogram, type Meter, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { codeNumber } from "../../core/code.ts";
import type { Context } from "../../core/context.ts";
import type { EndpointAddress } from "../../core/endpoint.ts";
import type { RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Observer } from "../../core/observer.ts";
import { other } from "../metrics.ts";
import { statusOf, systemName } from "./spans.ts";

/** What the conventions advise for durations of calls, in seconds. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** Most methods, and most endpoints and regions, with attributes of their own. */
const [maxMethods, maxPlaces] = [1_000, 2_000];

/** Counts into instruments of `meter`. */
export function meterObserver(meter: Meter): Observer {
  const duration = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { unit: "s", description, advice: { explicitBucketBoundaries: bounds } });
  const client = byMethod(duration("rpc.client.call.duration", "Duration of calls as their user saw them."));
  const server = byMethod(duration("rpc.server.call.duration", "Duration of calls handled, from their arrival."));
  const attempts = meter.createCounter("meridian.attempts", { unit: "{attempt}", description: "Attempts made." });
  const picks = meter.createCounter("meridian.picks", { unit: "{pick}", description: "Picks, by region." });
  const changes = meter.createCounter("meridian.endpoint.changes", { unit: "{change}",
    description: "Changes of an endpoint's status, by the new one." });
  const ejections = meter.createCounter("meridian.ejections",
    { unit: "{ejection}", description: "Endpoints ejected." });
  const events = meter.createCounter("meridian.events", { unit: "{event}", description: "Events, by name." });
  const counters = new Map([
    ["retry.attempt", meter.createCounter("meridian.retries", { unit: "{attempt}", description: "Repeats made." })],
    ["hedge.sent", meter.createCounter("meridian.hedges", { unit: "{attempt}", description: "Hedges sent." })],
    ["retry.budget.empty", meter.createCounter("meridian.retry.budget.exhausted",
      { unit: "{call}", description: "Repeats that were not made, since their budget was spent." })],
    ["region.share", meter.createCounter("meridian.failovers", { unit: "{change}",
      description: "Moves of calls between regions." })],
  ]);
  const limit = meter.createGauge("meridian.admission.limit", { unit: "{call}",
    description: "Calls that a server's admission lets work at once." });
  const share = meter.createGauge("meridian.region.share", { unit: "1",
    description: "Share of calls that a region is given." });
  const places = placed();
  const methods = limited(maxMethods);
  return {
    callEnded: (context, latencyMs, error) => client(context, latencyMs, error),
    handled: (context, latencyMs, error) => server(context, latencyMs, error),
    attemptEnded: (_context, endpoint, _latencyMs, error) =>
      attempts.add(1, places(endpoint, error === undefined ? "ok" : "failed")),
    picked: (_context, _candidates, picked) =>
      picks.add(1, { "meridian.region": picked === undefined ? "" : picked.address.region }),
    endpointChanged(endpoint, status) {
      const region = { "meridian.region": endpoint.region };
      changes.add(1, { ...region, "meridian.status": status });
      if (status === "ejected") ejections.add(1, region);
    },
    event(name, fields) {
      events.add(1, { "meridian.event": name });
      const method = fields["method"];
      const region = fields["region"] ?? fields["key"];
      counters.get(name)?.add(1, {
        ...(typeof method === "string" ? { "rpc.method": methods(method) } : undefined),
        ...(typeof region === "string" ? { "meridian.region": region } : undefined),
      });
      if (name === "overload.limit" && typeof fields["to"] === "number") limit.record(fields["to"]);
      if (name === "region.share" && typeof fields["share"] === "number") {
        share.record(fields["share"], { "meridian.region": String(fields["region"]) });
      }
    },
  };
}

/** Attributes are made once for each method and code. */
function byMethod(histogram: Histogram): (context: Context, latencyMs: number, error: RpcError | undefined) => void {
  const known = new Map<MethodInfo, (Attributes | undefined)[]>();
  const rest: (Attributes | undefined)[] = [];
  return ({ method, span }, latencyMs, error) => {
    let row = known.get(method);
    if (row === undefined) {
      row = known.size < maxMethods ? [] : rest;
      if (row !== rest) known.set(method, row);
    }
    const number = error === undefined ? 0 : codeNumber(error.code);
    const attributes = row[number] ??= attributesOf(row === rest ? other : method.path, error);
    // Named for exemplars: the SDK takes the trace of the context that a value is recorded in.
    if (span === undefined) histogram.record(latencyMs / 1_000, attributes);
    else {
      histogram.record(latencyMs / 1_000, attributes, trace.setSpanContext(ROOT_CONTEXT,
        { traceId: span.traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }));
    }
  };
}

function attributesOf(method: string, error: RpcError | undefined): Attributes {
  const status = statusOf(error);
  const attributes: Attributes =
    { "rpc.system.name": systemName, "rpc.method": method, "rpc.response.status_code": status };
  if (error !== undefined) attributes["error.type"] = status;
  return attributes;
}

type Outcome = "ok" | "failed";

function placed(): (endpoint: EndpointAddress, outcome: Outcome) => Attributes {
  const known = new Map<string, Record<Outcome, Attributes>>();
  const of = (endpoint: string, region: string): Record<Outcome, Attributes> => {
    const place = { "meridian.endpoint": endpoint, "meridian.region": region };
    return { ok: { ...place, "meridian.outcome": "ok" }, failed: { ...place, "meridian.outcome": "failed" } };
  };
  const rest = of(other, other);
  return ({ id, region }, outcome) => {
    let place = known.get(id);
    if (place === undefined) {
      place = known.size < maxPlaces ? of(id, region) : rest;
      if (place !== rest) known.set(id, place);
    }
    return place[outcome];
  };
}

function limited(most: number): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    if (known.has(name)) return name;
    if (known.size >= most) return other;
    known.add(name);
    return name;
  };
}
