// Which endpoints of which slices serve, and as what.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { endpointsOf, type MergeSettings } from "./endpoints.ts";
import { readSlice } from "./slice.ts";
import { targetOf } from "./target.ts";

const settings: MergeSettings = { region: "", port: undefined, zoneHints: undefined };

type Fields = Record<string, unknown>;

function slice(name: string, endpoints: unknown, more: Fields = {}): ReturnType<typeof readSlice> {
  return readSlice(name, {
    metadata: { name }, addressType: "IPv4", ports: [{ name: "", port: 7001, protocol: "TCP" }], endpoints, ...more,
  });
}

const pod = (last: number, conditions?: Fields, more: Fields = {}): Fields =>
  ({ addresses: [`10.0.0.${last}`], ...(conditions === undefined ? {} : { conditions }), ...more });

function addresses(slices: readonly ReturnType<typeof readSlice>[], more: Partial<MergeSettings> = {}): string[] {
  return endpointsOf(slices, { ...settings, ...more }).endpoints.map(({ address }) => address);
}

test("ready endpoints serve, and what is not said counts as ready", () => {
  const one = slice("one", [
    pod(1), pod(2, {}), pod(3, { ready: null, serving: null }), pod(4, { ready: true }), pod(5, { ready: false }),
    pod(6, { ready: false, serving: true, terminating: true }),
  ]);
  assert.deepEqual(addresses([one]), ["10.0.0.1:7001", "10.0.0.2:7001", "10.0.0.3:7001", "10.0.0.4:7001"]);
});

test("where nobody is ready, who ends but still serves goes on serving; who serves no more does not", () => {
  const ending = slice("one", [
    pod(1, { ready: false, serving: true, terminating: true }),
    pod(2, { ready: false, serving: false, terminating: true }),
    pod(3, { ready: false, serving: true, terminating: false }),
  ]);
  const { endpoints } = endpointsOf([ending], settings);
  assert.deepEqual(endpoints.map(({ address }) => address), ["10.0.0.1:7001"]);
  assert.equal(endpoints[0]?.attributes["terminating"], "true");
  assert.deepEqual(addresses([ending, slice("two", [pod(9)])]), ["10.0.0.9:7001"]);
});

test("an address in two slices counts once, as the one that is ready", () => {
  const ending = pod(1, { ready: false, serving: true, terminating: true });
  const [old, renewed] = [slice("old", [ending, pod(2)]), slice("new", [pod(1, { ready: true }, { zone: "b" })])];
  for (const slices of [[old, renewed], [renewed, old]]) {
    const { endpoints, faults } = endpointsOf(slices, settings);
    assert.deepEqual(endpoints.map(({ address, zone }) => address + zone).sort(), ["10.0.0.1:7001b", "10.0.0.2:7001"]);
    assert.deepEqual(faults, []);
  }
});

test("zone, node, pod and hints are told", () => {
  const { endpoints } = endpointsOf([slice("one", [pod(1, {}, {
    zone: "eu-west-1a", nodeName: "node-3", targetRef: { kind: "Pod", name: "cities-7d9" },
    hints: { forZones: [{ name: "eu-west-1a" }, { name: "eu-west-1b" }] },
  })])], { ...settings, region: "eu-west" });
  assert.deepEqual({ ...endpoints[0], attributes: { ...endpoints[0]?.attributes } }, {
    id: "10.0.0.1:7001", address: "10.0.0.1:7001", region: "eu-west", zone: "eu-west-1a", weight: 1, backup: false,
    priority: 0, attributes: { node: "node-3", pod: "cities-7d9", zoneHints: "eu-west-1a,eu-west-1b" },
  });
});

