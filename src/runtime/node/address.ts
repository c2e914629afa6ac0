/** Addresses of the Node network: what the strings mean to the operating system. */
import { RpcError } from "../../core/error.ts";

/** Where to connect or listen: a TCP port of a host, or the path of a Unix socket. */
export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const acceptedForms = "host:port, [v6-address]:port or unix:/path";

/** Longest host name in the domain name system. */
const maxHostLength = 253;

/** Reads `host:port`, `[v6]:port` or `unix:/path`; throws `invalid_argument` naming the address. */
export function parseAddress(address: string): SocketAddress {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length);
    if (path === "") throw wrong(address, "the path after unix: is missing");
    if (path.includes("\0")) throw wrong(address, "the path holds a zero byte");
    return { path };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^[\]:/\s]+)):(\d{1,5})$/.exec(address);
  if (match === null) throw wrong(address, reasonFor(address));
  const host = (match[1] ?? match[2]) as string;
  const port = Number(match[3]);
  if (port > 65_535) throw wrong(address, `port ${port} is above 65535`);
  if (host.length > maxHostLength) throw wrong(address, `the host name has more than ${maxHostLength} characters`);
  return { host, port };
}

/** The string for a host and a port as the operating system gives them. */
export function formatAddress(host: string, port: number): string {
  // A dual-stack socket shows its IPv4 peers as mapped IPv6 addresses, which nobody recognises.
  if (host.startsWith("::ffff:") && host.includes(".")) return `${host.slice("::ffff:".length)}:${port}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function reasonFor(address: string): string {
  if (address === "") return "it is empty";
  if (address.includes("://")) return "it is a URL";
  if (/^[0-9a-fA-F:]*:[0-9a-fA-F:]*:\d+$/.test(address)) return "an IPv6 address stands in brackets";
  if (!/:\d+$/.test(address)) return "it has no port number";
  return "the host is malformed";
}

function wrong(address: string, reason: string): RpcError {
  const shown = JSON.stringify(address.slice(0, 200));
  return new RpcError("invalid_argument", `address ${shown} cannot be used: ${reason}; write ${acceptedForms}`,
    { phase: "connect", neverStarted: true, retryable: false });
}
