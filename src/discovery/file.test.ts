import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RpcError } from "../core/error.ts";
import { createFileSource } from "../runtime/node/file-source.ts";
import { fileDiscovery, type FileDiscoveryOptions, staticDiscovery } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "meridian-"));
const alive = setInterval(() => {}, 1000);
after(() => {
  clearInterval(alive);
  rmSync(directory, { recursive: true });
});
let files = 0;

/** A file with a watcher on it that writes down what it is told. */
function watched(text: string | undefined, options: FileDiscoveryOptions = {}, settleMs = 10) {
  const path = join(directory, `services-${++files}.yaml`);
  if (text !== undefined) writeFileSync(path, text);
  const told: string[] = [];
  const discovery = fileDiscovery(createFileSource(path, { settleMs, pollMs: 100 }), options);
  const stop = discovery.watch("geo.v1.Cities", {
    snapshot: (endpoints) => told.push(endpoints.map(({ address, weight }) => `${address}*${weight}`).join(" ")),
    failed: (error: RpcError) => told.push(`${error.code}: ${error.message.replace(path, "FILE")}`),
  });
  const heard = async (count: number) => {
    const patience = AbortSignal.timeout(10_000);
    while (told.length < count) {
      patience.throwIfAborted();
      await sleep(5);
    }
    // Whatever is said too much is said soon after.
    await sleep(30);
    assert.equal(told.length, count, told.join("\n"));
    return told.at(-1) as string;
  };
  return { path, heard, stop };
}

const one = 'services:\n  "geo.v1.Cities":\n    - { address: "127.0.0.1:1" }\n';
const other = 'services:\n  geo.v1.Cities: [{ address: "127.0.0.1:2", weight: 2 }]\n';

test("a change in place and a replacement by renaming are told", async () => {
  const { path, heard, stop } = watched(one);
  assert.equal(await heard(1), "127.0.0.1:1*1");
  writeFileSync(path, other);
  assert.equal(await heard(2), "127.0.0.1:2*2");
  writeFileSync(`${path}.new`, one);
  renameSync(`${path}.new`, path);
  assert.equal(await heard(3), "127.0.0.1:1*1");
  stop();
});

test("a bad file is refused once and the last good one stays; a good one ends that", async () => {
  const { path, heard, stop } = watched(one);
  await heard(1);
  writeFileSync(path, other.replace("weight", "wieght"));
  assert.equal(await heard(2), "invalid_argument: FILE:2:45: services[\"geo.v1.Cities\"][0]: " +
    'unknown key "wieght"; did you mean "weight"?');
  writeFileSync(path, one);
  await sleep(200);
  writeFileSync(path, other);
  assert.equal(await heard(3), "127.0.0.1:2*2");
  stop();
});

test("a file that goes away and comes back", async () => {
  const { path, heard, stop } = watched(one);
  await heard(1);
  rmSync(path);
  assert.match(await heard(2), /^not_found: there is no file FILE/);
  writeFileSync(path, other);
  assert.equal(await heard(3), "127.0.0.1:2*2");
  stop();
});

test("a file that is made later", async () => {
  const { path, heard, stop } = watched(undefined);
  assert.match(await heard(1), /^not_found/);
  writeFileSync(path, one);
  assert.equal(await heard(2), "127.0.0.1:1*1");
  stop();
});

test("a file that is still being written is not read by halves", async () => {
  const { path, heard, stop } = watched(one, {}, 150);
  await heard(1);
  writeFileSync(path, "services:\n  geo.v1.Cities:\n");
  for (let i = 1; i <= 4; i++) {
    await sleep(30);
    writeFileSync(path, `    - { address: "127.0.0.1:${i}" }\n`, { flag: "a" });
  }
  assert.equal(await heard(2), "127.0.0.1:1*1 127.0.0.1:2*1 127.0.0.1:3*1 127.0.0.1:4*1");
  stop();
});

test("a symbolic link that is pointed elsewhere, as Kubernetes does", async () => {
  const { path, heard, stop } = watched(undefined);
  await heard(1);
  writeFileSync(`${path}.1`, one);
  writeFileSync(`${path}.2`, other);
  symlinkSync(`${path}.1`, path);
  assert.equal(await heard(2), "127.0.0.1:1*1");
  symlinkSync(`${path}.2`, `${path}.link`);
  renameSync(`${path}.link`, path);
  assert.equal(await heard(3), "127.0.0.1:2*2");
  stop();
});

