// Discovery by DNS in a simulation: when it asks, what it believes, and what it makes of lies.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import {
  a, aaaa, type Asked, brief, type Line, name, type Reply, type Script, scene, serve, soa, srv, txt,
} from "./dns-scripted.ts";

const service = "_geo._tcp.example.test";
const host1: Line = ["n1.example.test", "A", 600, a("10.0.0.1")];
const host2: Line = ["n2.example.test", "A", 600, a("10.0.0.2")];
const one = (ttl: number, weight = 1): Reply => ({
  answers: [[service, "SRV", ttl, srv(0, weight, 7001, "n1.example.test")]], additionals: [host1],
});
const absent = (code: number, minimum?: number): Reply => ({
  code, ...(minimum === undefined ? undefined : { authorities: [["example.test", "SOA", 900, soa(minimum)]] }),
});

test("an answer holds for its time to live: nobody asks much earlier, and a change is seen by then", async () => {
  let weight = 1;
  const { simulation, heard, told } = await scene(() => one(10, weight));
  await simulation.run(100);
  weight = 5;
  await simulation.run(9_000);
  assert.equal(heard.length, 1);
  assert.deepEqual(told.map(({ endpoints }) => brief(endpoints)), [["10.0.0.1:7001 1/0"]]);
  await simulation.run(10_100);
  assert.equal(heard.length, 2);
  assert.deepEqual(brief(told.at(-1)?.endpoints), ["10.0.0.1:7001 5/0"]);
});

test("times to live are kept within bounds", async () => {
  const cases = [[0, 900, 1_100], [0xffff_ffff, 900, 1_100], [86_400, 270_000, 300_100]] as const;
  for (const [ttl, leastMs, mostMs] of cases) {
    const { simulation, heard } = await scene(() => one(ttl));
    await simulation.runUntil(() => heard.length === 2, 400_000);
    const gapMs = (heard[1] as Asked).atMs - (heard[0] as Asked).atMs;
    assert.ok(gapMs >= leastMs && gapMs <= mostMs, `asked again after ${gapMs} ms for a TTL of ${ttl} s`);
  }
});

test("one question is under way for all who watch, and clients do not ask in step", async () => {
  const { simulation, heard, watch, told } = await scene(() => one(10));
  for (let i = 0; i < 49; i++) watch();
  await simulation.run(60_000);
  assert.equal(told.length, 50);
  assert.ok(heard.length >= 6 && heard.length <= 7, `${heard.length} questions`);
  const gaps = heard.slice(1).map(({ atMs }, i) => atMs - (heard[i] as Asked).atMs);
  assert.ok(new Set(gaps).size === gaps.length, "gaps repeat");
});

test("no such name: empty if the zone's SOA record says so, for as long as that says", async () => {
  let reply = one(1);
  const { simulation, heard, told, failures } = await scene(() => reply);
  await simulation.run(100);
  reply = absent(3, 4);
  await simulation.run(2_000);
  assert.deepEqual(told.at(-1)?.endpoints, []);
  const count = heard.length;
  await simulation.run(4_500);
  assert.equal(heard.length, count);
  reply = one(1);
  await simulation.run(6_500);
  assert.deepEqual(brief(told.at(-1)?.endpoints), ["10.0.0.1:7001 1/0"]);
  assert.deepEqual(failures, []);
});

test("no such records (NODATA): empty as well, also by an authoritative answer without an SOA record", async () => {
  for (const reply of [absent(0, 4), { isAuthoritative: true }]) {
    const { simulation, told } = await scene(() => reply);
    await simulation.run(100);
    assert.deepEqual(told.map(({ endpoints }) => endpoints), [[]]);
  }
});

test("whoever is not responsible is not believed that there is nothing, unless told to be", async () => {
  for (const code of [0, 3]) {
    let reply = one(1);
    const { simulation, told, failures } = await scene(() => reply);
    await simulation.run(100);
    reply = absent(code);
    await simulation.run(5_000);
    assert.equal(told.length, 1);
    assert.match(failures[0]?.message ?? "", /not responsible.*negative: "always"/);
    const { simulation: other, told: empty } = await scene(() => absent(code), { negative: "always" });
    await other.run(100);
    assert.deepEqual(empty.map(({ endpoints }) => endpoints), [[]]);
  }
});

