import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfig, type ConfigReading, describeFault, readConfig, variableOf } from "./index.ts";

function faultsOf(reading: ConfigReading): string[] {
  assert.ok(!reading.ok, "it was taken");
  return reading.faults.map(describeFault);
}

test("faults are told all at once: line, column, keys, what was expected, found and probably meant", () => {
  const reading = readConfig([
    "servrs: {}", "client:", "  timeotMs: 5", "  timeout: 5", "  retry: { maxAttempts: '3' }", "  picker: leastRequest",
    "services:", "  calc.v1.Calculator: { methods: { add: { timeoutMs: 2s } } }",
    "gateways: { eu: { port: 70000, region: eu, rules: [{ name: a, to: { region: x } }] } }", "region:",
  ].join("\n"));
  assert.deepEqual(faultsOf(reading), [
    'meridian.yaml:1:1: servrs: unknown key "servrs"; did you mean "servers"?',
    'meridian.yaml:3:3: client.timeotMs: unknown key "timeotMs"; did you mean "timeoutMs"?',
    'meridian.yaml:4:3: client.timeout: unknown key "timeout"; did you mean "timeoutMs"?',
    "meridian.yaml:5:25: client.retry.maxAttempts: expected a whole number from 1 to 5, found \"3\"; write 3, " +
      "without quotes or unit",
    "meridian.yaml:6:11: client.picker: expected one of leastRequests, peakEwma, errorAware, leastDelay, prequal, " +
      "c3, dynamicWeighted, consistentHash, roundRobin, random, weightedRandom, smoothWeighted, found " +
      '"leastRequest"; did you mean "leastRequests"?',
    'meridian.yaml:8:54: services["calc.v1.Calculator"].methods.add.timeoutMs: expected a number of milliseconds ' +
      'from 1 to 86400000, found "2s"; write 2000, without quotes or unit',
    "meridian.yaml:9:25: gateways.eu.port: expected a whole number from 0 to 65535, found the number 70000",
    'meridian.yaml:9:69: gateways.eu.rules[0].to.region: unknown key "region"; did you mean "regions"? (rule "a")',
    'meridian.yaml:10:8: region: expected a name of letters, digits, "-", "_" and "." (at most 128), found nothing; ' +
      "write a value, or leave the key out",
  ].sort((a, b) => Number(a.split(":")[1]) - Number(b.split(":")[1])));
});

test("twenty faults are told of a thousand, and how many there are", () => {
  const reading = readConfig(Array.from({ length: 1_000 }, (_, i) => `key${i}: 1`).join("\n"));
  assert.ok(!reading.ok);
  assert.deepEqual([reading.faults.length, reading.count], [20, 1_000]);
});

test("parts that do not fit together are told where they stand", () => {
  const lines = faultsOf(readConfig([
    "regions: { eu-west: { latitude: 5 }, us-east: {} }", "servers:", "  a: { region: eu-wst, port: 7001 }",
    "  b: { region: us-east, port: 7001, plaintext: true }", "gateways: { g: { port: 1 } }",
    "client: { hedge: { delayMs: 5, quantile: 0.9 }, tls: { certFile: x } }",
    "discovery: { etcd: { user: me } }",
  ].join("\n")));
  assert.deepEqual(lines, [
    "meridian.yaml:4:31: servers.b.port: 127.0.0.1:7001 is the address of servers.a already",
    'meridian.yaml:3:16: servers.a.region: there is no region "eu-wst" in `regions`; did you mean "eu-west"?',
    "meridian.yaml:1:21: regions.eu-west: give both latitude and longitude, or neither",
    "meridian.yaml:4:6: servers.b: `plaintext` says what is served besides TLS, but there is no `tls`",
    "meridian.yaml:5:16: gateways.g: a gateway needs a `region`, its own or that of the whole",
    "meridian.yaml:7:20: discovery.etcd: give both `user` and a password (`passwordFile`), or neither",
    "meridian.yaml:6:29: client.hedge.delayMs: a fixed delay and a quantile contradict each other",
    "meridian.yaml:6:54: client.tls: a certificate and its key belong together: `keyFile` is missing",
  ].map((line) => line.replace("regions.eu-west", 'regions["eu-west"]')));
});

