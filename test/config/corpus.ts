/** Configurations that are right, and ways to make them wrong. */
import type { Random } from "../../src/core/index.ts";

export const full = `# yaml-language-server: $schema=./node_modules/meridian-rpc/meridian.schema.json
region: eu-west
discovery:
  static:
    calc.v1.Calculator:
      - { address: "server:1", region: eu-west, zone: a, weight: 2 }
      - { address: "other:1", region: us-east, backup: true, priority: 1, attributes: { version: "2" } }
regions:
  eu-west: { latitude: 53.3, longitude: -6.2, roundTripMs: { us-east: 80 }, routeKeys: "eu-*" }
  us-east: { latitude: 39.0, longitude: -77.5, drained: false }
residency:
  - { service: "calc.*", routeKey: ["eu-*"], regions: [eu-west] }
server: { graceMs: 1000, limits: { maxInFlight: 500 } }
servers:
  a:
    module: ./server.ts
    region: eu-west
    zone: a
    port: 7001
    weight: 10
    attributes: { version: "1" }
    admission: { room: 16 }
    replay: { maxBytes: 1000000 }
    tls: { certFile: cert.pem, keyFile: key.pem, minVersion: TLSv1.3 }
  b: { module: ./server.ts, region: us-east, backup: true, wires: { avro: false } }
gateways:
  main:
    region: eu-west
    host: gateway
    port: 1
    limits: { maxInFlight: 1000, maxConnections: 200 }
    timing: true
    rules:
      - name: canary
        match: { service: "calc.v1.*", method: sub, hashPercent: 5 }
        to: { attributes: { version: "2" }, fallback: true }
      - { name: shut, match: { metadata: { x-old: "*" } }, to: { reject: { code: unavailable, message: gone } } }
client:
  timeoutMs: 2000
  retry: { maxAttempts: 3, codes: [unavailable], backoff: { initialMs: 10, maxMs: 100 }, budget: { ratio: 0.2 } }
  hedge: { quantile: 0.95, ratio: 0.05 }
  picker: { peakEwma: { decayMs: 5000 } }
  outliers: { consecutiveFailures: 7 }
  throttle: false
  regions: { holdDownMs: 100, rampMs: 1000, spillAtUtilisation: 0.8 }
  probes: { kind: tcp, intervalMs: 60000 }
services:
  calc.v1.Calculator:
    client: { picker: roundRobin, slowStart: false }
    methods:
      add: { timeoutMs: 500, retry: { maxAttempts: 2 }, hedge: false }
      sub: { retry: false, idempotent: false }
telemetry: { log: { level: warning, calls: failed, slowMs: 1000 } }
`;

export const small = `region: eu-west
discovery: { static: { calc.v1.Calculator: [{ address: "server:1", region: eu-west }] } }
gateways: { main: { host: gateway, port: 1 } }
client: &usual { timeoutMs: 1000, retry: { maxAttempts: 2 } }
services: { calc.v1.Calculator: { client: { retry: { maxAttempts: 5 } } } }
`;

export const inJson = JSON.stringify({
  region: "eu-west",
  discovery: { static: { "calc.v1.Calculator": [{ address: "server:1", region: "eu-west" }] } },
  regions: { "eu-west": {}, "us-east": { drained: true } },
  gateways: { main: { host: "gateway", port: 1, rules: [], limits: { maxInFlight: 100 } } },
  client: { picker: "leastRequests", hedge: false, retry: false },
  services: { "calc.v1.Calculator": { methods: { add: { timeoutMs: 250, retry: { maxAttempts: 3 } } } } },
}, undefined, 1);

/** Who may call what. */
export const secured = `security:
  token: { file: token, name: operator }
  mtls: true
  rules:
    - { name: operators, who: { name: operator }, service: calc.v1.Calculator }
`;

/** Engines, of which a running process has one: for the checker alone. */
export const engines = [
  "discovery: { registry: { address: 127.0.0.1:7600, ttlMs: 3000 } }\n",
  "discovery: { file: { path: services.yaml } }\n",
  "discovery: { dns: { domain: example.com, servers: [10.0.0.2], texts: true, negative: always } }\n",
  "discovery: { consul: { address: 127.0.0.1:8500, tokenFile: token, tags: [a], consistency: stale } }\n",
  "discovery: { etcd: { address: [a:2379, b:2379], user: me, password: '${env:SECRET}', tls: { caFile: ca } } }\n",
  "discovery: { zookeeper: { address: a:2181, user: me, passwordFile: p, acl: readable } }\n",
  "discovery: { redis: { url: 'redis://me@127.0.0.1:6379/1', passwordFile: p, prefix: m } }\n",
  "discovery: { kubernetes: { namespace: shop, services: { geo.v1.Cities: cities.shop:7001 } } }\n",
  "registry: { host: 127.0.0.1, port: 7601, maxNames: 10 }\n",
  "client: { protocol: grpc, codec: json, tls: { caFile: ca }, view: false, failover: { groups: { by: [zone] } } }\n",
  "client: { view: { subset: { clientId: me }, guard: false }, picker: { prequal: { probesPerCall: 2 } } }\n",
  "gateways: { g: { region: a, rulesFile: r.yaml, upstream: { protocol: connect }, contracts: [./c.ts] } }\n",
];

export const valid = [full, small, inJson];

type Mutate = (text: string, random: Random) => string;

