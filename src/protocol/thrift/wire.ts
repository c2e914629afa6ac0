/** Thrift as a wire of a server: known by its first bytes, whatever its transport and protocol. */
import type { Accept, AcceptOwner } from "../../core/connection.ts";
import type { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { Wire } from "../wire.ts";
import { failureOf } from "./failure.ts";
import { MessageType, nameBytes, putInt32, writeHead } from "./message.ts";
import { spokenBy } from "./opening.ts";
import { ThriftServerConnection } from "./server.ts";
import { resolveSettings, type ThriftSettings } from "./settings.ts";

/** The name of Thrift in TLS (ALPN), among Meridian's own: there is none of IANA's. */
export const thriftApplicationProtocol = "thrift";

/**
 * Apache Thrift: framed, buffered and THeader transports, binary, compact and JSON protocols, multiplexed or not.
 * Every server has it with its defaults; `createServer({ wires: [thriftWire({ … })] })` gives it other settings.
 */
export function thriftWire(settings?: Partial<ThriftSettings>): Wire {
  const resolved = resolveSettings(settings);
  return {
    name: "thrift",
    applicationProtocol: thriftApplicationProtocol,
    recognises(opening) {
      const spoken = spokenBy(opening);
      return spoken === undefined ? undefined : spoken !== false;
    },
    refusal,
    serve(serving: Serving, owner: AcceptOwner): Accept {
      return (stream) => {
        const connection = new ThriftServerConnection(stream, { ...owner, serving, settings: resolved });
        return { connection, sink: connection };
      };
    },
  };
}

/** The transport is not known here, so it is told as most clients hear it: in a frame, in binary. */
function refusal(error: RpcError): Uint8Array {
  const writer = new Writer(256);
  writer.position = 4;
  writeHead(writer, "binary", nameBytes("binary", ""), MessageType.exception, 0);
  writer.writeBytes(failureOf("binary", error, undefined).struct);
  putInt32(writer.bytes, 0, writer.position - 4);
  return writer.finish();
}