test("SERVFAIL, REFUSED and silence keep what was known, say so once, and are got over", async () => {
  for (const trouble of [{ code: 2 }, { code: 5 }, undefined]) {
    let reply: Reply | undefined = one(1);
    const { simulation, told, failures } = await scene(() => reply);
    await simulation.run(100);
    reply = trouble;
    await simulation.run(20_000);
    assert.equal(told.length, 1);
    assert.ok(failures.length === 1, failures.join("\n"));
    assert.match(failures[0]?.message ?? "", /no name server answered for SRV _geo._tcp.example.test: ns:53: /);
    reply = one(1, 3);
    await simulation.run(24_000);
    assert.deepEqual(brief(told.at(-1)?.endpoints), ["10.0.0.1:7001 3/0"]);
  }
});

test("a silent server costs one short wait; the one that answered is asked first from then on", async () => {
  const { simulation, told, heard } = await scene(() => undefined, { servers: ["ns:53", "ns2:53"] });
  const heard2 = await serve(simulation.host("ns2"), "ns2", () => one(10));
  await simulation.run(60_000);
  assert.ok((told[0]?.atMs ?? Infinity) < 600, `told at ${told[0]?.atMs}`);
  assert.equal(heard.length, 1);
  assert.ok(heard2.length >= 6);
});

test("a truncated answer is asked for again by stream", async () => {
  const { simulation, told, heard } = await scene(({ isStream }) => (isStream ? one(10) : { isTruncated: true }));
  await simulation.run(1_000);
  assert.deepEqual(heard.map(({ isStream, isExtended }) => [isStream, isExtended]), [[false, true], [true, true]]);
  assert.deepEqual(brief(told[0]?.endpoints), ["10.0.0.1:7001 1/0"]);
});

test("a server that does not know EDNS0 is asked without from then on", async () => {
  const { simulation, heard, told } = await scene(({ isExtended }) => (isExtended ? { code: 1 } : one(10)));
  await simulation.run(10_500);
  assert.deepEqual(heard.map(({ isExtended }) => isExtended), [true, false, false]);
  assert.equal(told.length, 1);
});

test("wrong ids, wrong questions, requests, malformed bytes and strangers are passed over", async () => {
  const lies: Script = ({ isStream }) => (isStream ? one(10) : [
    { ...one(10, 9), id: 1 }, { ...one(10, 9), question: ["_other._tcp.example.test", "SRV"] },
    { ...one(10, 9), question: [service, "A"] }, { ...one(10, 9), counts: [60_000, 60_000, 60_000] }, one(10, 2),
  ]);
  const { simulation, told } = await scene(lies);
  const stranger = await simulation.host("stranger").network.datagrams("stranger:53", () => {});
  for (let port = 16_384; port < 65_536; port += 7) stranger.send(new Uint8Array(20), `client:${port}`);
  await simulation.run(1_000);
  assert.deepEqual(told.map(({ endpoints }) => brief(endpoints)), [["10.0.0.1:7001 2/0"]]);
});

test("answers and addresses of other names count for nothing", async () => {
  const { simulation, told } = await scene(({ type }) => (type === "A" ? { answers: [host2] } : {
    answers: [
      [service, "SRV", 10, srv(0, 1, 7001, "n2.example.test")],
      ["_other._tcp.example.test", "SRV", 10, srv(0, 1, 7009, "n1.example.test")],
    ],
    additionals: [host1],
  }));
  await simulation.run(1_000);
  assert.deepEqual(brief(told[0]?.endpoints), ["10.0.0.2:7001 1/0"]);
});

