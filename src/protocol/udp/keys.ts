/**
 * Keys of sealed sessions are fetched by TLS from the same port: who was shown the server's certificate there, and
 * showed its own where one is asked for, shares fresh keys with it that nobody else has seen.
 */
import { Alarm } from "../../core/alarm.ts";
import type { Accepted, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { type Peer, peerOf } from "../../core/peer.ts";
import type { ByteStream, Clock, Runtime, Security } from "../../core/runtime.ts";
import { securedRuntime } from "../protocol.ts";
import { begins, type Wire } from "../wire.ts";
import { idBytes, idOf } from "./packet.ts";
import { keyBytes, type Keys } from "./seal.ts";

/** The wire's name in TLS (ALPN). */
export const keysApplicationProtocol = "meridian-udp";
/** "MRDU\r\n" and the version. */
const question = Uint8Array.of(0x4d, 0x52, 0x44, 0x55, 0x0d, 0x0a, 1);
const answerBytes = question.length + 1 + 8 + 2 * keyBytes;
/** First byte after the question's: keys follow, or a text that says why not. */
const Outcome = { keys: 0, refused: 1 } as const;
const maxTextBytes = 512;

/** What a client gets: the id of its session, and its keys. */
export interface Granted {
  readonly id: bigint;
  readonly keys: Keys;
}

/** Gives out keys: makes a session, or says why not. `keys` are the server's half. */
export type Granting = (from: Peer) => { readonly id: bigint; readonly keys: Keys } | RpcError;

/** The wire on which a server gives keys out. */
export function keysWire(grant: Granting): Wire {
  return {
    name: "udp-keys",
    applicationProtocol: keysApplicationProtocol,
    recognises: (opening) => begins(opening, question.subarray(0, 6)) && (opening.length >= 6 || undefined),
    refusal: refusedBytes,
    serve: (_serving, { ended, gone }) => (stream) => {
      const connection: ServedConnection = {
        peer: stream.peer, inFlight: 0, drain: () => stream.destroy(), close: () => stream.destroy(),
        sweep: () => undefined,
      };
      return accepted(stream, grant, connection, (error) => {
        ended(connection, error);
        gone?.(connection);
      });
    },
  };
}

function accepted(
  stream: ByteStream, grant: Granting, connection: ServedConnection, ended: (error: RpcError | undefined) => void,
): Accepted {
  let asked = 0;
  return { connection, sink: {
    received(bytes) {
      const before = asked;
      asked += bytes.length;
      if (before >= question.length || asked < question.length) return;
      const granted = stream.secure === undefined
        ? expected("failed_precondition", "keys of datagrams are given out over TLS alone") : grant(peerOf(stream));
      stream.write(RpcError.is(granted) ? refusedBytes(granted) : grantedBytes(granted));
      stream.end();
    },
    closed: (error) => ended(error === undefined ? undefined : RpcError.from(error, "unavailable")),
  } };
}

function grantedBytes({ id, keys }: Granted): Uint8Array {
  const bytes = new Uint8Array(answerBytes);
  bytes.set(question);
  bytes[question.length] = Outcome.keys;
  bytes.set(idBytes(id), question.length + 1);
  bytes.set(keys.receiving, question.length + 9);
  bytes.set(keys.sending, question.length + 9 + keyBytes);
  return bytes;
}

function refusedBytes(error: RpcError): Uint8Array {
  const text = new TextEncoder().encode(error.message).subarray(0, maxTextBytes);
  return Uint8Array.of(...question, Outcome.refused, ...text);
}

/** How long a server may take to give keys, in milliseconds. */
const timeoutMs = 2_000;

/** Asks `address` for keys. `done` is called once, never synchronously. Returns what gives the attempt up. */
export function fetchKeys(
  runtime: Runtime, tls: Security, address: string, done: (granted: Granted | RpcError) => void,
): () => void {
  const secured = securedRuntime(runtime, tls, [keysApplicationProtocol], true);
  let bytes: Uint8Array = new Uint8Array(0);
  let isOver = false;
  const finish = (granted: Granted | RpcError): void => {
    if (isOver) return;
    isOver = true;
    limit.clear(runtime.clock);
    stream.destroy();
    done(granted);
  };
  const limit = new Limit(() => finish(failed(`no keys came within ${timeoutMs} ms`)));
  const stream: ByteStream = secured.network.connect(address, {
    opened: () => void stream.write(question),
    received(more) {
      const joined = new Uint8Array(bytes.length + more.length);
      joined.set(bytes);
      joined.set(more, bytes.length);
      bytes = joined;
      if (bytes.length > answerBytes + maxTextBytes) return finish(failed("the server sent more than keys"));
      if (bytes[question.length] === Outcome.keys && bytes.length >= answerBytes) finish(readGranted(bytes));
    },
    closed(error) {
      finish(bytes[question.length] === Outcome.refused && begins(bytes, question)
        ? failed(`it says: ${new TextDecoder().decode(bytes.subarray(question.length + 1))}`)
        : RpcError.is(error) ? error : failed(error?.message ?? "the server closed the connection"));
    },
  });
  runtime.clock.set(limit, runtime.clock.now() + timeoutMs);
  return () => {
    isOver = true;
    limit.clear(runtime.clock);
    stream.destroy();
  };
}

function readGranted(bytes: Uint8Array): Granted | RpcError {
  if (!begins(bytes, question)) return failed("the server answered in another protocol");
  const at = question.length + 9;
  return {
    id: idOf(bytes.subarray(question.length + 1)),
    keys: { sending: bytes.slice(at, at + keyBytes), receiving: bytes.slice(at + keyBytes, at + 2 * keyBytes) },
  };
}

function failed(why: string): RpcError {
  return expected("unavailable", `the server gave no keys for datagrams: ${why}`,
    { neverStarted: true, phase: "connect" });
}

class Limit extends Alarm {
  readonly #passed: () => void;

  constructor(passed: () => void) {
    super();
    this.#passed = passed;
  }

  clear(clock: Clock): void {
    if (this.isSet) clock.clear(this);
  }

  ring(): void {
    this.#passed();
  }
}
