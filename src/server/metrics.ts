/** `GET /metrics` tells a server's metrics to Prometheus, in the format that it accepts. */
import type { Metadata } from "../core/metadata.ts";
import type { Clock } from "../core/runtime.ts";
import { Head, type HttpHandler } from "../http/message.ts";
import { sendReply } from "../protocol/http-message.ts";
import { Remainder } from "../protocol/http-remainder.ts";
import { expositionType, type Metrics, openMetricsType } from "../telemetry/index.ts";

const path = "/metrics";

/** Answers what is asked of `/metrics`, and lets everything else through. */
export function withMetrics(clock: Clock, metrics: Metrics, next: HttpHandler): HttpHandler {
  return (head, exchange, last) => {
    if (!head.path.startsWith(path) || head.path.split("?", 1)[0] !== path) return next(head, exchange, last);
    if (head.method !== "GET" && head.method !== "HEAD") return next(head, exchange, last);
    const isOpen = /(?:^|[\s,])application\/openmetrics-text/.test(head.fields["accept"] ?? "");
    const body = new TextEncoder().encode(metrics.exposition(isOpen ? "openmetrics" : "prometheus"));
    const fields: Metadata = Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": isOpen ? openMetricsType : expositionType, "content-length": String(body.length),
      "cache-control": "no-store", "vary": "accept",
    });
    sendReply(exchange, { head: new Head(fields, 200), body: head.method === "GET" ? body : undefined });
    return new Remainder(clock, exchange, last);
  };
}
