/** Addresses of ours, `host:port`, as Consul has them: in two fields. */
import { RpcError } from "../../core/error.ts";
import { describe } from "../services.ts";

/** Throws `invalid_argument` for what is no host and port. */
export function joinAddress(host: unknown, port: unknown): string {
  if (typeof host !== "string" || host === "") {
    throw new RpcError("invalid_argument", "neither the service nor its node has an address", { phase: "decode" });
  }
  if (typeof port !== "number" || port === 0) {
    throw new RpcError("invalid_argument", `it has no port (${describe(port)})`, { phase: "decode" });
  }
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Undefined for what Consul has no fields for: the path of a socket. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, v6, name, port] = /^(?:\[([^\]]+)\]|([^[\]:/\s]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = v6 ?? name;
  return host === undefined ? undefined : { host, port: Number(port) };
}
