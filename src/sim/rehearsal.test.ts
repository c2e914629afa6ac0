import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../core/error.ts";
import { parseRehearsal, readRehearsal } from "./rehearsal-file.ts";
import { judgeGoals, rehearsalCharts, rehearsalRows } from "./rehearsal-report.ts";
import { runRehearsal } from "./rehearsal-run.ts";

const base = `rehearsal:
  duration: 12s
  warmUp: 2s
  regions: [us-east, eu-west]
  roundTrips: { us-east: { eu-west: 70ms } }
  services:
    store: { servers: { us-east: 3, eu-west: 3 }, workers: 4, work: 5ms }
  clients:
    us: { region: us-east, service: store, rate: 100 }
    eu: { region: eu-west, service: store, rate: 100 }
`;

const complaint = (text: string): string => {
  try {
    parseRehearsal(text, "r.yaml");
  } catch (error) {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    return error.message;
  }
  return "";
};

test("what is wrong in a file is told by line and column, with what was expected and the nearest right word", () => {
  assert.equal(complaint(base), "");
  for (const [text, expected] of [
    [base.replace("duration: 12s", "duraton: 12s"),
      'r.yaml:2:3: rehearsal: unknown key "duraton"; did you mean "duration"?'],
    [base.replace("duration: 12s", "duration: 12"),
      "r.yaml:2:13: rehearsal.duration: expected a duration such as 20s or 250ms (units ms, s, min, h), found the " +
      "number 12; write the unit: 12s or 12ms"],
    [base.replace("region: eu-west", "region: eu-wset"),
      'r.yaml:10:19: rehearsal.clients.eu.region: there is no region "eu-wset"; did you mean "eu-west"?'],
    [base.replace("service: store, rate: 100 }\n    eu", "service: stores, rate: 100 }\n    eu"),
      'r.yaml:9:37: rehearsal.clients.us.service: there is no service "stores"; did you mean "store"?'],
    [base.replace("servers: {", "sevrers: {"),
      'r.yaml:7:14: rehearsal.services.store: unknown key "sevrers"; did you mean "servers"?'],
    [base.replace("workers: 4", "workers: 0"),
      "r.yaml:7:60: rehearsal.services.store.workers: expected a whole number from 1 to 100000, found the number 0"],
    [base.replace("work: 5ms", "work: { exponental: 5ms }"),
      /unknown key "exponental"; did you mean "exponential"\?$/],
    [base.replace("work: 5ms", "work: { exponential: 5ms, google: fast }"),
      /expected one of constant, .*found exponential, google$/],
    [`${base}  events:\n    - { at: 5s, kil: eu-west }\n`,
      'r.yaml:12:17: rehearsal.events[0]: unknown key "kil"; did you mean "kill"?'],
    [`${base}  events:\n    - { at: 5s, kill: eu-west, restore: eu-west }\n`,
      /^r\.yaml:12:7: rehearsal\.events\[0\]: an event does one of kill, .*; this one has kill, restore$/],
    [`${base}  events:\n    - { at: 5s, kill: eu-west, factor: 3 }\n`,
      "r.yaml:12:32: rehearsal.events[0]: factor does not belong to kill, which has for"],
    [`${base}  events:\n    - { at: 5s, kill: store-eu-west-4 }\n`,
      /there is no region or server "store-eu-west-4"; did you mean "store-eu-west-1"\?$/],
    [`${base}  events:\n    - { at: 5s, slow: eu-west }\n`, 'r.yaml:12:7: rehearsal.events[0]: slow needs "factor"'],
    [`${base}  events:\n    - { at: 50s, kill: eu-west }\n`,
      /events\[0\]\.at: the rehearsal ends at 12000 ms, before this$/],
    [`${base}  goals:\n    - { of: goodputs, least: 0.9 }\n`, /found "goodputs"; did you mean "goodput"\?$/],
    [`${base}  goals:\n    - { of: p99, most: 100 }\n`,
      /goals\[0\]\.most: expected a duration .* write the unit: 100s/],
    [`${base}  goals:\n    - { of: errors }\n`, /goals\[0\]: a goal has either least or most$/],
    [`${base}  policies: { client: { retry: { maxAttemps: 3 } } }\n`,
      'r.yaml:11:34: rehearsal.policies.client.retry: unknown key "maxAttemps"; did you mean "maxAttempts"?'],
    [`${base}  policies: { client: { picker: leastRequest } }\n`, /did you mean "leastRequests"\?$/],
    [`${base}  policies: { client: { picker: { leastDelay: { remebered: 4 } } } }\n`, /did you mean "remembered"\?$/],
    [`${base}  policies: { client: { picker: { leastDelay: { remembered: 100 } } } }\n`,
      "r.yaml:11:23: rehearsal.policies.client: remembered is 100: expected a whole number from 0 to 64"],
    [`${base}  policies: { client: { picker: { c3: {}, prequal: {} } } }\n`, /expected one picker, found c3, prequal$/],
    [`${base}  policies: { client: { hedge: { maxAttempts: 9 } } }\n`, /client: .*maxAttempts is 9: .* from 2 to 5/],
    [`${base}  policies: { client: { tuning: false, hedge: { ratio: 0.1 } } }\n`,
      /client: tuning is false: hedges need the live latency/],
    [`${base}  policies: { client: { throttle: { k: 1 } } }\n`, /client: .*k is 1: /],
    [`${base}  policies: { server: { admission: { limit: { vegas: { alpha: 4, beta: 2 } } } } }\n`,
      "r.yaml:11:23: rehearsal.policies.server: beta is 2: expected a number from 4 to 1000"],
    [`${base}  policies: { server: { admission: { limit: knees } } }\n`, /did you mean "knee"\?$/],
    [`${base}  policies: { server: { replay: { leaseMs: 5000, retentionMs: 4000 } } }\n`,
      /server: leaseMs is 5000: expected less than retentionMs, 4000$/],
    [base.replace("rate: 100", "keys: 0, rate: 100"), /keys: expected a whole number from 1 to 1000000/],
    [base.replace("{ us-east: { eu-west: 70ms } }", "{ us-east: { us-east: 70ms } }"),
      /within a region the distance is/],
    [base.replace("work: 5ms", "work: 5ms, calls: [{ service: store }]"),
      /the services call each other in a circle: store > store$/],
    ["", "r.yaml:1:1: the file is empty; a rehearsal begins with `rehearsal:`"],
    ["rehearsals: {}", 'r.yaml:1:1: unknown key "rehearsals"; did you mean "rehearsal"?'],
    [base.replace("regions: [us-east, eu-west]", "regions: [us-east, eu-west"), /^r\.yaml:\d+:\d+: /],
  ] as const) {
    const told = complaint(text);
    if (typeof expected === "string") assert.equal(told, expected);
    else assert.match(told, expected);
  }
});

