import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codecByName } from "../../codec/choose.ts";
import { codersOf } from "../../contract/coders.ts";
import { RpcError } from "../../core/error.ts";
import { Kv, Watch, type WatchEvent, type WatchRequest, type WatchResponse } from "./contract.ts";
import { rangeOf } from "./keys.ts";
import { WatchStream } from "./watch-stream.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

function response(fields: Partial<WatchResponse>): WatchResponse {
  return {
    header: { clusterId: 1n, memberId: 1n, revision: 9n }, watchId: 0n, created: false, canceled: false,
    compactRevision: 0n, cancelReason: "", fragment: false, events: [], ...fields,
  };
}

function put(key: string): WatchEvent {
  return { type: 0, kv: { key: Buffer.from(key), value: Buffer.from("{}"), modRevision: 9n, lease: 0n } };
}

function watching(stream: WatchStream, name: string) {
  const changes: string[] = [];
  const ends: string[] = [];
  const stop = stream.watch(rangeOf("meridian/", name), 5n, {
    changed: (events) => void changes.push(events.map(({ kv }) => Buffer.from(kv.key).toString()).join()),
    canceled: (error, compacted) => void ends.push(`${error.code} ${compacted}: ${error.message}`),
  });
  return { changes, ends, stop };
}

test("many names share a stream, and are asked for and left by their numbers", async () => {
  const stream = new WatchStream("");
  const [geo, maps] = [watching(stream, "geo"), watching(stream, "maps")];
  stream.received(response({ watchId: 1n, created: true }));
  stream.received(response({ watchId: 2n, created: true }));
  stream.received(response({ watchId: 2n, events: [put("m")] }));
  stream.received(response({ watchId: 1n, events: [put("g"), put("h")] }));
  stream.received(response({ watchId: 1n }));
  assert.deepEqual([geo.changes, maps.changes], [["g,h"], ["m"]]);
  geo.stop();
  geo.stop();
  stream.received(response({ watchId: 1n, events: [put("late")] }));
  assert.deepEqual(geo.changes, ["g,h"]);
  assert.equal(stream.size, 1);
  const requests: (WatchRequest["request"] | undefined)[] = [];
  stream.close();
  for await (const one of stream.requests) requests.push(one.request);
  assert.deepEqual(requests, []);
});

test("a change in parts is one change", () => {
  const stream = new WatchStream("");
  const { changes } = watching(stream, "geo");
  stream.received(response({ watchId: 1n, created: true }));
  stream.received(response({ watchId: 1n, fragment: true, events: [put("a")] }));
  stream.received(response({ watchId: 1n, fragment: true, events: [put("b")] }));
  assert.deepEqual(changes, []);
  stream.received(response({ watchId: 1n, events: [put("c")] }));
  assert.deepEqual(changes, ["a,b,c"]);
});

test("a refused watch is told to whom it was refused, though it comes back without its number", () => {
  const stream = new WatchStream("");
  const [geo, maps] = [watching(stream, "geo"), watching(stream, "maps")];
  stream.received(response({ watchId: 1n, created: true }));
  stream.received(response({ watchId: -1n, created: true, canceled: true,
    cancelReason: "etcdserver: permission denied" }));
  assert.deepEqual([geo.ends, maps.ends],
    [[], ["permission_denied false: etcd ended the watch: etcdserver: permission denied"]]);
  stream.received(response({ watchId: 1n, canceled: true, compactRevision: 7n }));
  assert.match(geo.ends[0] ?? "", /^unavailable true/);
  assert.equal(stream.size, 0);
});

test("whatever a server says, a stream bears it", () => {
  const anyResponse = fc.record({
    watchId: fc.bigInt({ min: -2n, max: 4n }), created: fc.boolean(), canceled: fc.boolean(), fragment: fc.boolean(),
    compactRevision: fc.bigInt({ min: -1n, max: 1n }), cancelReason: fc.string(),
    events: fc.array(fc.string().map(put), { maxLength: 3 }),
  });
  fc.assert(fc.property(fc.array(anyResponse), (responses) => {
    const stream = new WatchStream("");
    const all = ["a", "b", "c"].map((name) => watching(stream, name));
    for (const one of responses) stream.received(response(one));
    for (const one of all) assert.ok(one.ends.length <= 1);
    for (const one of all) one.stop();
    assert.equal(stream.size, 0);
  }), { numRuns, seed: 20261121 });
});

test("bytes that are no reply of etcd's are refused as such", () => {
  for (const method of [Watch.methods.watch, Kv.methods.range]) {
    const { response: coder } = codersOf(method, codecByName("proto") ?? assert.fail(), undefined);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        coder.decode(bytes, 0, bytes.length);
      } catch (error) {
        assert.ok(RpcError.is(error), String(error));
      }
    }), { numRuns, seed: 20261121 });
  }
});
