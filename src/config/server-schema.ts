/** What a configuration may say of servers, gateways, regions and the registry. */
import { clientTls, codecs, patterns, policyFields, protocols } from "./client-schema.ts";
import {
  choice, flag, type ForeignSchema, group, list, map, ms, name, number, orFalse, path, refused, text, type Typed,
  type TypeOf, whole,
} from "./schema.ts";
import { readRules } from "../gateway/read-rules.ts";
import type { Rule } from "../gateway/rules.ts";

const restart = true;

const serverTls = group("tls", "TLS: our certificate, and whom we trust. Files are read again when they change.", {
  certFile: path("Our certificate and those between it and the authority, in PEM."),
  keyFile: path("Its key, in PEM."),
  caFile: path("The authorities that vouch for clients. Default: those that Node trusts."),
  clientCertificate: choice("Whether clients show a certificate. Default `none`.", ["none", "request", "require"]),
  minVersion: choice("Oldest version of TLS. Default `TLSv1.2`.", ["TLSv1.2", "TLSv1.3"]),
}, { restart, required: ["certFile", "keyFile"] });

const limits = group("limits", "What is taken on at most.", {
  maxInFlight: whole("Most calls handled at once; more are refused. Default 10,000.", { least: 1, most: 10_000_000 }),
  maxConnections: whole("Most connections; more are told so and closed. Default 10,000.", {
    least: 1, most: 10_000_000,
  }),
  maxMessageBytes: whole("Largest message. Default 4 MiB.", { least: 1_024, most: 2_000_000_000, restart }),
  openingTimeoutMs: ms("Time for a connection to become secure and to show what it speaks. Default 5,000.", {
    least: 1, restart,
  }),
});

const wires = group("wires", "What is spoken on the port, beside the native wire, gRPC, gRPC-Web and Connect.", {
  json: flag("Plain HTTP by paths. Default true.", { restart }),
  jsonRpc: flag("JSON-RPC 2.0. Default true.", { restart }),
  avro: flag("Avro's RPC by HTTP. Default true.", { restart }),
  thrift: flag("Thrift by HTTP. Default true.", { restart }),
  udp: flag("Datagrams for small calls, at the same port number. Default false.", { restart }),
}, { restart });

/** What servers and gateways share. */
const listening = {
  region: name("Where it is. Default: `region` of the whole.", { restart }),
  zone: name("A part of the region. Default: `zone` of the whole.", { restart }),
  host: text("The address to listen at. Default `127.0.0.1`: what the network shall reach must say so.", { restart }),
  port: whole("The port; 0 picks a free one. Default 0.", { most: 65_535, restart }),
  path: path("A Unix socket instead of host and port.", { restart }),
  advertise: text("The address to register instead, behind NAT or in containers.", { restart }),
  weight: number("Share of the traffic relative to its peers; 0 drains. Default 1.", { most: 1e9 }),
  backup: flag("Used only when no server that is not a backup is left. Default false."),
  priority: whole("Lower first; those of a higher number are used only as lower ones fail. Default 0.", {
    most: 1_000,
  }),
  attributes: map("Anything else, for rules and pickers: version, shard.", text("Text.", { maxChars: 4_096 }), {
    most: 64,
  }),
  limits,
  wires,
  tls: serverTls,
  plaintext: flag("With `tls`: whether connections without it are served as well. Default false.", { restart }),
  health: flag("Whether it says how it is, by `grpc.health.v1` and `GET /healthz`. Default true.", { restart }),
  reflection: flag("Whether it tells everybody what it serves, for tools. Default false.", { restart }),
  drainDelayMs: ms("On closing, how long it goes on serving after it said that it will not. Default 0."),
  graceMs: ms("On closing, how long calls in flight may take to end. Default 10,000."),
} as const;

/** What all servers have that do not say otherwise. */
const serverFields = {
  ...listening,
  admission: orFalse("Defence against overload; `false` for none but `limits`. Default on.",
    group("admission", "Defence against overload.", {
      room: whole("So many calls may always be at work. Default 32.", { least: 1, most: 1_000_000 }),
      levels: flag("Turning away at the door by criticality and user. Default true."),
      trustsCriticality: flag("Whether a call may raise its criticality above its method's. Default false."),
      maxLoopLagMs: ms("How late the event loop may run. Default 20.", { least: 1 }),
    }, { restart })),
  replay: orFalse("Answers repeats of keyed calls from the record of the first, in memory. Default none.",
    group("replay", "Records of keyed calls.", {
      retentionMs: ms("How long a record is kept. Default a day.", { least: 1_000, most: 31_536_000_000 }),
      waitMs: ms("How long a repeat waits for the first. Default 10,000."),
      maxBytes: whole("Most memory for records. Default 64 MiB.", { least: 131_072, most: 1e12 }),
      maxRecords: whole("Most records. Default 1,000,000.", { least: 1 }),
      withoutKey: choice("Keyed calls without a key. Default `run`.", ["run", "refuse"]),
    }, { restart })),
} as const;

