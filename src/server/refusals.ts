/** Refusals are answered before anything looks at a request: what kept it out, in words, with 403. */
import type { Clock } from "../core/runtime.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Upgrade } from "../http/h1/upgrade.ts";
import { Head, type HttpHandler } from "../http/message.ts";
import { sendReply } from "../protocol/http-message.ts";
import { Remainder } from "../protocol/http-remainder.ts";

/** Why a request is refused; undefined lets it in. */
export type Refuses = (request: Head) => string | undefined;

/** Answers what is refused, in the words of Connect, which tools and people can read; lets everything else through. */
export function withRefusals(clock: Clock, refuses: Refuses, next: HttpHandler): HttpHandler {
  return (request, exchange, last) => {
    const why = refuses(request);
    if (why === undefined) return next(request, exchange, last);
    const body = new TextEncoder().encode(`${JSON.stringify({ code: "permission_denied", message: why })}\n`);
    const fields: Metadata = Object.assign(Object.create(null) as Record<string, string>, {
      "content-type": "application/json", "content-length": String(body.length), "cache-control": "no-store",
    });
    sendReply(exchange, { head: new Head(fields, 403), body: request.method === "HEAD" ? undefined : body });
    return new Remainder(clock, exchange, last);
  };
}

/** The same for WebSockets. */
export function refusing(refuses: Refuses, granting: Upgrade): Upgrade {
  return (request) => {
    const answer = granting(request);
    const why = answer === undefined ? undefined : refuses(request);
    return why === undefined ? answer : { status: 403, why };
  };
}