test("a service that is no longer mentioned keeps its endpoints; an empty list takes them", async () => {
  const { path, heard, stop } = watched(one);
  await heard(1);
  writeFileSync(path, "services:\n  geo.v1.City: []\n");
  assert.match(await heard(2), /^not_found: FILE has no service "geo\.v1\.Cities"; did you mean "geo\.v1\.City"\?/);
  writeFileSync(path, "services:\n  geo.v1.Cities: []\n");
  assert.equal(await heard(3), "");
  stop();
});

test("limits of size and number", async () => {
  const small = watched(one, { maxFileBytes: 10 });
  assert.match(await small.heard(1), /^resource_exhausted: FILE has \d+ bytes, more than the 10 allowed/);
  small.stop();
  const few = watched('services: { geo.v1.Cities: [{ address: "a:1" }, { address: "a:2" }] }', { maxEndpoints: 1 });
  assert.match(await few.heard(1), /FILE:1:28: .* more than 1 endpoints in all \(maxEndpoints\)/);
  few.stop();
});

/** Ninefold eight times over: a small file that would be forty million words. */
const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]", ...["ab", "bc", "cd", "de", "ef", "fg", "gh"].map(([from, to]) => (
  `${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(",")}]`
))].join("\n");

const complaints: readonly (readonly [string, RegExp])[] = [
  ["", /FILE:1:1: the file is empty/],
  ["# nothing but a comment\n", /the file is empty/],
  ["[1, 2]", /FILE:1:1: expected "services:" with a mapping below it, found a list of 2/],
  ["services: 5",
    /FILE:1:11: services: expected a mapping from service names to lists of endpoints, found the number 5/],
  ["servcies: {}", /FILE:1:1: unknown key "servcies"; did you mean "services"\?/],
  ["services:\n  x: { address: 'a:1' }", /FILE:2:6: services\.x: expected a list of endpoints, found a mapping/],
  ["services:\n  x:\n    - a:1", /FILE:3:7: services\.x\[0\]: expected an endpoint .* found "a:1"/],
  ["services:\n  x:\n    - region: eu", /FILE:3:7: services\.x\[0\]: an endpoint needs an "address"/],
  ["services:\n  x:\n    - address: localhost", /FILE:3:16: .*expected "host:port".* found "localhost"/],
  ["services:\n  x:\n    - address: 'a:70000'", /FILE:3:16: .*expected "host:port"/],
  ["services:\n  x:\n    - address: 'a:1'\n      zone: 1",
    /FILE:4:13: .*zone: expected text, found the number 1; write it/],
  ["services:\n  x:\n    - address: 'a:1'\n      weight: -1",
    /FILE:4:15: .*weight: expected a number of 0 or more, found/],
  ["services:\n  x:\n    - address: 'a:1'\n      weight:", /FILE:4:\d+: .*weight: expected a number .*found nothing/],
  ["services:\n  x:\n    - address: 'a:1'\n      backup: yes", /backup: expected true or false, found "yes"/],
  ["services:\n  x:\n    - address: 'a:1'\n      priority: 1.5", /priority: expected a whole number/],
  ["services:\n  x:\n    - address: 'a:1'\n      attributes: { v: 1.10 }",
    /attributes\.v: expected text, found the number 1\.1/],
  ["services:\n  x: [{ address: 'a:1' }, { address: 'a:1' }]",
    /FILE:2:27: .*"a:1" is listed twice, first as number 1/],
  ["services:\n  x: []\n  x: []", /FILE:3:3: Map keys must be unique/],
  ['{"services": {"x": [{"address": "a:1",}]', /FILE:1:\d+: /],
  ['{"services": {"x": [{"address": "a:1", "zone": "a:b", "zone": "c"}]}}', /FILE:1:55: Map keys must be unique/],
  ['{"services": {"x": [{"address": "a:1", "zoen": "a"}]}}', /FILE:1:40: services\.x\[0\]: unknown key "zoen"/],
  ["services: !!js/function 'x'", /FILE:1:11: /],
  [bomb, /alias/],
];

for (const [text, expected] of complaints) {
  test(`complaint about ${JSON.stringify(text.slice(0, 70))}`, async () => {
    const { heard, stop } = watched(text);
    assert.match(await heard(1), expected);
    stop();
  });
}

test("staticDiscovery complains by the place", () => {
  assert.throws(() => staticDiscovery({ "geo.v1.Cities": [{ address: "a:1", wieght: 1 } as never] }),
    /staticDiscovery: services\["geo\.v1\.Cities"\]\[0\]: unknown key "wieght"; did you mean "weight"\?/);
  let failure: RpcError | undefined;
  staticDiscovery({ "geo.v1.Cities": [] }).watch("geo.v1.City", { snapshot() {}, failed: (e) => failure = e });
  assert.equal(failure?.code, "not_found");
  assert.match(failure.message, /did you mean "geo\.v1\.Cities"\?/);
});
