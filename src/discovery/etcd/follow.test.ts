// Following against members that page, forget, cancel, lie and die: played by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import type { KeyValue, RangeResponse, WatchEvent } from "./contract.ts";
import { followName } from "./follow.ts";
import { bytesOf, compareKeys, type KeyRange, rangeOf } from "./keys.ts";
import type { Link } from "./link.ts";
import { NameSet } from "./name-set.ts";
import type { Session } from "./session.ts";
import type { WatchListener } from "./watch-stream.ts";

const numRuns = Math.min(200, Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100));
const range = rangeOf("meridian/", "geo");
const compacted = () => new RpcError("out_of_range",
  "etcdserver: mvcc: required revision has been compacted", { remote: true });

function kv(id: string, value = `{"address":"${id}:1"}`): KeyValue {
  return { key: bytesOf(`meridian/geo/${id}`), value: bytesOf(value), modRevision: 1n, lease: 0n };
}
const put = (id: string, value?: string): WatchEvent => ({ type: 0, kv: kv(id, value) });
const drop = (id: string): WatchEvent => ({ type: 1, kv: kv(id) });

/** A member whose store is a list, and whose failures are decided by the test. */
class Member {
  readonly address = "member:1";
  kvs: KeyValue[] = [];
  revision = 10n;
  pages = 0;
  pageFails: (page: number) => RpcError | undefined = () => undefined;
  readonly watches: { from: bigint; listener: WatchListener }[] = [];
  readonly end = new AbortController();

  get signal(): AbortSignal {
    return this.end.signal;
  }

  page({ start, end }: KeyRange, limit: number, revision: bigint): Promise<RangeResponse> {
    const failure = this.pageFails(++this.pages);
    if (failure !== undefined) return Promise.reject(failure);
    const found = this.kvs.filter(({ key }) => compareKeys(key, start) >= 0 && compareKeys(key, end) < 0)
      .sort((a, b) => compareKeys(a.key, b.key));
    return Promise.resolve({
      header: { clusterId: 1n, memberId: 1n, revision: revision || this.revision },
      kvs: found.slice(0, limit), more: found.length > limit, count: BigInt(found.length),
    });
  }

  watch(_range: KeyRange, from: bigint, listener: WatchListener): Promise<() => void> {
    this.watches.push({ from, listener });
    return Promise.resolve(() => undefined);
  }
}

interface FollowedOptions {
  readonly pageEntries?: number;
  readonly maxEndpoints?: number;
  readonly members?: number;
  /** Who answers; default the one member. */
  readonly next?: () => Member;
}

function followed(member: Member, options: FollowedOptions = {}) {
  const { pageEntries = 1_000, maxEndpoints = 1_000, members = 1 } = options;
  const told: string[] = [];
  const skipped: string[] = [];
  const view = {
    told: (endpoints: readonly EndpointAddress[]) => void told.push(endpoints.map(({ id }) => id).sort().join()),
    skipped: (entry: string, why: string) => void skipped.push(`${entry}: ${why}`),
  };
  const { clock } = nodeRuntime;
  const set = new NameSet(clock, view, { range, maxEndpoints });
  const { next = () => member } = options;
  const link = { members, session: () => Promise.resolve(next() as unknown as Session) } as unknown as Link;
  const leave = new AbortController();
  const ended = followName({ range, set, link, clock, pageEntries, maxEndpoints }, leave.signal);
  ended.catch(() => undefined);
  return { told, skipped, set, view, leave, ended };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 2_000) throw new Error("never");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("pages are of one revision, and the watch begins behind it", async () => {
  const member = new Member();
  member.kvs = Array.from({ length: 25 }, (_, i) => kv(`h${i}`));
  const { told, leave, ended } = followed(member, { pageEntries: 10 });
  await until(() => member.watches.length === 1);
  assert.equal(told[0]?.split(",").length, 25);
  assert.equal(member.pages, 3);
  assert.equal(member.watches[0]?.from, 11n);
  leave.abort();
  await ended;
});

test("a revision that is forgotten between pages, or before the watch, is no failure", async () => {
  const member = new Member();
  member.kvs = Array.from({ length: 25 }, (_, i) => kv(`h${i}`));
  member.pageFails = (page) => (page === 2 ? compacted() : undefined);
  const { told, leave, ended } = followed(member, { pageEntries: 10 });
  await until(() => member.watches.length === 1);
  member.kvs = [kv("z")];
  member.revision = 20n;
  member.watches[0]?.listener.canceled(new RpcError("unavailable", "compacted"), true);
  await until(() => member.watches.length === 2);
  assert.equal(member.watches[1]?.from, 21n);
  assert.equal(told.at(-1), "z:1");
  leave.abort();
  await ended;
});