test("an object of a program is read like a file, with places instead of lines", () => {
  const plan = {
    duration: "5s", regions: ["a"], services: { s: { servers: { a: 1 } } },
    clients: { c: { region: "a", service: "s", rate: 10 } },
  };
  assert.equal(readRehearsal(plan).durationMs, 5_000);
  assert.throws(() => readRehearsal({ ...plan, clients: { c: { region: "b", service: "s", rate: 10 } } }),
    /^RpcError: rehearsal\.clients\.c\.region: there is no region "b"; did you mean "a"\?$/);
});

test("a region that dies is answered elsewhere, and by itself when it is back", { timeout: 120_000 }, async () => {
  const plan = parseRehearsal(`${base.replace("12s", "90s")}  events:
    - { at: 10s, blackHole: eu-west, for: 8s }
  goals:
    - { of: goodput, least: 0.99, region: eu-west, from: 12s }
    - { of: goodput, least: 1.1 }
    - { of: turns, most: 1, region: eu-west }
    - { of: recovery, most: 3s, from: 10s }
    - { of: utilisation, most: 0.5 }
    - { of: p99, most: 50ms, region: us-east }
    - { of: p50, most: 20ms, region: eu-west, from: 11s, until: 17s }
`, "r.yaml");
  const record = await runRehearsal(plan, { seed: 3 });
  const rows = rehearsalRows(plan, [record], 4_000);
  const eu = (atS: number) => {
    const row = rows.find(({ region, fromS, untilS }) => region === "eu-west" && fromS <= atS && atS < untilS);
    assert.ok(row !== undefined, `no row at ${atS} s`);
    return row;
  };
  assert.deepEqual(eu(9).servedIn, { "eu-west": 1 });
  assert.ok(eu(9).utilisation !== null && (eu(9).utilisation ?? 0) > 0.01);
  assert.deepEqual(eu(12.5).servedIn, { "us-east": 1 });
  assert.equal(eu(12.5).utilisation, 0);
  assert.ok(eu(12.5).p50Ms > 70 && eu(9).p50Ms < 20, "the way is longer");
  // However long it is held down and ramps: it comes back, and never turns.
  assert.deepEqual(eu(89).servedIn, { "eu-west": 1 });
  assert.deepEqual(eu(10).events, ["black-hole eu-west"]);
  assert.deepEqual(eu(18).events, ["restore eu-west"]);
  for (const row of rows) assert.ok(row.offered > 60 && row.offered < 140, JSON.stringify(row));
  const goals = judgeGoals(plan, [record]);
  assert.deepEqual(goals.map(({ met }) => met), [true, false, true, true, true, true, false], JSON.stringify(goals));

  const charts = rehearsalCharts("r", plan, [record]);
  assert.deepEqual(charts.map(({ title }) => title), ["r: calls answered in time",
    "99th percentile of latency, by the callers' region", "Busy workers, by region",
    "Where calls of eu-west were answered"]);
  // Two runs of the same are as many calls a second as one.
  const [, pooled] = rehearsalRows(plan, [record, record], 4_000);
  assert.equal(pooled?.offered, rows[1]?.offered);
});