export const serverDefaults = group("server", "What all of `servers` have that do not say otherwise.", serverFields);

export const serversSchema = map("Servers by name: what `meridian serve` and `meridian up` start.",
  group("a server", "One server.", {
    module: path("The module that says what is served: see `defineServer`.", { restart }),
    ...serverFields,
  }));

/** Rules as src/gateway reads them, wherever they stand. */
const rules: Typed<readonly Rule[]> & ForeignSchema = {
  kind: "foreign",
  doc: "Where calls go, as in docs/gateway.md: the first rule that matches a call decides.",
  json: {
    type: "array", maxItems: 1_000,
    items: {
      type: "object", required: ["name", "to"], additionalProperties: false,
      properties: { name: { type: "string" }, match: { type: "object" }, to: { type: "object" } },
    },
  },
  check(value, refuse) {
    readRules(value, [], (place, what, at) => {
      refuse(place, what, at);
      throw refused;
    });
  },
};

export const gatewaysSchema = map("Gateways by name: what `meridian gateway` and `meridian up` start.",
  group("a gateway", "One gateway.", {
    ...listening,
    gatewayName: name("The name under which gateways find each other. Default `meridian.gateway`.", { restart }),
    rules,
    rulesFile: path("A file of rules instead, watched by itself.", { restart }),
    client: group("client", "What it does in another way than other clients, towards all services.", policyFields),
    upstream: group("upstream", "How it speaks to servers.", {
      protocol: choice("Default `native`.", protocols),
      codec: choice("Default: that of the call, so that messages are not decoded.", codecs),
      tls: clientTls,
    }, { restart }),
    timing: flag("Whether replies say how long the server took, as `meridian-upstream-ms`. Default false.", {
      restart,
    }),
    contracts: list("Modules whose exports are contracts: to translate between codecs and read route keys by.",
      path("A module."), { most: 256, restart }),
  }));

export const regionsSchema = map("Regions by name.", group("a region", "One region.", {
  latitude: number("In degrees.", { least: -90, most: 90 }),
  longitude: number("In degrees.", { least: -180, most: 180 }),
  roundTripMs: map("Round trips to expect to other regions until they are measured, by their names.",
    ms("Milliseconds.", { most: 60_000 })),
  drained: flag("Takes all traffic off the region, by hand. Default false."),
  routeKeys: patterns,
}));

export const residencySchema = list("Which calls must not leave which regions; the first that matches decides.",
  group("a residency rule", "Calls that meet all conditions stay in these regions, whatever happens.", {
    service: patterns,
    method: patterns,
    routeKey: patterns,
    regions: list("Regions that they must not leave.", name("A region."), { least: 1, most: 64 }),
  }, { required: ["regions"] }));

export const registrySchema = group("registry", "Meridian's own registry: what `meridian registry` and `up` start.", {
  host: text("The address to listen at. Default `127.0.0.1`."),
  port: whole("The port. Default 7600.", { least: 1, most: 65_535 }),
  maxEndpoints: whole("Most servers over all names. Default 100,000.", { least: 1 }),
  maxNames: whole("Most names. Default 10,000.", { least: 1 }),
  maxWatches: whole("Most watches. Default 100,000.", { least: 1 }),
  settleMs: ms("How long after its start nothing is taken out on its word. Default 5,000."),
}, { restart });

const adminDoc = "The admin service, for `meridian top`, `why` and `drain`: of the process, and under `meridian up` " +
  "one for all processes. Default: none.";

export const adminSchema = group("admin", adminDoc, {
  host: text("The address to listen at. Default `127.0.0.1`; beyond, everybody needs the token."),
  port: whole("The port; 0 picks a free one. Default 7900.", { most: 65_535 }),
  tokenFile: path("The file of the operators' token, made if it is not there. Default `~/.meridian/admin-token`."),
}, { restart });

export type ServerSection = TypeOf<typeof serversSchema>[string];
export type GatewaySection = TypeOf<typeof gatewaysSchema>[string];
export type RegistrySection = TypeOf<typeof registrySchema>;
export type ServerTls = TypeOf<typeof serverTls>;
