/** An Http1Exchange is the handle on one request and response; the connection or socket behind it does the work. */
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import type { Carrier, Exchange, Head, HttpSink, ResetReason } from "../message.ts";

/** What carries exchanges, one at a time. */
export interface Channel {
  readonly writable: boolean;
  sendHead(head: Head, last: boolean): void;
  beginPiece(): Writer;
  endPiece(last: boolean): void;
  abortPiece(): void;
  sendTrailers(trailers: Head): void;
  consumed(bytes: number): void;
  reset(reason: ResetReason): void;
}

export class Http1Exchange implements Exchange {
  readonly version = 1;
  readonly carrier: Carrier;
  readonly peer: string;
  /** Undefined once the exchange is over: then all that is said here is said to nobody. */
  channel: Channel | undefined;
  /** Set as soon as it is known: the handler returns it. */
  sink: HttpSink | undefined = undefined;

  /** Why it failed, while nobody was there to be told. */
  failure: RpcError | undefined = undefined;

  constructor(carrier: Carrier, channel: Channel) {
    this.carrier = carrier;
    this.channel = channel;
    this.peer = carrier.peer;
  }

  get writable(): boolean {
    return this.channel?.writable ?? true;
  }

  head(head: Head, last: boolean): void {
    this.channel?.sendHead(head, last);
  }

  begin(): Writer {
    return this.channel === undefined ? nowhere() : this.channel.beginPiece();
  }

  end(last: boolean): void {
    this.channel?.endPiece(last);
  }

  abort(): void {
    this.channel?.abortPiece();
  }

  trailers(trailers: Head): void {
    this.channel?.sendTrailers(trailers);
  }

  consumed(bytes: number): void {
    this.channel?.consumed(bytes);
  }

  reset(reason: ResetReason): void {
    this.channel?.reset(reason);
  }
}

/** A Writer whose bytes nobody reads. */
export function nowhere(): Writer {
  return new Writer(256);
}

/** A protocol used an exchange in a way that HTTP does not have. */
export function misuse(why: string): RpcError {
  return new RpcError("internal", why, { phase: "encode", retryable: false });
}
