/** Avro's RPC as a wire of a server: known by its first bytes, framed or with serial numbers. */
import type { Accept, AcceptOwner } from "../../core/connection.ts";
import type { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { Wire } from "../wire.ts";
import { Answering } from "./answering.ts";
import { transportOf } from "./frames.ts";
import { AvroServerConnection } from "./server.ts";
import { type AvroSettings, resolveAvroSettings } from "./settings.ts";

/** The name of Avro's RPC in TLS (ALPN), among Meridian's own: there is none of IANA's. */
export const avroApplicationProtocol = "avro";

/**
 * Apache Avro's RPC on sockets: the framed transport of the specification, and that with serial numbers of Java's Netty
 * and of avsc. Every server has it with its defaults; `createServer({ wires: [avroWire({ … })] })` gives it others.
 */
export function avroWire(settings?: Partial<AvroSettings>): Wire {
  const resolved = resolveAvroSettings(settings);
  return {
    name: "avro",
    applicationProtocol: avroApplicationProtocol,
    recognises(opening) {
      const transport = transportOf(opening);
      return transport === undefined ? undefined : transport !== false;
    },
    refusal,
    serve(serving: Serving, owner: AcceptOwner): Accept {
      const answering = new Answering(serving, resolved);
      return (stream) => {
        const connection = new AvroServerConnection(stream, serving, answering, owner);
        return { connection, sink: connection };
      };
    },
  };
}

/** Avro has no words before a handshake: the connection is closed, and its client knows that nothing was begun. */
function refusal(_error: RpcError): Uint8Array {
  return new Writer(0).finish();
}
