/** UDP as a client's protocol: for one-way and small idempotent calls. docs/udp.md. */
import type { Connect } from "../../core/connection.ts";
import { badOption } from "../../core/option.ts";
import type { Protocol } from "../protocol.ts";
import { UdpConnection } from "./client.ts";
import { withFallback } from "./fallback.ts";
import { resolveUdp, type UdpOptions } from "./settings.ts";

/**
 * Speaks Meridian's UDP wire: one-way calls and small idempotent ones, a datagram each, without a connection's
 * handshakes and without waiting behind one another. Other calls are refused, or go by `fallback`.
 *
 * Throws `invalid_argument` naming an option that cannot be.
 */
export function udp(options: UdpOptions = {}): Protocol {
  const settings = resolveUdp(options);
  const { fallback, encrypted } = options;
  return {
    name: "udp",
    codec: fallback?.codec,
    connector(connectorOptions): Connect {
      const { coders, tls } = connectorOptions;
      if (encrypted === true && tls === undefined) {
        throw badOption("encrypted", true, "keys are fetched by TLS: give the client `tls`");
      }
      const own = { coders, settings, tls: encrypted === false ? undefined : tls };
      if (fallback !== undefined) return withFallback(own, fallback.connector(connectorOptions));
      return (runtime, address, events) => new UdpConnection(runtime, address, events, own);
    },
  };
}