test("the same seed plays the same, another one does not", { timeout: 120_000 }, async () => {
  const plan = parseRehearsal(`${base.replace("12s", "8s")}  events: [{ at: 4s, kill: eu-west }]\n`, "r.yaml");
  const digests = [];
  for (const seed of [3, 3, 4]) digests.push((await runRehearsal(plan, { seed })).digest);
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

test("events do what they say", { timeout: 120_000 }, async () => {
  const run = async (events: string, more = "") => {
    const plan = parseRehearsal(`${base}${more}  events:\n${events}`, "r.yaml");
    const record = await runRehearsal(plan, { seed: 5 });
    return rehearsalRows(plan, [record], 2_000);
  };
  const at = (rows: Awaited<ReturnType<typeof run>>, region: string, atS: number) => {
    const row = rows.find((one) => one.region === region && one.fromS <= atS && atS < one.untilS);
    assert.ok(row !== undefined);
    return row;
  };
  const surge = await run("    - { at: 4s, surge: eu, factor: 3, for: 4s }\n");
  assert.ok(at(surge, "eu-west", 6).offered > 220 && at(surge, "us-east", 6).offered < 150);
  assert.ok(at(surge, "eu-west", 10).offered < 150, "a surge ends");

  const drain = await run("    - { at: 4s, drain: eu-west }\n");
  assert.deepEqual(at(drain, "eu-west", 5).servedIn, { "us-east": 1 });
  assert.equal(at(drain, "eu-west", 5).errors, 0);

  const alone = "  policies: { client: { retry: false, regions: false } }\n";
  const everywhere = ["us-east", "eu-west"].map((region) =>
    `    - { at: 4s, errors: ${region}, share: 1, fast: true, for: 2s }\n`).join("");
  const errors = await run(everywhere, alone);
  const { errors: share, codes } = at(errors, "us-east", 5);
  assert.ok(share > 0.9 && (codes["unavailable"] ?? 0) > 0, JSON.stringify({ share, codes }));

  // All of a region: who is slow alone is kept out for longer than it is slow.
  const slow = await run("    - { at: 4s, slow: eu-west, factor: 10, for: 4s }\n");
  assert.ok(at(slow, "eu-west", 5).p99Ms > 30 && at(slow, "eu-west", 11).p99Ms < 25);

  const cut = await run("    - { at: 4s, partition: [us-east, eu-west], for: 3s }\n    - { at: 4s, kill: eu-west }\n");
  assert.ok(at(cut, "eu-west", 5).errors > 0.9, "nowhere to go");
  assert.equal(at(cut, "us-east", 5).errors, 0);
});

test("a service that calls another shares its deadline, and fails with it", { timeout: 120_000 }, async () => {
  const plan = parseRehearsal(`rehearsal:
  duration: 10s
  regions: [home]
  services:
    web: { servers: { home: 2 }, work: 1ms, calls: [{ service: db, times: 2 }] }
    db: { servers: { home: 2 }, work: 10ms }
  clients:
    users: { region: home, service: web, rate: 50, timeout: 300ms }
  events:
    - { at: 6s, kill: db-home-1 }
    - { at: 6s, kill: db-home-2 }
`, "r.yaml");
  const rows = rehearsalRows(plan, [await runRehearsal(plan, { seed: 1 })], 2_000);
  const before = rows.find(({ fromS }) => fromS === 2);
  assert.ok(before !== undefined && before.errors === 0 && before.p50Ms > 20, JSON.stringify(before));
  assert.equal(rows.at(-1)?.errors, 1);
});

test("keys, pickers, hedges, limits and replay are played, each as it was set", { timeout: 120_000 }, async () => {
  const play = async (policies: string, more = ""): Promise<readonly string[]> => {
    const plan = parseRehearsal(`rehearsal:
  duration: 10s
  regions: [home]
  services:
    store: { servers: { home: 4 }, workers: 2, work: { exponential: 10ms }, idempotent: ${more || "true"} }
  clients:
    users: { region: home, service: store, rate: 200, timeout: 1s, keys: { count: 50, zipf: 1.1 } }
  policies: ${policies}
  events: [{ at: 4s, slow: store-home-1, factor: 30, for: 3s }]
`, "r.yaml");
    const record = await runRehearsal(plan, { seed: 2 });
    const rows = rehearsalRows(plan, [record], 10_000);
    assert.ok(rows.every(({ offered }) => offered > 0));
    return [record.digest, String(rows.reduce((most, { p99Ms }) => Math.max(most, p99Ms), 0))];
  };
  const seen = new Map<string, string>();
  for (const [policies, more] of [
    ["{}"], ["{ client: { hedge: false } }"], ["{ client: { hedge: false, picker: consistentHash } }"],
    ["{ client: { hedge: false, picker: { consistentHash: { balance: 4 } } } }"],
    ["{ client: { hedge: false, picker: { prequal: { probesPerCall: 1 } } } }"],
    ["{ client: { hedge: false, picker: { c3: { clients: 5 } } } }"],
    ["{ client: { hedge: false, picker: leastDelay } }"],
    ["{ client: { hedge: false, picker: dynamicWeighted } }"],
    ["{ client: { hedge: false }, server: { admission: { room: 1, limit: 1, line: false } } }"],
    ["{ client: { hedge: false }, server: { replay: {} } }", "keyed"],
  ] as const) {
    const [digest = ""] = await play(policies, more);
    assert.equal(seen.get(digest), undefined, `${policies} plays like ${seen.get(digest)}`);
    seen.set(digest, policies);
  }
});
