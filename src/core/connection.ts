/**
 * A Connection is what a protocol makes of a byte stream on the client's side: something that can be called.
 *
 * It belongs to one endpoint, which makes another when it closes. The observer is told of an attempt's end
 * synchronously, before its promise settles, so that load figures cost no promise of their own.
 */
import type { Context } from "./context.ts";
import type { ByteSink, ByteStream } from "./runtime.ts";
import type { LoadReport } from "./load.ts";
import type { RpcError } from "./error.ts";
import type { Runtime } from "./runtime.ts";

export interface AttemptObserver {
  /** `startedMs` and `endedMs` are clock times; `error` is absent on success. */
  attemptEnded(context: Context, startedMs: number, endedMs: number, error: RpcError | undefined): void;
}

export interface Connection {
  /** Sends a call at once; only legal after `opened` and before `draining` or `closed`. */
  call(request: unknown, context: Context, observer: AttemptObserver): unknown;
  /** Calls that have not ended. */
  readonly inFlight: number;
  /** Clock time at which anything last came from the peer. */
  readonly lastReceivedMs: number;
  /**
   * Asks the peer for a sign of life; the answer shows as `pinged`. Returns false when the peer has been asked as often
   * as it bears, and has answered: then no answer will come, and none is missing.
   */
  ping(): boolean;
  /**
   * Asks the peer for its load; the answer shows as `reported`. False where it is not asked: the last time has not been
   * answered. Absent where the protocol has no way of asking.
   */
  askLoad?(): boolean;
  /** Whether the peer takes offence at many pings, as gRPC servers of others do. */
  readonly pingsSparingly: boolean;
  /** Fails the calls in flight that bear a repeat, so that they can be made elsewhere; others go on waiting. */
  failRepeatable(error: RpcError): void;
  /** Ends it at once, without a word: the peer is held to be dead. */
  abort(error: RpcError): void;
  /** Accepts no more calls and closes when those in flight have ended, at the latest after `graceMs`. */
  close(graceMs: number): void;
}

/** What a connection tells its endpoint. */
export interface ConnectionEvents {
  /** The peer is there, speaks our version, and calls may go out. */
  opened(): void;
  /**
   * The peer wants no new calls here; those in flight go on. With `reconnect` it says so of this connection alone
   * (HTTP/2's GOAWAY, which balancers send from time to time): another one may be made at once.
   */
  draining(why: string, reconnect?: boolean): void;
  /** It is over; every call in flight has been told. `error` says why, unless we asked for it. */
  closed(error: RpcError | undefined): void;
  /** The peer answered a ping after so long. */
  pinged(roundTripMs: number): void;
  /** The peer reported its load. */
  reported(report: LoadReport): void;
}

/** How an endpoint gets its connections: the client half of a protocol. */
export type Connect = (
  runtime: Runtime, address: string, events: ConnectionEvents, attributes?: Readonly<Record<string, string>>,
) => Connection;

/** What a server keeps of each accepted connection, whatever it speaks. */
export interface ServedConnection {
  readonly peer: string;
  /** Calls whose callers still wait. */
  readonly inFlight: number;
  /** Refuses new calls, and ends when those in flight have. */
  drain(reason: RpcError): void;
  /** Ends now: calls in flight are cancelled and their callers told. */
  close(reason: RpcError): void;
  /** Once a second: ends a connection whose peer leaves something half sent, or what we sent unread. */
  sweep(nowMs: number): void;
}

/** Who accepted a connection, and wants to hear of its end. */
export interface AcceptOwner {
  /** Called once, when the connection is over. */
  readonly ended: (connection: ServedConnection, error: RpcError | undefined) => void;
  /** Called once after that, when its stream is closed too. */
  readonly gone?: ((connection: ServedConnection) => void) | undefined;
}

/** An accepted connection, and what hears its bytes. */
export interface Accepted {
  readonly connection: ServedConnection;
  readonly sink: ByteSink;
}

/** The server half of a protocol on a byte stream. */
export type Accept = (stream: ByteStream) => Accepted;
