/**
 * `GET /healthz` says over plain HTTP what `grpc.health.v1` says: 200 while the server serves, 503 while it does not,
 * and of one service under `/healthz/NAME`, 404 where it is unknown. For probes that speak nothing else, such as those
 * of Kubernetes, Consul and HAProxy.
 */
import type { Clock } from "../core/runtime.ts";
import { Head, type HttpHandler } from "../http/message.ts";
import type { Metadata } from "../core/metadata.ts";
import { sendReply } from "../protocol/http-message.ts";
import { Remainder } from "../protocol/http-remainder.ts";
import type { ServerHealth } from "./health.ts";

const path = "/healthz";
const statuses = { SERVING: 200, NOT_SERVING: 503, UNKNOWN: 503, SERVICE_UNKNOWN: 404 } as const;

/** Answers what is asked of `/healthz`, and lets everything else through. */
export function withHealthz(clock: Clock, health: ServerHealth, next: HttpHandler): HttpHandler {
  return (head, exchange, last) => {
    // No call begins with it: names of services hold no such path.
    if (!head.path.startsWith(path)) return next(head, exchange, last);
    const [asked = ""] = head.path.split("?", 1);
    if (asked !== path && !asked.startsWith(`${path}/`)) return next(head, exchange, last);
    if (head.method !== "GET" && head.method !== "HEAD") return next(head, exchange, last);
    const said = health.statusOf(nameOf(asked));
    const body = new TextEncoder().encode(`${said}\n`);
    const fields: Metadata = Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "text/plain; charset=utf-8", "content-length": String(body.length), "cache-control": "no-store",
    });
    sendReply(exchange, { head: new Head(fields, statuses[said]), body: head.method === "GET" ? body : undefined });
    return new Remainder(clock, exchange, last);
  };
}

function nameOf(asked: string): string {
  try {
    return decodeURIComponent(asked.slice(path.length + 1));
  } catch {
    return asked;
  }
}