test("hints put the endpoints of other zones behind ours, but only where all have hints and one is for us", () => {
  const hint = (last: number, ...zones: string[]): Fields =>
    pod(last, {}, zones.length === 0 ? {} : { hints: { forZones: zones.map((name) => ({ name })) } });
  const priorities = (endpoints: Fields[], zoneHints?: string): number[] =>
    endpointsOf([slice("one", endpoints)], { ...settings, zoneHints }).endpoints.map(({ priority }) => priority);
  assert.deepEqual(priorities([hint(1, "a"), hint(2, "b"), hint(3, "a", "b")], "a"), [0, 1, 0]);
  assert.deepEqual(priorities([hint(1, "a"), hint(2, "b")], "c"), [0, 0], "nobody is for us");
  assert.deepEqual(priorities([hint(1, "a"), hint(2)], "a"), [0, 0], "one has none");
  assert.deepEqual(priorities([hint(1, "a"), hint(2, "b")]), [0, 0], "not asked for");
});

test("the port is the only one, or one of the known names, or the one that is asked for", () => {
  const ports = (...list: [string, number][]): Fields => ({ ports: list.map(([name, port]) => ({ name, port })) });
  const port = (more: Fields, wanted?: string | number): string =>
    endpointsOf([slice("one", [pod(1)], more)], { ...settings, port: wanted }).endpoints[0]?.address ??
    endpointsOf([slice("one", [pod(1)], more)], { ...settings, port: wanted }).faults[0]?.why ?? "";
  assert.equal(port(ports(["http", 8080])), "10.0.0.1:8080");
  assert.equal(port(ports(["metrics", 9090], ["rpc", 7002], ["grpc", 7001])), "10.0.0.1:7001");
  assert.equal(port(ports(["metrics", 9090], ["native", 7003], ["grpc", 7001])), "10.0.0.1:7003");
  assert.match(port(ports(["metrics", 9090], ["http", 80])), /several ports \(metrics=9090 http=80\) and none is/);
  assert.equal(port(ports(["metrics", 9090], ["http", 80]), "http"), "10.0.0.1:80");
  assert.equal(port(ports(["metrics", 9090], ["http", 80]), 9090), "10.0.0.1:9090");
  assert.match(port(ports(["http", 80]), "grpc"), /no port "grpc", but http=80/);
  assert.match(port(ports(["http", 80]), 81), /no port 81, but http=80/);
  assert.equal(port({ ports: null }, 7001), "10.0.0.1:7001", "a headless service without ports");
  assert.match(port({ ports: [] }), /names no port: give its number/);
});

test("marks are read of annotations and labels, annotations first", () => {
  const labels = { "meridian-rpc/weight": "3", "meridian-rpc/region": "eu-west", "meridian-rpc/service": "x", app: "" };
  const annotations = {
    "meridian-rpc/weight": "0.5", "meridian-rpc/backup": "true", "meridian-rpc/priority": "2",
    "meridian-rpc/attribute.version": "1.10", "kubectl.kubernetes.io/last-applied-configuration": "{}",
  };
  const { endpoints } = endpointsOf([slice("one", [pod(1)], { metadata: { labels, annotations } })],
    { ...settings, region: "us-east" });
  const [{ weight, region, backup, priority, attributes } = assert.fail()] = endpoints;
  assert.deepEqual([weight, region, backup, priority, { ...attributes }],
    [0.5, "eu-west", true, 2, { version: "1.10" }]);
  for (const [key, value, why] of [
    ["weight", "-1", /weight is "-1"; expected a number/], ["backup", "yes", /expected "true" or "false"/],
    ["priority", "1.5", /expected a whole number/], ["wieght", "1", /meridian-rpc\/wieght is unknown here/],
  ] as const) {
    const marked = slice("one", [pod(1)], { metadata: { annotations: { [`meridian-rpc/${key}`]: value } } });
    assert.match(marked.faults[0]?.why ?? "", why);
  }
  const two = slice("one", [pod(1), pod(2)], { metadata: { annotations: { "meridian-rpc/id": "x" } } });
  assert.match(two.faults[0]?.why ?? "", /id is for a slice of one endpoint/);
});

