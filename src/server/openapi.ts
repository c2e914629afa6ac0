/** `GET /openapi.json` describes what a server serves by plain HTTP, to tools; off unless it is asked for. */
import type { AnyContract } from "../contract/service.ts";
import { exportOpenApi, type OpenApiOptions } from "../contract/openapi/export.ts";
import { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Clock } from "../core/runtime.ts";
import { Head, type HttpHandler } from "../http/message.ts";
import { sendReply } from "../protocol/http-message.ts";
import { Remainder } from "../protocol/http-remainder.ts";

const path = "/openapi.json";

export interface DescribingOptions {
  readonly contracts: () => readonly AnyContract[];
  readonly document: OpenApiOptions;
}

/** Answers what is asked of `/openapi.json`, and lets everything else through. The document is made when asked for. */
export function withOpenApi(clock: Clock, { contracts, document }: DescribingOptions, next: HttpHandler): HttpHandler {
  let made: { readonly count: number; readonly status: number; readonly body: Uint8Array } | undefined;
  return (head, exchange, last) => {
    const isAsked = head.path === path && (head.method === "GET" || head.method === "HEAD");
    if (!isAsked) return next(head, exchange, last);
    const all = contracts();
    if (made?.count !== all.length) made = { count: all.length, ...describe(all, document) };
    const fields: Metadata = Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "application/json", "content-length": String(made.body.length), "cache-control": "no-cache",
    });
    sendReply(exchange, { head: new Head(fields, made.status), body: head.method === "GET" ? made.body : undefined });
    return new Remainder(clock, exchange, last);
  };
}

/** A contract with a type that cannot be described is served all the same; here it is said why it is not described. */
function describe(contracts: readonly AnyContract[], options: OpenApiOptions): { status: number; body: Uint8Array } {
  const utf8 = new TextEncoder();
  try {
    return { status: 200, body: utf8.encode(JSON.stringify(exportOpenApi(contracts, options))) };
  } catch (error) {
    const { message } = RpcError.from(error, "internal");
    const status = { error: { code: 500, status: "INTERNAL", message, details: [] } };
    return { status: 500, body: utf8.encode(JSON.stringify(status)) };
  }
}
