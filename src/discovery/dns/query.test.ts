import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalIp, ipText, serverAddress } from "./addresses.ts";
import { dnsDiscoveryOn } from "./discovery.ts";
import { queryFor, type QueryOptions } from "./query.ts";
import { readTexts } from "./texts.ts";
import { serviceWeights } from "./weights.ts";
import { createSimulation } from "../../runtime/sim/index.ts";

const asked = (name: string, options: QueryOptions = {}): string => {
  const { type, name: what, port, region, zone } = queryFor(name, options);
  return [type, what, ...(port === 0 ? [] : [port]), ...(region === "" ? [] : [region]), ...(zone === "" ? [] : [zone])]
    .join(" ");
};

test("a name says what to ask, or a domain, or the list of services", () => {
  assert.equal(asked("_Geo._tcp.Example.test."), "SRV _geo._tcp.example.test");
  assert.equal(asked("cities.example.test:7001"), "address cities.example.test 7001");
  const domain = "example.test";
  assert.equal(asked("geo.v1.Cities", { domain }), "SRV _geo-v1-cities._tcp.example.test");
  assert.equal(asked("geo.v1.Cities", { domain, port: 7001 }), "address geo-v1-cities.example.test 7001");
  assert.equal(asked("_geo._tcp.other.test", { domain, port: 7001 }), "SRV _geo._tcp.other.test");
  const services = {
    a: "_a._udp.test", b: "b.test:80", c: { ask: "c.test", port: 81, region: "eu", zone: "a" },
      d: { ask: "_d._tcp.test" },
  };
  const options = { services, domain, region: "us" };
  assert.equal(asked("a", options), "SRV _a._udp.test us");
  assert.equal(asked("b", options), "address b.test 80 us");
  assert.equal(asked("c", options), "address c.test 81 eu a");
  assert.equal(asked("d", options), "SRV _d._tcp.test us");
  assert.equal(asked("e", options), "SRV _e._tcp.example.test us");
  assert.equal(asked("toString", options), "SRV _tostring._tcp.example.test us");
  assert.equal(asked("x", { services: (name) => (name === "x" ? "x.test:1" : undefined) }), "address x.test 1");
});

test("names that cannot be asked for are refused with what to do", () => {
  assert.throws(() => asked("geo.v1.Cities"), { code: "invalid_argument", message: /give the option `domain`/ });
  assert.throws(() => asked("x".repeat(63), { domain: "test" }), { message: /option `services`/ });
  assert.throws(() => asked("host:0"), { message: /port is a number from 1 to 65,535/ });
  assert.throws(() => asked("a..b:1"), { code: "invalid_argument" });
  const { network, clock, random } = createSimulation({ seed: 1 }).host("a");
  const make = (options: object) => () => dnsDiscoveryOn({ network, clock, random },
    { servers: ["10.0.0.1"], ...options });
  assert.throws(make({ servers: ["10.0.0.1:0"] }), { code: "invalid_argument", message: /name server "10.0.0.1:0"/ });
  assert.throws(make({ servers: Array.from({ length: 17 }, () => "10.0.0.1") }), { message: /at most 16/ });
  assert.throws(make({ timeoutMs: 0 }), { message: /timeoutMs 0; expected a number above 0/ });
  assert.throws(() => make({})().watch("geo.v1.Cities", { snapshot() {} }), { code: "invalid_argument" });
});

test("weights of a priority: 0 is one chance in W + 1, together", () => {
  const group = (priority: number, ...weights: readonly number[]) => weights.map((weight) => ({ priority, weight }));
  assert.deepEqual(serviceWeights([...group(0, 10, 1), ...group(1, 0, 0), ...group(2, 0, 7, 0), ...group(3, 65_535)]),
    [10, 1, 1, 1, 0.5, 7, 0.5, 65_535]);
});

test("addresses have one text", () => {
  const texts = {
    "2001:DB8:0:0:0:0:0:1": "2001:db8::1", "::": "::", "::1": "::1", "1::": "1::", "::ffff:10.0.0.1": "::ffff:a00:1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1", "1:0:0:2:0:0:0:3": "1:0:0:2::3", "fe80::1%eth0": "fe80::1%eth0",
    "10.0.0.001": "10.0.0.1",
  };
  for (const [text, canonical] of Object.entries(texts)) assert.equal(canonicalIp(text), canonical);
  for (const text of ["", "10.0.0", "10.0.0.256", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "g::", "a",
    "::1%"]) {
    assert.equal(canonicalIp(text), undefined, text);
  }
  assert.equal(ipText(Uint8Array.of(192, 0, 2, 1)), "192.0.2.1");
  const servers = {
    "10.0.0.2": "10.0.0.2:53", "10.0.0.2:5353": "10.0.0.2:5353", "2001:DB8::53": "[2001:db8::53]:53",
    "[2001:db8:0::53]:54": "[2001:db8::53]:54", "ns:53": "ns:53",
  };
  for (const [text, address] of Object.entries(servers)) assert.equal(serverAddress(text), address);
  for (const text of ["", "ns", "10.0.0.2:0", "[10.0.0.2]:53", "[::1]", "ns:99999", "http://ns:53"]) {
    assert.equal(serverAddress(text), undefined, text);
  }
});

test("attributes named as objects' own members are attributes", () => {
  const { attributes } = readTexts(["__proto__=x", "constructor=y"]);
  assert.deepEqual(Object.keys(attributes), ["__proto__", "constructor"]);
});
