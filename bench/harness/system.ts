// A System is one RPC library under measurement: how it serves an echo, and how that echo is called.
import type { EchoRecord, Shape } from "../records.ts";
import type { Certificate } from "./certificate.ts";

/** A connected client. Every caller uses one connection, as the library makes it by default. */
export interface Caller {
  /** Resolves to the record as it came back, decoded. */
  call(record: EchoRecord): Promise<unknown>;
  /** Asks the server for a stream of `count` small records. */
  receive?(count: number): AsyncIterable<unknown>;
  /** Streams `count` small records to the server; resolves to how many it says it got. */
  send?(count: number): Promise<number>;
  /** Judges a reply of a system that has no codec and hands back bytes; others are compared field by field. */
  isEcho?(reply: unknown): boolean;
  close(): unknown;
}

/** How a system is set up for one measurement. */
export interface Setting {
  /** With one, connections are secured. */
  readonly certificate: Certificate | undefined;
  /** What follows the colon in a system's name, for files that hold several; otherwise empty. */
  readonly variant: string;
}

/** What a file in bench/systems exports. Both functions run in processes of their own. */
export interface System {
  /** Resolves once calls are accepted on 127.0.0.1:`port`. Serves both shapes, until the process ends. */
  readonly serve: (port: number, setting: Setting) => Promise<void>;
  readonly connect: (port: number, shape: Shape, setting: Setting) => Promise<Caller>;
}
