/** `GET /docs` is a page on which people call what a server serves by plain HTTP; off unless it is asked for. */
import type { AnyContract } from "../../contract/service.ts";
import { exportOpenApi, type OpenApiDocument, type OpenApiOptions } from "../../contract/openapi/export.ts";
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Head, type HttpHandler } from "../../http/message.ts";
import { sendReply } from "../../protocol/http-message.ts";
import { Remainder } from "../../protocol/http-remainder.ts";
import { docsPage, docsPolicy, failedPage } from "./page.ts";

const path = "/docs";

export interface DocsOptions {
  readonly contracts: () => readonly AnyContract[];
  readonly document: OpenApiOptions;
}

/** Answers what is asked of `/docs`, and lets everything else through. What it describes is made when asked for. */
export function withDocs(
  { clock, random }: Pick<Runtime, "clock" | "random">, { contracts, document }: DocsOptions, next: HttpHandler,
): HttpHandler {
  let made: { readonly count: number; readonly what: OpenApiDocument | string } | undefined;
  return (head, exchange, last) => {
    const isAsked = (head.path === path || head.path.startsWith(`${path}?`)) &&
      (head.method === "GET" || head.method === "HEAD");
    if (!isAsked) return next(head, exchange, last);
    const all = contracts();
    if (made?.count !== all.length) made = { count: all.length, what: describe(all, document) };
    const nonce = random.id();
    const { what } = made;
    const body = new TextEncoder().encode(typeof what === "string" ? failedPage(what) : docsPage(what, nonce));
    const fields: Metadata = Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "text/html; charset=utf-8", "content-length": String(body.length), "cache-control": "no-store",
      "content-security-policy": docsPolicy(nonce), "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin",
    });
    const status = typeof what === "string" ? 500 : 200;
    sendReply(exchange, { head: new Head(fields, status), body: head.method === "GET" ? body : undefined });
    return new Remainder(clock, exchange, last);
  };
}

/** The document, or why there is none. */
function describe(contracts: readonly AnyContract[], options: OpenApiOptions): OpenApiDocument | string {
  try {
    return exportOpenApi(contracts, options);
  } catch (error) {
    return RpcError.from(error, "internal").message;
  }
}
