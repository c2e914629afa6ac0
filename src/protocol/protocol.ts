/**
 * A Protocol is how a client speaks to servers: given codec, security and compressions, it makes connections.
 *
 * A client has one; an endpoint may name another of those its client knows by the attribute `protocol`.
 */
import type { Connect, ConnectionEvents } from "../core/connection.ts";
import { expected, RpcError } from "../core/error.ts";
import type { MethodInfo } from "../core/method.ts";
import type { ByteSink, ByteStream, Network, Runtime, Security } from "../core/runtime.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type { Compression } from "../wire/compression.ts";

export interface Protocol {
  /** For logs, and what an endpoint's attribute `protocol` says: `native`, `grpc`, `grpc-web`, `connect`. */
  readonly name: string;
  /** The name of the only codec that it speaks (Thrift's, Avro's). Default: any, as the client or the caller has it. */
  readonly codec?: string | undefined;
  /** Makes what connects endpoints. Two clients with equal options may share its connections. */
  connector(options: ConnectorOptions): Connect;
}

export interface ConnectorOptions {
  /** Compiles, or finds, the coders of a method. */
  readonly coders: (method: MethodInfo) => MethodCoders;
  /** How connections are secured; undefined for not at all. */
  readonly tls: Security | undefined;
  /** What can be decompressed here, best first. */
  readonly compressions: readonly Compression[];
}

/**
 * A runtime whose connections are secured and agree with the server on one of `protocols` (ALPN, RFC 7301). With
 * `required`, a server that agrees on none is refused; otherwise it is taken to speak what it is asked in.
 */
export function securedRuntime(
  runtime: Runtime, tls: Security, protocols: readonly string[], required: boolean,
): Runtime {
  const security = tls.offering(protocols);
  const network: Network = {
    listen: (address, accept, listening) => runtime.network.listen(address, accept, listening),
    datagrams: (address, receive) => runtime.network.datagrams(address, receive),
    connect(address, sink) {
      const agreeing = new AgreeingSink(sink, protocols, required);
      const stream = runtime.network.connect(address, agreeing, security);
      agreeing.stream = stream;
      return stream;
    },
  };
  return { ...runtime, network };
}

/** Hands everything through once it is clear that both sides mean the same protocol. */
class AgreeingSink implements ByteSink {
  readonly #sink: ByteSink;
  readonly #protocols: readonly string[];
  readonly #required: boolean;
  #refusal: RpcError | undefined = undefined;
  stream!: ByteStream;

  constructor(sink: ByteSink, protocols: Security["protocols"], required: boolean) {
    this.#sink = sink;
    this.#protocols = protocols;
    this.#required = required;
  }

  opened(): void {
    const agreed = this.stream.secure?.protocol;
    if (agreed === undefined ? this.#required : !this.#protocols.includes(agreed)) {
      this.#refusal = expected("unavailable",
        `the server agreed on ${agreed ?? "no protocol"} in TLS (ALPN), not on ${this.#protocols.join(" or ")}`,
        { neverStarted: true, phase: "connect", retryable: false });
      this.stream.destroy();
      return;
    }
    this.#sink.opened?.();
  }

  received(bytes: Uint8Array): void {
    if (this.#refusal === undefined) this.#sink.received(bytes);
  }

  drained(): void {
    this.#sink.drained?.();
  }

  closed(error?: Error): void {
    this.#sink.closed(this.#refusal ?? error);
  }
}

/** A Connect that chooses among several by the endpoint's attribute `protocol`; the first is the default. */
export function byAttribute(connects: ReadonlyMap<string, Connect>): Connect {
  const [first] = connects.values();
  if (first === undefined) throw new RpcError("invalid_argument", "a client needs at least one protocol");
  return (runtime: Runtime, address: string, events: ConnectionEvents, attributes) => {
    const name = attributes?.["protocol"];
    const connect = name === undefined ? first : connects.get(name);
    if (connect !== undefined) return connect(runtime, address, events, attributes);
    throw new RpcError("invalid_argument", `the endpoint ${address} speaks "${name ?? ""}" (attribute protocol), ` +
      `this client ${[...connects.keys()].join(", ")}: add it to \`protocol\``);
  };
}
