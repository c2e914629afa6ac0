/** WebSockets on a server: which requests are granted one, and what is spoken in it. */
import type { Accepted, AcceptOwner } from "../core/connection.ts";
import type { ByteStream } from "../core/runtime.ts";
import type { Upgrade } from "../http/h1/upgrade.ts";
import { grant, readHandshake, type WebSocketRequest } from "../http/websocket/index.ts";

/** What is spoken in a WebSocket once it is there. */
export interface WebSocketSpeech {
  /** Its name (Sec-WebSocket-Protocol); undefined for what is spoken where the client names none. */
  readonly protocol: string | undefined;
  accept(stream: ByteStream, owner: AcceptOwner): Accepted;
}

export interface WebSocketUpgradeOptions {
  /** The first that the client would speak is spoken. */
  readonly speeches: readonly WebSocketSpeech[];
  /**
   * Pages of which origins may connect, beside the server's own: browsers send cookies along with a page's WebSockets,
   * and ask nobody beforehand. `"*"` for all.
   */
  readonly origins: readonly string[] | "*";
}

/** Grants WebSockets to clients that speak one of `speeches`. */
export function webSocketUpgrade({ speeches, origins }: WebSocketUpgradeOptions): Upgrade {
  return (head) => {
    const request = readHandshake(head);
    if (request === undefined || "status" in request) return request;
    if (!isAllowed(request, origins)) {
      return { status: 403, why: `pages of ${request.origin} may not connect here: allow their origin (http.cors)` };
    }
    const speech = request.protocols.length === 0
      ? speeches.find((one) => one.protocol === undefined)
      : speeches.find((one) => one.protocol !== undefined && request.protocols.includes(one.protocol));
    if (speech === undefined) {
      const known = speeches.map((one) => one.protocol ?? "none named").join(", ");
      return { status: 400, why: `nothing that this WebSocket would speak is spoken here; there is: ${known} ` +
        "(Sec-WebSocket-Protocol)" };
    }
    return { response: grant(request.key, speech.protocol), accept: (stream, owner) => speech.accept(stream, owner) };
  };
}

/** Whether a page of this origin may connect; who is no page names none. */
function isAllowed({ origin, authority }: WebSocketRequest, origins: readonly string[] | "*"): boolean {
  return origin === undefined || origins === "*" || origins.includes(origin) ||
    origin.replace(/^https?:\/\//, "") === authority;
}
