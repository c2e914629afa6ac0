/** Exchanges by hand: what a test sends as a client that keeps no rules, and what comes back. */
import type { Runtime } from "../../src/core/index.ts";
import {
  type Exchange, type Head, type HttpConnect, type HttpConnection, type ResetReason, requestHead,
} from "../../src/http/message.ts";

/** All that a response was. */
export interface Answer {
  head?: Head;
  trailers?: Head;
  body: Uint8Array;
  /** How it ended, if not in order. */
  failure?: string;
}

export interface Asking {
  readonly exchange: Exchange;
  readonly answer: Answer;
  /** Resolves when the response has ended. */
  readonly ended: Promise<Answer>;
  send(bytes: Uint8Array, last?: boolean): void;
  reset(reason: ResetReason): void;
}

export interface RawClient {
  readonly connection: HttpConnection;
  ask(fields: Readonly<Record<string, string>>, path?: string, method?: string, last?: boolean): Asking;
}

export async function rawClient(runtime: Runtime, connect: HttpConnect, address = "pair:1"): Promise<RawClient> {
  const connection = await new Promise<HttpConnection>((resolve) => {
    const opening: HttpConnection = connect(runtime, address, {
      opened: () => resolve(opening), available: () => undefined, draining: () => undefined,
      closed: () => undefined, pinged: () => undefined,
    });
  });
  return {
    connection,
    ask(fields, path = "/law.v1.Law/Echo", method = "POST", last = false) {
      const answer: Answer = { body: new Uint8Array(0) };
      let end: (answer: Answer) => void = () => undefined;
      const ended = new Promise<Answer>((resolve) => {
        end = resolve;
      });
      const withoutPrototype = Object.assign(Object.create(null) as Record<string, string>, fields);
      const head = requestHead(method, path, "http", "server", withoutPrototype);
      const exchange: Exchange = connection.request(head, last, {
        head(head, isLast) {
          answer.head = head;
          if (isLast) end(answer);
        },
        data(bytes, start, stop, isLast) {
          const longer = new Uint8Array(answer.body.length + stop - start);
          longer.set(answer.body);
          longer.set(bytes.subarray(start, stop), answer.body.length);
          answer.body = longer;
          if (stop > start) exchange.consumed(stop - start);
          if (isLast) end(answer);
        },
        trailers(trailers) {
          answer.trailers = trailers;
          end(answer);
        },
        writable: () => undefined,
        failed(error) {
          answer.failure = error.message;
          end(answer);
        },
      });
      return {
        exchange, answer, ended,
        send(bytes, isLast = false) {
          exchange.begin().writeBytes(bytes);
          exchange.end(isLast);
        },
        reset: (reason) => exchange.reset(reason),
      };
    },
  };
}

/** A message as it lies in a body. */
export function envelope(payload: Uint8Array, flags = 0, length = payload.length): Uint8Array {
  const bytes = new Uint8Array(5 + payload.length);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, length);
  bytes.set(payload, 5);
  return bytes;
}