test("a member that forgets for ever is given up, as is a watch that it ends", async () => {
  const forgetful = new Member();
  forgetful.pageFails = compacted;
  await assert.rejects(followed(forgetful).ended, /compacted/);
  const member = new Member();
  const { ended } = followed(member);
  await until(() => member.watches.length === 1);
  member.watches[0]?.listener.canceled(new RpcError("unavailable", "etcd ended the watch: tired"), false);
  await assert.rejects(ended, /tired/);
});

test("pages that are too large are read in smaller ones", async () => {
  const member = new Member();
  member.kvs = Array.from({ length: 9 }, (_, i) => kv(`h${i}`));
  member.pageFails = (page) => (page < 3 ? new RpcError("resource_exhausted", "message too large") : undefined);
  const { told, leave, ended } = followed(member, { pageEntries: 16 });
  await until(() => member.watches.length === 1);
  assert.equal(told[0]?.split(",").length, 9);
  leave.abort();
  await ended;
});

test("a set without end is given up: in its pages, and as it grows", async () => {
  const member = new Member();
  member.kvs = Array.from({ length: 200 }, (_, i) => kv(`h${i}`));
  await assert.rejects(followed(member, { pageEntries: 10, maxEndpoints: 50 }).ended, /more than 50 endpoints/);
  assert.ok(member.pages <= 6);
  const growing = new Member();
  const { ended } = followed(growing, { maxEndpoints: 3 });
  await until(() => growing.watches.length === 1);
  growing.watches[0]?.listener.changed(["a", "b", "c", "d"].map((id) => put(id)), 11n);
  await assert.rejects(ended, /more than 3 endpoints/);
});

test("with other members a lost one is no failure; the last one is", async () => {
  const all = [new Member(), new Member(), new Member()] as const;
  for (const one of all) one.kvs = [kv("a")];
  let asked = -1;
  const { told, ended } = followed(all[0], { members: 2, next: () => all[++asked] ?? all[2] });
  for (const one of all) {
    await until(() => one.watches.length === 1);
    one.end.abort(new RpcError("unavailable", "lost"));
  }
  await assert.rejects(ended, /lost/);
  assert.deepEqual(told, ["a:1", "a:1", "a:1"]);
});

test("what etcd says it dropped is told no more", async () => {
  const member = new Member();
  member.kvs = [kv("a"), kv("b")];
  const { told, leave, ended } = followed(member);
  await until(() => member.watches.length === 1);
  member.watches[0]?.listener.changed([drop("a"), drop("never"), put("c")], 12n);
  await until(() => told.length === 2);
  assert.deepEqual(told, ["a:1,b:1", "b:1,c:1"]);
  leave.abort();
  await ended;
});

test("whatever a member says, only what is of the name is told, and nothing breaks", async () => {
  const id = fc.oneof(fc.constantFrom("a", "b", "c"), fc.string({ maxLength: 5 }));
  const value = fc.oneof(fc.json(), fc.string(), id.map((one) => `{"address":"${one}:1"}`));
  const anyKv = fc.oneof(fc.tuple(id, value).map(([one, text]) => kv(one, text)), fc.record({
    key: fc.uint8Array({ maxLength: 20 }), value: fc.uint8Array({ maxLength: 20 }),
    modRevision: fc.bigInt({ min: -1n, max: 5n }), lease: fc.constant(0n),
  }));
  const anyEvent = fc.record({ type: fc.integer({ min: -1, max: 3 }), kv: anyKv });
  await fc.assert(fc.asyncProperty(fc.array(anyKv), fc.boolean(), fc.array(fc.array(anyEvent)),
    async (kvs, more, changes) => {
      const liar = new Member();
      liar.page = () => Promise.resolve({
        header: { clusterId: 0n, memberId: 0n, revision: -1n }, kvs, more: more && liar.pages++ < 50, count: -5n,
      });
      const { told, leave, ended } = followed(liar);
      await Promise.race([ended.catch(() => undefined), until(() => liar.watches.length > 0)]);
      for (const events of changes) liar.watches.at(-1)?.listener.changed(events, 1n);
      leave.abort();
      await ended.catch((error: unknown) => assert.ok(RpcError.is(error)));
      assert.ok(told.every((one) => typeof one === "string"));
    }), { numRuns, seed: 20261121 });
});
