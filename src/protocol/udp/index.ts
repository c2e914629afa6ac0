/** Meridian's UDP wire: calls in single datagrams, each run once at most, specified in docs/udp.md. */
export { udp } from "./protocol.ts";
export { UdpPort } from "./server.ts";
export type { UdpOptions, UdpServerOptions } from "./settings.ts";
