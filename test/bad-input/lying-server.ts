/** Servers over HTTP that lie: each answers a request with whatever a test wants; a client beside calls them. */
import assert from "node:assert/strict";
import { type ClientOf, createClientOn } from "../../src/client/index.ts";
import type { ServedConnection } from "../../src/core/connection.ts";
import { expected, RpcError } from "../../src/core/index.ts";
import {
  type Exchange, Head, http1Accept, http2Accept, type HttpHandler, type HttpSink,
} from "../../src/http/index.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { nodeCompressions, nodeRuntime } from "../../src/runtime/node/index.ts";
import { Target } from "./harness.ts";
import type { Fields } from "./http-harness.ts";

/** All of a response. Without body and trailers it is a head alone. */
export interface Lie {
  readonly status?: number;
  readonly fields?: Fields;
  readonly body?: readonly Uint8Array[];
  readonly trailers?: Fields;
  /** Whether it goes on without an end. */
  readonly isOpen?: boolean;
}

export function headOf(fields: Fields, status = 0): Head {
  return new Head(Object.assign(Object.create(null) as Record<string, string>, fields), status);
}

export function tell(exchange: Exchange, { status = 200, fields = {}, body = [], trailers, isOpen }: Lie): void {
  exchange.head(headOf(fields, status), body.length === 0 && trailers === undefined && isOpen !== true);
  for (const [i, piece] of body.entries()) {
    exchange.begin().writeBytes(piece);
    exchange.end(trailers === undefined && isOpen !== true && i === body.length - 1);
  }
  if (trailers !== undefined) exchange.trailers(headOf(trailers));
}

/** Calls `answer` once the request is here. */
export function answering(answer: (exchange: Exchange, request: Head) => void): HttpHandler {
  return (request, exchange, last) => {
    if (last) answer(exchange, request);
    const sink: HttpSink = {
      data(_bytes, start, end, isLast) {
        if (end > start) exchange.consumed(end - start);
        if (isLast) answer(exchange, request);
      },
      trailers: () => undefined, writable: () => undefined, failed: () => undefined,
    };
    return sink;
  };
}

export interface Liar {
  readonly address: string;
  readonly accepted: () => number;
  close(): Promise<void>;
}

/** Serves `handle` over a version of HTTP. */
export async function lying(version: 1 | 2, handle: HttpHandler): Promise<Liar> {
  const open = new Set<ServedConnection>();
  let accepted = 0;
  const ended = (one: ServedConnection): void => void open.delete(one);
  const accept = (version === 1 ? http1Accept : http2Accept)(nodeRuntime, { handle, ended });
  const listener = await nodeRuntime.network.listen("127.0.0.1:0", (stream) => {
    accepted++;
    const { connection, sink } = accept(stream);
    open.add(connection);
    return sink;
  });
  return {
    address: listener.address, accepted: () => accepted,
    async close() {
      await listener.close();
      for (const one of open) one.close(expected("unavailable", "the test is over"));
    },
  };
}

export function clientOf(address: string, protocol: Protocol, timeoutMs = 5_000): ClientOf<typeof Target> {
  return createClientOn(nodeRuntime, Target, {
    address, protocol, timeoutMs, retry: false, outliers: false, compressions: nodeCompressions,
  });
}

export async function errorOf(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    return error;
  }
  assert.fail("expected a failure");
}

export async function collected(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of items) all.push(one);
  return all;
}
