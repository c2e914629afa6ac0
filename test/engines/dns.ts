/** DNS as an engine under test: bind, whose zone is changed by dynamic update (RFC 2136), as its operators do. */
import { execFile } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endpointAddress, type EndpointFields } from "../../src/core/endpoint.ts";
import { dnsDiscovery } from "../../src/discovery/dns/index.ts";
import { lacking, path } from "../peers/programs.ts";
import { type EngineProgram, type EngineProcess, startEngine } from "./engine-process.ts";
import type { EngineUnderTest } from "./harness.ts";

export const zone = "meridian.test";

/** Time to live of everything in the zone, and of its negative answers. */
const defaultTtlSeconds = 1;

const config = (port: number, folder: string): string => `
options {
  directory "${folder}"; pid-file none; session-keyfile none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; minimal-responses no; allow-transfer { none; }; notify no; empty-zones-enable no;
  max-records-per-type 0;
};
controls {};
zone "${zone}" { type master; file "zone"; allow-update { 127.0.0.1; }; };
`;

const emptyZone = `$TTL ${defaultTtlSeconds}
@ IN SOA ns hostmaster ( 1 3600 600 86400 ${defaultTtlSeconds} )
@ IN NS ns
ns IN A 127.0.0.1
`;

const bind: EngineProgram = {
  name: "bind",
  command(port, folder) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "named.conf"), config(port, folder));
    if (!existsSync(join(folder, "zone"))) writeFileSync(join(folder, "zone"), emptyZone);
    return ["named", "-g", "-n", "1", "-c", join(folder, "named.conf")];
  },
  async answers(port) {
    const resolver = new Resolver({ timeout: 500, tries: 1 });
    resolver.setServers([`127.0.0.1:${port}`]);
    return (await resolver.resolveSoa(zone)).nsname === `ns.${zone}`;
  },
};

export const startBind = (): Promise<EngineProcess> => startEngine(bind);

export const dns: EngineUnderTest = {
  name: "bind",
  missing: lacking("named", "nsupdate") || undefined,
  start: startBind,
  discovery: ({ address }, { observer } = {}) =>
    dnsDiscovery({ servers: [address], domain: zone, texts: true, observer, family: "both" }),
  async enter({ address }, name, endpoints) {
    await update(address, serviceRecords(name, endpoints));
  },
};

/** Hosts of a large set do not change within seconds: only its SRV records do. */
const largeSet = 100;
const largeSetTtlSeconds = 60;
/** Commands that surely fit into one message. */
const commandsAtOnce = 300;

/** Commands of nsupdate that replace all that a service has, in messages of which the last makes the change. */
export function serviceRecords(
  name: string, endpoints: readonly EndpointFields[], ttlSeconds: number = defaultTtlSeconds,
): string[][] {
  const owner = `_${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}._tcp.${zone}`;
  const hostTtlSeconds = endpoints.length < largeSet ? ttlSeconds : largeSetTtlSeconds;
  const hosts: string[] = [];
  const services = [`update delete ${owner} SRV`];
  for (const fields of endpoints) {
    const { address, priority, weight } = endpointAddress(fields);
    const [, host = "", port = ""] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
    const target = `h-${host.replaceAll(/[^0-9a-f]/g, "x")}-${port}.${zone}`;
    const texts = textsOf(fields);
    hosts.push(`update delete ${target}`,
      `update add ${target} ${hostTtlSeconds} ${host.includes(":") ? "AAAA" : "A"} ${host}`,
      ...(texts.length === 0 ? [] : [`update add ${target} ${hostTtlSeconds} TXT ${texts.join(" ")}`]));
    services.push(`update add ${owner} ${ttlSeconds} SRV ${priority} ${Math.floor(weight)} ${port} ${target}.`);
  }
  const messages: string[][] = [];
  for (let i = 0; i < hosts.length; i += commandsAtOnce) messages.push(hosts.slice(i, i + commandsAtOnce));
  return [...messages, services];
}

/** `"region=eu-west"` and so on: what SRV cannot say. */
export function textsOf({ id, region, zone: part, backup, weight = 1, attributes }: EndpointFields): string[] {
  const said = { id, region, zone: part, backup, weight: Number.isInteger(weight) ? undefined : weight, ...attributes };
  return Object.entries(said).flatMap(([key, value]) =>
    (value === undefined ? [] : [JSON.stringify(`${key}=${String(value)}`)]));
}

/** Runs messages of commands of nsupdate. */
export function update(address: string, messages: readonly (readonly string[])[]): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = execFile("nsupdate", ["-v", "-t", "20"], { env: { ...process.env, PATH: path }, timeout: 30_000 },
    (error, _, complaint) => (error === null ? resolve() : reject(new Error(`nsupdate: ${complaint}`))));
  const commands = messages.flatMap((message) => [...message, "send"]);
  child.stdin?.end([`server ${host} ${port}`, `zone ${zone}`, ...commands, ""].join("\n"));
  return promise;
}
