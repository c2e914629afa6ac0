/** What no single key tells: whether the parts of a configuration fit together. */
import { nearest } from "../discovery/nearest.ts";
import type { Place } from "../discovery/services.ts";
import type { Config } from "./config.ts";
import type { Faults } from "./fault.ts";

/** Tells what does not fit, of a configuration whose keys are right each for itself. */
export function checkMeaning(config: Config, faults: Faults): void {
  checkPorts(config, faults);
  checkRegions(config, faults);
  checkServers(config, faults);
  checkGateways(config, faults);
  checkDiscovery(config, faults);
  checkPolicy(config.client, ["client"], faults);
  if (config.client?.tls !== undefined) checkPair(config.client.tls, ["client", "tls"], faults);
  for (const [name, { client }] of Object.entries(config.services ?? {})) {
    checkPolicy(client, ["services", name, "client"], faults);
  }
}

/** Two of one machine cannot listen at one address. */
function checkPorts(config: Config, faults: Faults): void {
  const taken = new Map<string, string>();
  const take = (host: string, port: number | undefined, place: Place): void => {
    if (port === undefined || port === 0) return;
    const address = `${host}:${port}`;
    const first = taken.get(address);
    if (first === undefined) taken.set(address, place.slice(0, -1).join("."));
    else faults.add(place, { why: `${address} is the address of ${first} already` });
  };
  const { registry = {}, server = {}, servers = {}, gateways = {} } = config;
  take(registry.host ?? "127.0.0.1", registry.port, ["registry", "port"]);
  for (const [name, one] of Object.entries(servers)) {
    take(one.host ?? server.host ?? "127.0.0.1", one.path === undefined ? one.port ?? server.port : undefined,
      ["servers", name, "port"]);
  }
  for (const [name, one] of Object.entries(gateways)) {
    take(one.host ?? "127.0.0.1", one.path === undefined ? one.port : undefined, ["gateways", name, "port"]);
  }
}

/** Where `regions` names them, nobody else is meant: a name that is misspelt would be a region of its own. */
function checkRegions(config: Config, faults: Faults): void {
  const { regions, servers = {}, gateways = {}, residency = [] } = config;
  if (regions === undefined || Object.keys(regions).length === 0) return;
  const known = Object.keys(regions);
  const mustKnow = (region: string | undefined, place: Place): void => {
    if (region === undefined || known.includes(region)) return;
    const meant = nearest(region.slice(0, 64), known);
    const hint = meant === undefined ? `; regions are ${known.slice(0, 20).join(", ")}` : `; did you mean "${meant}"?`;
    faults.add(place, { why: `there is no region ${JSON.stringify(region)} in \`regions\`${hint}`, meant });
  };
  mustKnow(config.region, ["region"]);
  mustKnow(config.server?.region, ["server", "region"]);
  for (const [name, { region }] of Object.entries(servers)) mustKnow(region, ["servers", name, "region"]);
  for (const [name, { region }] of Object.entries(gateways)) mustKnow(region, ["gateways", name, "region"]);
  residency.forEach((rule, index) => rule.regions.forEach((region, i) =>
    mustKnow(region, ["residency", index, "regions", i])));
  config.client?.regions?.order?.forEach((region, i) => mustKnow(region, ["client", "regions", "order", i]));
  for (const [name, { roundTripMs = {}, latitude, longitude }] of Object.entries(regions)) {
    for (const other of Object.keys(roundTripMs)) mustKnow(other, ["regions", name, "roundTripMs", other]);
    if ((latitude === undefined) !== (longitude === undefined)) {
      faults.add(["regions", name], { why: "give both latitude and longitude, or neither" });
    }
  }
}

function checkServers(config: Config, faults: Faults): void {
  const { server = {}, servers = {} } = config;
  for (const [name, one] of Object.entries(servers)) {
    if ((one.plaintext ?? server.plaintext) === true && (one.tls ?? server.tls) === undefined) {
      faults.add(["servers", name], { why: "`plaintext` says what is served besides TLS, but there is no `tls`" });
    }
    if (one.path !== undefined && (one.port !== undefined || one.host !== undefined)) {
      faults.add(["servers", name, "path"],
        { why: "a socket has no host and port: give `path`, or `host` and `port`" });
    }
  }
}

