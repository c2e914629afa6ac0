/**
 * A mount is a server's HTTP without its port: another HTTP server (Express, Fastify, a route handler) accepted the
 * request and hands the exchange over.
 */
import type { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Peer } from "../core/peer.ts";
import type { Clock } from "../core/runtime.ts";
import { Writer } from "../wire/writer.ts";
import type { Carrier, Exchange, Head, HttpHandler, HttpSink, ResetReason } from "./message.ts";

/** What a server lends to those who hand it exchanges. */
export interface HttpMount {
  readonly clock: Clock;
  readonly handle: HttpHandler;
  /** Whether a request for `path` (with or without its query) is for this server rather than for its host. */
  claims(method: string, path: string): boolean;
  /** Counts an exchange, so that closing waits for it. Answers why not, when the server is closing. */
  begun(exchange: MountedExchange): RpcError | undefined;
  over(exchange: MountedExchange): void;
}

/** What takes the response, at the host's. Members are called in the order of HTTP, and none after the last piece. */
export interface MountedResponse {
  head(status: number, fields: Metadata, last: boolean): void;
  piece(bytes: Uint8Array, last: boolean): void;
  /** Ends the message; a host that cannot send trailers ends it without. */
  trailers(fields: Metadata): void;
  /** Whether the next piece would wait here. */
  readonly isFull: boolean;
  /** Ends it before its end. */
  cut(): void;
  /** May be sent more of the request. */
  resume(): void;
}

/** So many bytes of a request are read ahead of its handler. */
export const mountedWindowBytes = 65_536;

/** Fields that belong to the host's connection. */
const ofConnection = new Set([
  "connection", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade", "trailer",
]);

/** Makes the fields of a request's head. Values that came several times are joined as HTTP joins them. */
export function mountedFields(each: Iterable<readonly [name: string, value: string]>): Metadata {
  const fields = Object.create(null) as Record<string, string>;
  for (const [given, value] of each) {
    const name = given.toLowerCase();
    if (ofConnection.has(name) || name === "host") continue;
    const before = fields[name];
    fields[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return fields;
}

export class MountedExchange implements Exchange {
  readonly version = 1;
  readonly carrier: Carrier;
  readonly #mount: HttpMount;
  readonly #response: MountedResponse;
  #sink: HttpSink | undefined = undefined;
  #writer: Writer | undefined = undefined;
  #headSent = false;
  #isOver = false;
  #isRequestOver = false;
  #unconsumed = 0;
  /** Why it failed, while the handler had not returned who is to be told. */
  #untold: RpcError | undefined = undefined;

  constructor(mount: HttpMount, from: Peer, response: MountedResponse) {
    this.#mount = mount;
    this.#response = response;
    this.carrier = { peer: from.address, from, lastReceivedMs: mount.clock.now(), memo: undefined };
  }

  begin(): Writer {
    return this.#writer = new Writer(1_024);
  }

  /** Has it served. `last`: the request has no body. */
  serve(head: Head, last: boolean): void {
    const refusal = this.#mount.begun(this);
    if (refusal !== undefined) {
      this.#isOver = true;
      this.#response.head(503, mountedFields([["content-type", "text/plain; charset=utf-8"]]), false);
      this.#response.piece(new TextEncoder().encode(`${refusal.message}\n`), true);
      return;
    }
    this.#isRequestOver = last;
    this.#sink = this.#mount.handle(head, this, last);
    if (this.#untold !== undefined) this.#sink.failed(this.#untold);
  }

  get peer(): string {
    return this.carrier.peer;
  }

  get writable(): boolean {
    return this.#isOver || !this.#response.isFull;
  }

  /** How much more of the request is wanted now. */
  get wants(): boolean {
    return this.#unconsumed < mountedWindowBytes;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  head(head: Head, last: boolean): void {
    if (this.#isOver || this.#headSent || head.status < 200) return;
    this.#headSent = true;
    const fields = Object.create(null) as Record<string, string>;
    for (const name in head.fields) {
      if (!ofConnection.has(name)) fields[name] = head.fields[name] as string;
    }
    if (last) this.#finish();
    this.#response.head(head.status, fields, last);
  }

  end(last: boolean): void {
    const piece = this.#writer?.finish();
    this.#writer = undefined;
    if (piece === undefined || this.#isOver || !this.#headSent) return;
    if (last) this.#finish();
    if (last || piece.length > 0) this.#response.piece(piece, last);
  }

  abort(): void {
    this.#writer = undefined;
  }

  trailers(trailers: Head): void {
    if (this.#isOver || !this.#headSent) return;
    this.#finish();
    this.#response.trailers(trailers.fields);
  }

  consumed(bytes: number): void {
    const waited = !this.wants;
    this.#unconsumed -= bytes;
    if (waited && this.wants && !this.#isOver) this.#response.resume();
  }

  reset(_reason: ResetReason): void {
    if (this.#isOver) return;
    this.#finish();
    this.#response.cut();
  }

  #finish(): void {
    this.#isOver = true;
    this.#mount.over(this);
  }

  /** A piece of the request's body came. Answers whether more is wanted at once. */
  received(bytes: Uint8Array): boolean {
    if (this.#isOver || this.#isRequestOver) return true;
    (this.carrier as { lastReceivedMs: number }).lastReceivedMs = this.#mount.clock.now();
    this.#unconsumed += bytes.length;
    this.#sink?.data(bytes, 0, bytes.length, false);
    return this.wants;
  }

  /** The request is complete. */
  ended(): void {
    if (this.#isOver || this.#isRequestOver) return;
    this.#isRequestOver = true;
    this.#sink?.data(nothing, 0, 0, true);
  }

  /** The host takes more of the response. */
  drained(): void {
    if (!this.#isOver) this.#sink?.writable();
  }

  /** The caller is gone, or the server ends before the call. */
  failed(error: RpcError): void {
    if (this.#isOver) return;
    this.#finish();
    if (this.#sink === undefined) this.#untold = error;
    else this.#sink.failed(error);
  }

  /** As {@link failed}, and the caller sees the connection end. */
  cut(error: RpcError): void {
    if (this.#isOver) return;
    this.failed(error);
    this.#response.cut();
  }
}

const nothing: Uint8Array = new Uint8Array(0);
