/** Which of a slice's ports is served: the one named or numbered by whoever asks, or the only one it can be. */
import type { SlicePort } from "./slice.ts";

/** Names by which a port of several is taken for ours, the first found first. */
export const knownPortNames = ["meridian", "native", "grpc", "rpc"] as const;

export type PortChoice = { readonly port: number } | { readonly why: string };

/** A number is that of the pods (`targetPort`), which is what slices list. */
export function choosePort(ports: readonly SlicePort[], wanted: string | number | undefined): PortChoice {
  if (typeof wanted === "number") {
    // A slice without ports (a headless service that lists none) leaves it to whoever asks.
    if (ports.length === 0 || ports.some(({ port }) => port === wanted)) return { port: wanted };
    return { why: `it has no port ${wanted}, but ${listed(ports)}` };
  }
  if (ports.length === 0) {
    return { why: "it names no port: give its number in the option port, or after the name (NAME:7001)" };
  }
  if (wanted !== undefined) {
    return ports.find(({ name }) => name === wanted) ?? { why: `it has no port "${wanted}", but ${listed(ports)}` };
  }
  if (ports.length === 1) return ports[0] as SlicePort;
  for (const known of knownPortNames) {
    const found = ports.find(({ name }) => name === known);
    if (found !== undefined) return found;
  }
  return { why: `it has several ports (${listed(ports)}) and none is named ${knownPortNames.join(", ")}: say which ` +
    "in the option port, or after the name (NAME:grpc)" };
}

function listed(ports: readonly SlicePort[]): string {
  return ports.slice(0, 8).map(({ name, port }) => (name === "" ? `${port}` : `${name}=${port}`)).join(" ");
}
