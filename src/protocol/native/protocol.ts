/** The native wire as a client's protocol. */
import type { Connect } from "../../core/connection.ts";
import { type Protocol, securedRuntime } from "../protocol.ts";
import { nativeConnect } from "./client.ts";
import type { NativeSettings } from "./settings.ts";

/** The name of the native wire in TLS (ALPN). */
export const nativeApplicationProtocol = "meridian";

/** What clients speak by default: Meridian's own wire, the fastest where both sides are Meridian. docs/protocol.md. */
export function native(settings?: Partial<NativeSettings>): Protocol {
  return {
    name: "native",
    connector({ coders, tls }): Connect {
      const connect = nativeConnect({ coders, settings });
      if (tls === undefined) return connect;
      return (runtime, address, events) =>
        connect(securedRuntime(runtime, tls, [nativeApplicationProtocol], false), address, events);
    },
  };
}
