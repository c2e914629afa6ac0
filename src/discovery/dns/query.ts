/** What DNS is asked for the name of a service: which records of which name. */
import { RpcError } from "../../core/error.ts";
import { canonicalName } from "./names.ts";

/** How one service stands in DNS. */
export interface DnsService {
  /**
   * The name to ask for, complete: `_geo._tcp.example.com` for SRV records, or, with `port`, a host with A and AAAA
   * records.
   */
  readonly ask: string;
  /** The port of all its endpoints. With it addresses (A, AAAA) are asked for, without it services (SRV). */
  readonly port?: number | undefined;
  /** Where its endpoints stand, as far as they do not say so themselves (`texts`). */
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
}

/** Says what to ask for a name; undefined leaves it to `domain`. */
export type DnsServices = Readonly<Record<string, string | DnsService>> |
  ((name: string) => string | DnsService | undefined);

export interface QueryOptions {
  readonly domain?: string | undefined;
  readonly port?: number | undefined;
  readonly services?: DnsServices | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
}

/** One of the two things that can be asked. */
export interface Query {
  readonly type: "SRV" | "address";
  /** As `canonicalName` writes it. */
  readonly name: string;
  /** Of addresses; 0 for SRV, which says its own. */
  readonly port: number;
  readonly region: string;
  readonly zone: string;
}

const maxLabelChars = 63;

/**
 * The query for `name`. In this order:
 * - what `services` says;
 * - `_geo._tcp.example.com`, which begins with `_`: SRV, as it is;
 * - `cities.example.com:7001`, which ends with a port: A and AAAA, as it is;
 * - with `domain` and `port`: A and AAAA of `geo-v1-cities.DOMAIN`;
 * - with `domain`: SRV of `_geo-v1-cities._tcp.DOMAIN`.
 *
 * Throws `invalid_argument`.
 */
export function queryFor(name: string, options: QueryOptions): Query {
  const said = typeof options.services === "function" ? options.services(name) : ownService(options.services, name);
  if (typeof said === "object") return query(said.ask, { ...options, ...defined(said), port: said.port });
  const asked = said ?? name;
  const [, host, port] = /^([^:]+):(\d{1,5})$/.exec(asked) ?? [];
  if (host !== undefined) return query(host, { ...options, port: Number(port) });
  if (said !== undefined || asked.startsWith("_")) return query(asked, { ...options, port: undefined });
  if (options.domain === undefined) {
    throw wrong(`the name ${JSON.stringify(name)} does not say what DNS is to be asked`,
      'give the option `domain`, or `services: { NAME: "_geo._tcp.example.com" }`, or watch `_geo._tcp.example.com` ' +
      "or `cities.example.com:7001`");
  }
  const label = labelFor(name, options.port === undefined ? 1 : 0);
  const isSrv = options.port === undefined;
  return query(isSrv ? `_${label}._tcp.${options.domain}` : `${label}.${options.domain}`, options);
}

function ownService(services: Readonly<Record<string, string | DnsService>> | undefined, name: string) {
  return services !== undefined && Object.hasOwn(services, name) ? services[name] : undefined;
}

function defined({ region, zone }: DnsService): { region?: string; zone?: string } {
  return { ...(region === undefined ? undefined : { region }), ...(zone === undefined ? undefined : { zone }) };
}

function query(ask: string, { port, region = "", zone = "" }: QueryOptions): Query {
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw wrong(`the port ${port}`, "a port is a number from 1 to 65,535");
  }
  return { type: port === undefined ? "SRV" : "address", name: canonicalName(ask), port: port ?? 0, region, zone };
}

/** `geo.v1.Cities` as one label: `geo-v1-cities`. */
function labelFor(name: string, reserved: number): string {
  const label = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  if (label !== "" && label.length <= maxLabelChars - reserved) return label;
  throw wrong(`the name ${JSON.stringify(name.slice(0, 128))} as a label of DNS (1 to ${maxLabelChars} characters)`,
    "say what to ask by the option `services`");
}

function wrong(what: string, remedy: string): RpcError {
  return new RpcError("invalid_argument", `${what} cannot be asked: ${remedy}`, { phase: "resolve", retryable: false });
}