function checkGateways(config: Config, faults: Faults): void {
  for (const [name, one] of Object.entries(config.gateways ?? {})) {
    const place: Place = ["gateways", name];
    if ((one.region ?? config.region) === undefined) {
      faults.add(place, { why: "a gateway needs a `region`, its own or that of the whole" });
    }
    if (one.rules !== undefined && one.rulesFile !== undefined) {
      faults.add([...place, "rulesFile"], { why: "the rules are written here already: give `rules` or `rulesFile`" });
    }
    if (one.upstream?.tls !== undefined) checkPair(one.upstream.tls, [...place, "upstream", "tls"], faults);
    if (one.upstream?.protocol === "thrift" || one.upstream?.protocol === "avro") {
      if (one.upstream.codec !== undefined) {
        const { protocol } = one.upstream;
        faults.add([...place, "upstream", "codec"], { why: `${protocol} has a codec of its own: leave \`codec\` out` });
      }
      if ((one.contracts ?? []).length === 0) {
        faults.add([...place, "upstream", "protocol"],
          { why: `calls become ${one.upstream.protocol} by their contracts: name their modules in \`contracts\`` });
      }
    }
    checkPolicy(one.client, [...place, "client"], faults);
  }
}

type Policy = NonNullable<Config["client"]>;

/** What contradicts itself within one policy. */
function checkPolicy(policy: Omit<Policy, "tls"> | undefined, place: Place, faults: Faults): void {
  const { hedge, retry, regions, outliers, picker, codec, protocol } = policy ?? {};
  const order = (below: Place, least: number | undefined, most: number | undefined, names: [string, string]): void => {
    if (least === undefined || most === undefined || least <= most) return;
    faults.add([...place, ...below, names[0]], { why: `it is ${least}, above ${names[1]}, which is ${most}` });
  };
  if (hedge) {
    order(["hedge"], hedge.leastDelayMs, hedge.mostDelayMs, ["leastDelayMs", "mostDelayMs"]);
    if (hedge.delayMs !== undefined && hedge.quantile !== undefined) {
      faults.add([...place, "hedge", "delayMs"], { why: "a fixed delay and a quantile contradict each other" });
    }
  }
  if (retry) order(["retry", "backoff"], retry.backoff?.initialMs, retry.backoff?.maxMs, ["initialMs", "maxMs"]);
  order(["regions"], regions?.holdDownMs, regions?.maxHoldDownMs, ["holdDownMs", "maxHoldDownMs"]);
  if (outliers) {
    const { baseEjectionMs, maxEjectionMs } = outliers;
    order(["outliers"], baseEjectionMs, maxEjectionMs, ["baseEjectionMs", "maxEjectionMs"]);
  }
  order([], policy?.reconnectMinMs, policy?.reconnectMaxMs, ["reconnectMinMs", "reconnectMaxMs"]);
  if (typeof picker === "object" && Object.keys(picker).length !== 1) {
    faults.add([...place, "picker"], { why: "name one picker" });
  }
  if ((protocol === "thrift" || protocol === "avro") && codec !== undefined) {
    faults.add([...place, "codec"], { why: `${protocol} has a codec of its own: leave \`codec\` out` });
  }
}

function checkPair(
  tls: { readonly certFile?: string | undefined; readonly keyFile?: string | undefined }, place: Place, faults: Faults,
): void {
  if ((tls.certFile === undefined) === (tls.keyFile === undefined)) return;
  const lacking = tls.certFile === undefined ? "certFile" : "keyFile";
  faults.add(place, { why: `a certificate and its key belong together: \`${lacking}\` is missing` });
}

function checkDiscovery({ discovery = {} }: Config, faults: Faults): void {
  const engines = discovery as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  for (const [engine, settings = {}] of Object.entries(engines)) {
    const place: Place = ["discovery", engine];
    for (const key of ["password", "token"]) {
      if (settings[key] === undefined || settings[`${key}File`] === undefined) continue;
      faults.add([...place, key], { why: `give \`${key}\` or \`${key}File\`, not both` });
    }
    const hasPassword = settings["password"] !== undefined || settings["passwordFile"] !== undefined;
    if ((engine === "etcd" || engine === "zookeeper") && hasPassword !== (settings["user"] !== undefined)) {
      faults.add(place, { why: "give both `user` and a password (`passwordFile`), or neither" });
    }
    const tls = settings["tls"] as { certFile?: string; keyFile?: string } | undefined;
    if (tls !== undefined) checkPair(tls, [...place, "tls"], faults);
  }
}
