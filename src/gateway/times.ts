/** The two parts of a call's time, as its caller reads them from what a gateway with `timing` adds to the reply. */
import type { Metadata } from "../core/metadata.ts";

/** How long the caller's gateway waited for the server, retries included, in milliseconds with three decimals. */
export const upstreamTrailer = "meridian-upstream-ms";

/** T_total = T_client-proxy + T_proxy-server. */
export interface ProxyTimes {
  readonly totalMs: number;
  /** Caller to gateway and back, and the gateway's own work. */
  readonly clientProxyMs: number;
  /** Gateway to server and back, and the server's work; through another gateway where that was the way. */
  readonly proxyServerMs: number;
}

/**
 * Divides the time of a call, `totalMs` from its beginning to its end as the caller saw it, by the trailer of its
 * reply or of its error. Undefined where no gateway said anything.
 */
export function proxyTimes(trailer: Metadata | undefined, totalMs: number): ProxyTimes | undefined {
  const said = trailer?.[upstreamTrailer];
  const upstreamMs = said === undefined ? NaN : Number(said);
  if (!(upstreamMs >= 0)) return undefined;
  // Two clocks measured: the part is never more than the whole.
  const proxyServerMs = Math.min(upstreamMs, totalMs);
  return { totalMs, proxyServerMs, clientProxyMs: totalMs - proxyServerMs };
}