test("weights and priorities are those of RFC 2782; what leads nowhere is left out by name", async () => {
  const { simulation, told, skipped } = await scene(({ type, name: asked }) => (type === "A" ? {
    answers: asked.startsWith("gone") ? [] : [host2], ...absent(0, 60), code: asked.startsWith("gone") ? 3 : 0,
  } : {
    answers: [
      [service, "SRV", 10, srv(0, 10, 7001, "n1.example.test")],
      [service, "SRV", 10, srv(0, 1, 7002, "n1.example.test")],
      [service, "SRV", 10, srv(0, 0, 7003, "n1.example.test")],
      [service, "SRV", 10, srv(0, 0, 7004, "n1.example.test")],
      [service, "SRV", 10, srv(20, 0, 7005, "n2.example.test")],
      [service, "SRV", 10, srv(30, 65_535, 7006, "n2.example.test")],
      [service, "SRV", 10, srv(0, 1, 0, "n1.example.test")], [service, "SRV", 10, srv(0, 1, 1, "")],
      [service, "SRV", 10, srv(0, 1, 7007, "gone.example.test")], [service, "SRV", 10, Uint8Array.of(0, 1, 2)],
    ],
    additionals: [host1],
  }));
  await simulation.run(1_000);
  assert.deepEqual(brief(told[0]?.endpoints), [
    "10.0.0.1:7001 10/0", "10.0.0.1:7002 1/0", "10.0.0.1:7003 0.5/0", "10.0.0.1:7004 0.5/0",
    "10.0.0.2:7005 1/20", "10.0.0.2:7006 65535/30",
  ]);
  assert.deepEqual(skipped.map((text) => text.slice(0, 28)), [
    "n1.example.test:0: nobody ca", "SRV of _geo._tcp.example.tes", "gone.example.test: gone.exam",
  ]);
});

test("the target `.` alone says that there decidedly is no such service", async () => {
  const { simulation, told, failures } = await scene(() => ({ answers: [[service, "SRV", 10, srv(0, 0, 0, "")]] }));
  await simulation.run(1_000);
  assert.deepEqual(told.map(({ endpoints }) => endpoints), [[]]);
  assert.equal(failures.length, 0);
});

test("records of which none can be used keep what was known", async () => {
  let reply = one(1);
  const { simulation, told, failures } = await scene(() => reply);
  await simulation.run(100);
  reply = { answers: [[service, "SRV", 1, srv(0, 1, 0, "n1.example.test")]] };
  await simulation.run(5_000);
  assert.equal(told.length, 1);
  assert.match(failures[0]?.message ?? "", /none of the SRV records of _geo.* can be used; the first, n1/);
});

test("aliases are followed, within one answer and over several, but not in circles", async () => {
  const alias = (from: string, to: string): Line => [from, "CNAME", 5, name(to)];
  const { simulation, told, heard } = await scene(({ name: asked }) => (asked === "a.test"
    ? { answers: [alias("a.test", "b.test"), alias("b.test", "c.test")] }
    : { answers: [alias("c.test", "d.test"), ["d.test", "A", 600, a("10.0.0.9")]] }), {}, "a.test:7001");
  await simulation.run(4_000);
  assert.deepEqual(brief(told[0]?.endpoints), ["10.0.0.9:7001 1/0"]);
  assert.deepEqual(heard.map(({ name: asked }) => asked), ["a.test", "c.test"]);
  await simulation.run(5_500);
  assert.ok(heard.length > 2, "an alias holds no longer than it says");

  const inOne = await scene(() => ({ answers: [alias("a.test", "b.test"), alias("b.test", "a.test")] }), {},
    "a.test:1");
  const overSeveral = await scene(({ name: asked }) => ({
    answers: [alias(asked, asked === "a.test" ? "b.test" : "a.test")],
  }),
    {}, "a.test:1");
  const endless = await scene(({ name: asked }) => ({ answers: [alias(asked, `x${asked}`)] }), {}, "a.test:1");
  for (const { simulation: other, failures, told: none } of [inOne, overSeveral, endless]) {
    await other.run(3_000);
    assert.match(failures[0]?.message ?? "", /alias in a circle/);
    assert.equal(none.length, 0);
  }
});

test("all addresses of both families become endpoints and share their record's weight", async () => {
  const { simulation, told } = await scene(({ type }) => (type === "SRV" ? {
    answers: [[service, "SRV", 10, srv(0, 12, 7001, "n1.example.test")]], additionals: [host1],
  } : { answers: [["n1.example.test", "AAAA", 60, aaaa(1)], ["n1.example.test", "AAAA", 60, aaaa(2)]] }),
    { family: "both" });
  await simulation.run(1_000);
  assert.deepEqual(brief(told[0]?.endpoints),
    ["10.0.0.1:7001 4/0", "[2001:db8::1]:7001 4/0", "[2001:db8::2]:7001 4/0"]);
});

