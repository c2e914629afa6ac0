/** A MethodInfo says what the layers need to know of a method, without its types. */

/** The four call shapes. */
export type CallKind = "unary" | "server_stream" | "client_stream" | "bidi_stream";

/**
 * How a repeat of a call behaves: `false`, it may act twice, so an attempt whose outcome is unknown is never
 * repeated; `true`, repeating is harmless; `"keyed"`, each call carries an idempotency key by which the server
 * recognises a repeat.
 */
export type Idempotency = boolean | "keyed";

/** Who is served last when there is not enough for all: the order in which an overloaded server sheds. */
export type Criticality = "critical" | "default" | "sheddable";

export interface MethodInfo {
  /** Fully qualified service name, e.g. `calc.v1.Calculator`. */
  readonly service: string;
  readonly name: string;
  /** `service/name`: the method's name on the native wire, in metrics and in logs. */
  readonly path: string;
  /** The method's name in `.proto` and in HTTP paths: `/service/Name`. */
  readonly wireName: string;
  readonly kind: CallKind;
  readonly idempotent: Idempotency;
  /** Whether a call changes nothing (a safe method of RFC 9110): it may be made by GET, and answered from a cache. */
  readonly safe?: boolean;
  readonly criticality: Criticality;
  /** Whether wires that can (Thrift, Avro) send no reply: the call is over for its caller once it has been sent. */
  readonly oneway?: boolean;
  /** Timeout of a call that names none, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** Reads from the request the key by which regions and shards are chosen. */
  readonly routeKey: ((request: never) => string) | undefined;
  /** A small integer unique in this process, by which per-method tables are indexed. */
  readonly ordinal: number;
}

let lastOrdinal = 0;

/** The next free method ordinal. */
export function nextMethodOrdinal(): number {
  return lastOrdinal++;
}