const lines = (text: string): string[] => text.split("\n");
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T;
const at = (random: Random, length: number): number => Math.floor(random.next() * Math.max(1, length));

const words = [
  "null", "true", "false", "0", "-1", "1e999", "-.inf", ".nan", "9007199254740993", "1e308", "0x10", "0.1", "''",
  "[]", "{}", "[1, 2]", "{ a: 1 }", "500ms", "2s", "\"3\"", "~", "!!binary aGk=", "!!js/function x", "*usual", "&x",
  "${env:HOME}", "__proto__", "constructor", "\u0000", "\ud800", "ä€😀", "x".repeat(5_000), "1".repeat(400),
];

/** What files suffer from people, editors, disks and whoever means harm. */
export const mutations: Readonly<Record<string, Mutate>> = {
  misspell(text, random) {
    const keys = [...text.matchAll(/[A-Za-z]{3,}(?=["']?:)/g)];
    const { index, 0: key } = pick(random, keys);
    const i = at(random, key.length);
    const wrong = pick(random, [
      key.slice(0, i) + key.slice(i + 1), key.slice(0, i) + pick(random, "aeXz".split("")) + key.slice(i), `${key}s`,
      key.toUpperCase(), key.slice(0, 1) + key.slice(2, 3) + key.slice(1, 2) + key.slice(3),
      "__proto__", "password", "key",
    ]);
    return text.slice(0, index) + wrong + text.slice(index + key.length);
  },
  retype(text, random) {
    const values = [...text.matchAll(/(?<=: )[^\s,{}[\]]+/g)];
    const { index, 0: value } = pick(random, values);
    return text.slice(0, index) + pick(random, words) + text.slice(index + value.length);
  },
  number(text, random) {
    const values = [...text.matchAll(/\b\d+(?:\.\d+)?\b/g)];
    const { index, 0: value } = pick(random, values);
    const others = ["0", "1", "2", "-5", "65536", "99999999999999999999", "1e400", "0.5", "7", "1500", "1_000"];
    const other = pick(random, others);
    return text.slice(0, index) + other + text.slice(index + value.length);
  },
  dropLines(text, random) {
    const all = lines(text);
    all.splice(at(random, all.length), 1 + at(random, 3));
    return all.join("\n");
  },
  repeatLines(text, random) {
    const all = lines(text);
    const from = at(random, all.length);
    all.splice(at(random, all.length), 0, ...all.slice(from, from + 1 + at(random, 4)));
    return all.join("\n");
  },
  indent(text, random) {
    const all = lines(text);
    const i = at(random, all.length);
    all[i] = pick(random, ["\t", "  ", "    ", " "]) + (all[i] ?? "");
    return all.join("\n");
  },
  garble(text, random) {
    let garbled = text;
    for (let n = 1 + at(random, 8); n > 0; n--) {
      const i = at(random, garbled.length);
      const marks = "{}[]:,#&*!|>'\"%@`-?\t\r\n".split("");
      const put = random.next() < 0.5 ? String.fromCharCode(at(random, 256)) : pick(random, marks);
      garbled = garbled.slice(0, i) + put + garbled.slice(i + at(random, 3));
    }
    return garbled;
  },
  cut: (text, random) => text.slice(0, at(random, text.length)),
  swap(text, random) {
    const all = lines(text);
    const [i, j] = [at(random, all.length), at(random, all.length)];
    [all[i], all[j]] = [all[j] ?? "", all[i] ?? ""];
    return all.join("\n");
  },
  splice: (text, random) => text.slice(0, at(random, text.length)) + pick(random, valid).slice(at(random, 200)),
  deep(text, random) {
    const depth = pick(random, [20, 150, 5_000]);
    const nest = pick(random, [
      `${"[".repeat(depth)}${"]".repeat(depth)}`, `${"{ a: ".repeat(depth)}1${" }".repeat(depth)}`, "- ".repeat(depth),
      Array.from({ length: Math.min(depth, 400) }, (_, i) => `\n${" ".repeat(i + 4)}a:`).join(""),
    ]);
    const values = [...text.matchAll(/(?<=: )[^\s,{}[\]]+/g)];
    const { index, 0: value } = pick(random, values);
    return text.slice(0, index) + nest + text.slice(index + value.length);
  },
  bomb(text, random) {
    const levels = 3 + at(random, 8);
    const bomb = Array.from({ length: levels }, (_, i) =>
      `x${i}: &x${i} [${(i === 0 ? "lol" : `*x${i - 1}`).concat(",").repeat(9).slice(0, -1)}]`);
    return `${bomb.join("\n")}\n${text}${random.next() < 0.5 ? `\nregion: *x${levels - 1}\n` : ""}`;
  },
  secret: (text, random) => text + pick(random, [
    "\nadminToken: hunter2\n", "\nservices: { a.B: { client: { tls: { key: hunter2 } } } }\n",
    "\nregistry: { password: hunter2 }\n", "\ntelemetry: { token: hunter2 }\n",
  ]),
};

/** A file that suffered once, or a few times. */
export function mutated(random: Random): { readonly text: string; readonly how: string } {
  let text = pick(random, valid);
  const how: string[] = [];
  for (let n = random.next() < 0.7 ? 1 : 1 + at(random, 4); n > 0; n--) {
    const name = pick(random, Object.keys(mutations));
    how.push(name);
    try {
      text = (mutations[name] as Mutate)(text, random);
    } catch {
      // There was nothing left to suffer so.
    }
  }
  return { text, how: how.join() };
}