test("secrets stand in files or in the environment, and nobody repeats one that does not", () => {
  const lines = faultsOf(readConfig([
    "discovery: { etcd: { user: me, password: hunter2 } }", "server: { tls: { certFile: c, key: hunter2 } }",
    "admin: { tokn: hunter2 }", "registry: { token: hunter2 }",
  ].join("\n"))).join("\n");
  assert.ok(!lines.includes("hunter2"), lines);
  assert.match(lines, /etcd\.password: a secret does not belong in this file: write `password: \$\{env:NAME\}`, or/);
  assert.match(lines, /server\.tls\.key: unknown key "key": what it holds stands in a file of its own; write `keyFile/);
  const url = faultsOf(readConfig("discovery: { redis: { url: 'redis://me:hunter2@host:1' } }")).join();
  assert.ok(!url.includes("hunter2"), url);
  assert.ok(readConfig("discovery: { etcd: { user: me, password: '${env:PASSWORD}' } }").ok);
});

test("an empty file is refused, and one that is being written; `{}` says nothing and is taken", () => {
  for (const text of ["", "\n# nothing\n", "client:\n  timeoutMs: 5\n  retry: {", "- a\n", "5"]) {
    assert.ok(!readConfig(text).ok, JSON.stringify(text));
  }
  assert.deepEqual(readConfig("{}"), { ok: true, config: {} });
});

test("texts that mean harm are refused in no time", () => {
  const bomb = `a: &a [${"x,".repeat(9)}]\n${"bcdefghi".split("").map((letter, i) =>
    `${letter}: &${letter} [${`*${"abcdefghi"[i]},`.repeat(9)}]`).join("\n")}`;
  for (const text of [bomb, "[".repeat(100_000), `client: ${"{ a: ".repeat(5_000)}`, "- ".repeat(50_000),
    `client: { timeoutMs: ${"9".repeat(100_000)} }`, "x".repeat(2_000_000), "\0".repeat(1_000), "\t: {",
    "__proto__: {}"]) {
    const reading = readConfig(text);
    assert.ok(!reading.ok, text.slice(0, 40));
    assert.ok(reading.faults.every(({ line, why }) => line !== undefined && why !== "" && why.length < 2_000));
  }
  assert.equal(({} as Record<string, unknown>)["timeoutMs"], undefined);
});

test("variables stand above the file, typed by the schema; what is wrong with one names it", () => {
  const text = "servers: { my-calc: { weight: 1 } }\nclient: { retry: { maxAttempts: 2 } }\n" +
    "gateways: { g: { region: a } }";
  const reading = readConfig(text, { environment: {
    MERIDIAN_REGION: "us-east", MERIDIAN_CLIENT__TIMEOUT_MS: "500", MERIDIAN_SERVERS__MY_CALC__BACKUP: "true",
    MERIDIAN_CLIENT__RETRY__MAX_ATTEMPTS: "4", MERIDIAN_CLIENT__HEDGE: "false",
    MERIDIAN_GATEWAYS__G__RULES: "[{ name: a, to: { regions: [b] } }]",
    MERIDIAN_PORT: "tcp://10.0.0.1:80", MERIDIAN_SERVICE_HOST: "10.0.0.1", OTHER: "x",
  } });
  assert.ok(reading.ok);
  assert.deepEqual(reading.config, {
    region: "us-east", servers: { "my-calc": { weight: 1, backup: true } },
    client: { retry: { maxAttempts: 4 }, timeoutMs: 500, hedge: false },
    gateways: { g: { region: "a", rules: [{ name: "a", to: { regions: ["b"] } }] } },
  });
  assert.deepEqual(faultsOf(readConfig(text, { environment: {
    MERIDIAN_CLIENT__TIMEUT_MS: "5", MERIDIAN_CLIENT__TIMEOUT_MS: "soon", MERIDIAN_SERVERS__OTHER__WEIGHT: "2",
    MERIDIAN_REGISTRY__PORT: "-1", MERIDIAN_CLIENT__TIMEOUT_MS__X: "1", MERIDIAN_DISCOVERY__ETCD__PASSWORD: "hunter2",
  } })), [
    'MERIDIAN_CLIENT__TIMEOUT_MS: client.timeoutMs: expected a number of milliseconds from 1 to 86400000, found "soon"',
    "MERIDIAN_CLIENT__TIMEOUT_MS__X: client.timeoutMs: there is nothing beneath it: expected a number of " +
      "milliseconds from 1 to 86400000",
    "MERIDIAN_CLIENT__TIMEUT_MS: client: MERIDIAN_CLIENT__TIMEUT_MS names no key that there is; " +
      "did you mean MERIDIAN_CLIENT__TIMEOUT_MS?",
    "MERIDIAN_DISCOVERY__ETCD__PASSWORD: discovery.etcd.password: write `password: ${env:NAME}` in the file, " +
      "with the variable's name",
    "MERIDIAN_REGISTRY__PORT: registry.port: expected a whole number from 1 to 65535, found the number -1",
    "MERIDIAN_SERVERS__OTHER__WEIGHT: servers: MERIDIAN_SERVERS__OTHER__WEIGHT names no key that there is; " +
      "a variable changes what the file names",
  ]);
  assert.equal(variableOf(["services", "calc.v1.Calculator", "methods", "add", "timeoutMs"]),
    "MERIDIAN_SERVICES__CALC_V1_CALCULATOR__METHODS__ADD__TIMEOUT_MS");
});

test("in a module, faults have the lines of their keys, and of the nearest key where they come from elsewhere", () => {
  const source = [
    'import { defineConfig } from "meridian-rpc/config";', "// client: { timeoutMs: 1 }",
    "const more = { weight: -1 };",
    "export default defineConfig({", '  region: "eu",', "  client: {", '    timeoutMs: "5", // soon', "  },",
    "  servers: { a: more },", '  residency: [{ regions: ["x"] }, { regions: [] }],', "});",
  ].join("\n");
  const value = {
    region: "eu", client: { timeoutMs: "5" }, servers: { a: { weight: -1 } },
    residency: [{ regions: ["x"] }, { regions: [] }],
  };
  assert.deepEqual(faultsOf(checkConfig(value, { path: "meridian.config.ts", source })).map((line) =>
    line.split(" ").slice(0, 2).join(" ")), [
    "meridian.config.ts:9:14: servers.a.weight:", "meridian.config.ts:7:5: client.timeoutMs:",
    "meridian.config.ts:10:37: residency[1].regions:",
  ].sort((a, b) => order(a) - order(b)));
  assert.match(faultsOf(checkConfig(undefined, { source })).join(), /expected the configuration/);
  assert.match(faultsOf(checkConfig({ client: { timeoutMs: () => 5 } })).join(), /timeoutMs: expected a number/);
});

/** Faults come in the order of the value's keys. */
function order(line: string): number {
  return ["client", "servers", "residency"].findIndex((key) => line.includes(` ${key}`));
}