test("a family that cannot be asked keeps its last addresses, and does not hold up the other", async () => {
  let isBroken = false;
  const script: Script = ({ type }) => {
    if (type === "A") return { answers: [["n.test", "A", 1, a("10.0.0.1")]] };
    return isBroken ? { code: 2 } : { answers: [["n.test", "AAAA", 1, aaaa(1)]] };
  };
  const { simulation, told, failures } = await scene(script, { family: "both" }, "n.test:7001");
  await simulation.run(100);
  isBroken = true;
  await simulation.run(10_000);
  assert.deepEqual(told.map(({ endpoints }) => brief(endpoints)),
    [["10.0.0.1:7001 0.5/0", "[2001:db8::1]:7001 0.5/0"]]);
  assert.deepEqual(failures, []);
  const fresh = await scene(script, { family: "both" }, "n.test:7001");
  await fresh.simulation.run(100);
  assert.deepEqual(brief(fresh.told[0]?.endpoints), ["10.0.0.1:7001 1/0"]);
});

test("TXT records say what SRV cannot, of all and of each; a bad one costs its own host only", async () => {
  const { simulation, told, skipped } = await scene(({ type, name: asked }) => {
    if (type === "TXT" && asked === service) {
      return { answers: [[service, "TXT", 60, txt("region=eu-west", "zone=a", "x=1")]] };
    }
    if (type === "TXT" && asked.startsWith("n1")) {
      const texts = txt("zone=b", "backup=true", "ID=first", "id=second", "no", "=0", "y=a=b");
      return { answers: [[asked, "TXT", 60, texts]] };
    }
    if (type === "TXT") return { answers: [[asked, "TXT", 60, txt("weight=heavy")]] };
    return {
      answers: [
        [service, "SRV", 10, srv(0, 3, 7001, "n1.example.test")],
        [service, "SRV", 10, srv(0, 1, 7002, "n2.example.test")],
      ],
      additionals: [host1, host2],
    };
  }, { texts: true });
  await simulation.run(1_000);
  assert.deepEqual(told[0]?.endpoints, [{
    id: "first", address: "10.0.0.1:7001", region: "eu-west", zone: "b", weight: 3, backup: true, priority: 0,
    attributes: { x: "1", y: "a=b" },
  }]);
  assert.match(skipped[0] ?? "", /^10.0.0.2:7002: weight: expected a number of 0 or more, found "heavy"/);
});

test("labels with zero bytes, dots and bytes beyond ASCII are names like others", async () => {
  const odd = "a\\.b\\000\\255.example.test";
  const { simulation, told } = await scene(({ type, name: asked }) => (type === "SRV"
    ? { answers: [[service, "SRV", 10, srv(0, 1, 7001, odd)]] }
    : { answers: asked === odd ? [[odd, "A", 60, a("10.0.0.3")]] : [] }));
  await simulation.run(1_000);
  assert.deepEqual(brief(told[0]?.endpoints), ["10.0.0.3:7001 1/0"]);
});

test("three thousand records by stream; claims of more than there are bytes come to nothing", async () => {
  const answers = Array.from({ length: 2_000 }, (_, i): Line => ["s.test", "SRV", 60, srv(0, 1, 1_000 + i, "n.x")]);
  const script: Script = ({ type, isStream }) => {
    if (type === "A") return { answers: [["n.x", "A", 60, a("10.0.0.1")]] };
    return isStream ? { answers } : { isTruncated: true };
  };
  const { simulation, told } = await scene(script, { services: { s: "s.test" } }, "s");
  await simulation.run(1_000);
  assert.equal(told[0]?.endpoints.length, 2_000);
  const lying = await scene(({ isStream }) => (isStream ? { answers: answers.slice(0, 9), counts: [10_000, 0, 0] }
    : { isTruncated: true }), { services: { s: "s.test" } }, "s");
  await lying.simulation.run(30_000);
  assert.equal(lying.told.length, 0);
  assert.match(lying.failures[0]?.message ?? "", /no answer within 2000 ms that counts; 1 did not/);
});

test("who closes or leaves asks no more", async () => {
  const { simulation, heard, close } = await scene(() => one(1));
  await simulation.run(5_000);
  await close();
  const count = heard.length;
  await simulation.run(20_000);
  assert.equal(heard.length, count);
});
