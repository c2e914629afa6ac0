/**
 * ZooKeeper as discovery: an ephemeral node for each server, watched by who calls it.
 *
 * The client is our own, over Runtime: those of npm are abandoned and without types, or bind to a C library; and none
 * could be simulated, which this one can.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime, Security } from "../../core/runtime.ts";
import { checkTtl } from "../check.ts";
import { type EngineDiscovery, engineDiscovery, type EngineOptions } from "../engine.ts";
import { encodeEntry } from "../entry.ts";
import { followPath } from "./follow.ts";
import { holdNode } from "./hold.ts";
import type { Credentials } from "./link.ts";
import { checkPrefix, escapeStep, namePath } from "./paths.ts";
import type { Acl } from "./records.ts";
import { abortable, Session } from "./session.ts";

/** Where ZooKeeper is, and who we are there. */
export interface ZooKeeperOptions {
  /**
   * The servers, each `host:port`: a list, or ZooKeeper's own `a:2181,b:2181/chroot`. Any of them serves; each is
   * tried when the one before is lost. The port is 2181 unless given. Default `127.0.0.1:2181`.
   */
  readonly address?: string | readonly string[] | undefined;
  /** Where everything stands: entries at PREFIX/NAME/ID. Default `/meridian`. */
  readonly prefix?: string | undefined;
  /**
   * How long an entry outlives its process, in milliseconds: the session's timeout. The server keeps it between 2 and
   * 20 of its ticks, by default 4 to 40 seconds. Default 4,000.
   */
  readonly ttlMs?: number | undefined;
  /** A server that said nothing for so long, in milliseconds, is left for the next. Default 2,000, at most 2/3 ttl. */
  readonly silentMs?: number | undefined;
  /** Time for one server to take the session, in milliseconds. Default 1,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** What secures the connections: `tls()` of `meridian-rpc/runtime/node`. Default nothing. */
  readonly security?: Security | undefined;
  /** Credentials, such as `{ scheme: "digest", auth: "user:password" }`. Default none. */
  readonly auth?: Credentials | undefined;
  /**
   * Who may read and change what is entered: `open`, everybody; `creator`, who has the same credentials; `readable`,
   * the same, while everybody may read. Default `creator` with `auth`, else `open`.
   */
  readonly acl?: "open" | "creator" | "readable" | undefined;
  /** Largest answer, in bytes: a list of 100,000 entries has about 3 million. Default 4 MiB. */
  readonly maxFrameBytes?: number | undefined;
}

export interface ZooKeeperDiscoveryOptions extends ZooKeeperOptions, EngineOptions {
  /** Changes within so many milliseconds are told together. Default 10. */
  readonly coalesceMs?: number | undefined;
}

const everything = 31;
const reading = 1;
const everybody = { scheme: "world", id: "anyone" };
const creator = { permissions: everything, scheme: "auth", id: "" };

const acls: Readonly<Record<"open" | "creator" | "readable", Acl>> = {
  open: [{ permissions: everything, ...everybody }],
  creator: [creator],
  readable: [creator, { permissions: reading, ...everybody }],
};

/** Discovery and registration by ZooKeeper. Throws `invalid_argument` for options that cannot be meant. */
export function zookeeperDiscoveryOn(runtime: Runtime, options: ZooKeeperDiscoveryOptions = {}): EngineDiscovery {
  const { coalesceMs = 10, maxEndpoints = 100_000 } = options;
  const { session, servers, prefix, acl } = openZooKeeper(runtime, options);
  /** Who entered a path last in this process. */
  const registrants = new Map<string, string>();

  return engineDiscovery(runtime, {
    name: `ZooKeeper at ${servers.join(",")}`,
    async follow(name, view, signal) {
      const link = await abortable(session.attached(), signal);
      if (link === undefined) return;
      await followPath(runtime, link, namePath(prefix, name), view, signal,
        { coalesceMs, maxEndpoints });
    },
    async hold({ name, endpoint, registrant }, held, signal) {
      const path = `${namePath(prefix, name)}/${escapeStep(endpoint.id)}`;
      const data = new TextEncoder().encode(encodeEntry(endpoint));
      registrants.set(path, registrant);
      const isOurs = (): boolean => registrants.get(path) === registrant;
      try {
        await holdNode(session, { path, data, acl }, isOurs, held, signal);
      } finally {
        if (isOurs()) registrants.delete(path);
      }
    },
    close: () => session.close(),
  }, options);
}

export interface ZooKeeperAccess {
  readonly session: Session;
  readonly servers: readonly string[];
  readonly prefix: string;
  readonly acl: Acl;
}

/** What every driver of ZooKeeper begins with. Throws `invalid_argument` for options that cannot be meant. */
export function openZooKeeper(runtime: Runtime, options: ZooKeeperOptions): ZooKeeperAccess {
  const { ttlMs = 4_000, silentMs = 2_000, connectTimeoutMs = 1_000, maxFrameBytes = 4 << 20 } = options;
  const { servers, chroot } = readServers(options.address ?? "127.0.0.1:2181");
  const prefix = chroot + checkPrefix(options.prefix ?? "/meridian");
  checkTtl(ttlMs);
  checkMs({ silentMs, connectTimeoutMs });
  const acl = acls[options.acl ?? (options.auth === undefined ? "open" : "creator")];
  if (options.auth === undefined && acl !== acls.open) {
    throw new RpcError("invalid_argument", `acl "${options.acl}" is about credentials: give some (option \`auth\`)`);
  }
  const session = new Session(runtime, {
    servers, sessionTimeoutMs: ttlMs, silentMs, connectTimeoutMs, maxFrameBytes,
    security: options.security, credentials: options.auth,
  });
  return { session, servers, prefix, acl };
}

function checkMs(times: Readonly<Record<string, number>>): void {
  for (const [name, ms] of Object.entries(times)) {
    if (ms >= 10 && ms <= 600_000) continue;
    throw new RpcError("invalid_argument", `${name} is ${ms}, expected milliseconds from 10 to 600000`);
  }
}

const serverPattern = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/[\],]+)(?::(\d{1,5}))?$/;

function readServers(given: string | readonly string[]): { servers: readonly string[]; chroot: string } {
  const slash = typeof given === "string" ? given.indexOf("/") : -1;
  const chroot = typeof given === "string" && slash !== -1 ? checkPrefix(given.slice(slash)) : "";
  const list = typeof given === "string" ? (slash === -1 ? given : given.slice(0, slash)).split(",") : given;
  const servers = list.map((server) => {
    const [, port] = serverPattern.exec(server) ?? refuse(server);
    if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) refuse(server);
    return port === undefined ? `${server}:2181` : server;
  });
  if (servers.length === 0) throw new RpcError("invalid_argument", "address is empty; name one at least");
  return { servers, chroot };
}

function refuse(server: string): never {
  throw new RpcError("invalid_argument", `${JSON.stringify(server.slice(0, 64))} is no server of ZooKeeper; ` +
    "expected host:port");
}