test("IPv6 stands in brackets; only the first of several addresses is used", () => {
  const six = slice("six", [{ addresses: ["fd00::1"] }, { addresses: ["::ffff:10.0.0.1"] }], { addressType: "IPv6" });
  assert.deepEqual(addresses([six]), ["[fd00::1]:7001", "[::ffff:10.0.0.1]:7001"]);
  assert.deepEqual(addresses([slice("four", [{ addresses: ["10.0.0.1", "10.0.0.2"] }])]), ["10.0.0.1:7001"]);
  const mixed = slice("six", [{ addresses: ["10.0.0.1"] }], { addressType: "IPv6" });
  assert.match(mixed.faults[0]?.why ?? "", /expected an IPv6 address, found "10.0.0.1"/);
});

test("names mean a service, a service of a namespace, labels, or a contract", () => {
  const target = (name: string, services?: Parameters<typeof targetOf>[1]): string => {
    const { namespace, labelSelector, port } = targetOf(name, services);
    return `${namespace ?? "-"} ${labelSelector} ${port ?? "-"}`;
  };
  assert.equal(target("cities"), "- kubernetes.io/service-name=cities -");
  assert.equal(target("cities.prod"), "prod kubernetes.io/service-name=cities -");
  assert.equal(target("cities.prod.svc.cluster.local:grpc"), "prod kubernetes.io/service-name=cities grpc");
  assert.equal(target("cities:7001"), "- kubernetes.io/service-name=cities 7001");
  assert.equal(target("geo.v1.Cities"), "- meridian-rpc/service=geo.v1.Cities -");
  assert.equal(target("geo.v1.cities"), "- meridian-rpc/service=geo.v1.cities -");
  const services = { "geo.v1.Cities": "cities.prod:7001", "geo.v1.Routes": "app=routes,tier=rpc:rpc" };
  assert.equal(target("geo.v1.Cities", services), "prod kubernetes.io/service-name=cities 7001");
  assert.equal(target("geo.v1.Routes", services), "- app=routes,tier=rpc rpc");
  assert.equal(target("geo.v1.Cities", (name) => `${name.split(".").at(-1)?.toLowerCase()}.prod`),
    "prod kubernetes.io/service-name=cities -");
  assert.equal(target("toString", {}), "- meridian-rpc/service=toString -");
  for (const [name, why] of [
    ["a/b", /neither a Kubernetes service .* say in the option services which one "a\/b" is/],
    [`X${"x".repeat(80)}`, /at most 63/], ["cities:99999", /the port 99999/],
  ] as const) {
    assert.throws(() => targetOf(name, undefined), (error) => RpcError.is(error) && error.code === "invalid_argument" &&
      why.test(error.message));
  }
});

test("whatever a slice is made of, reading and merging it never throws, and says what is left out", () => {
  const junk = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>;
  const mostly = (sound: unknown) => fc.oneof({ weight: 3, arbitrary: fc.constant(sound) }, junk);
  const endpoint = fc.record({
    addresses: mostly(["10.0.0.1"]), conditions: mostly({ ready: true }), zone: mostly("a"), nodeName: mostly("n"),
    hints: mostly({ forZones: [{ name: "a" }] }), targetRef: mostly({ kind: "Pod", name: "p" }),
  }, { requiredKeys: [] });
  const whole = fc.record({
    metadata: fc.oneof(junk, fc.record({ labels: mostly({}), annotations: mostly({ "meridian-rpc/weight": "2" }) })),
    addressType: mostly("IPv4"), ports: mostly([{ port: 7001 }]),
    endpoints: fc.oneof(junk, fc.array(fc.oneof(endpoint, junk), { maxLength: 4 })),
  }, { requiredKeys: [] });
  fc.assert(fc.property(fc.oneof(junk, whole), (value) => {
    const read = readSlice("any", value);
    const { endpoints, faults } = endpointsOf([read], { ...settings, zoneHints: "a" });
    for (const { address } of endpoints) assert.match(address, /^(?:[\d.]+|\[[0-9a-fA-F:.]+\]):\d+$/);
    for (const { why } of faults) assert.ok(why.length > 0 && why.length < 1_000);
  }), { seed: 20, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300) });
});
