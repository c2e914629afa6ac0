// Completion records in a real PostgreSQL: the suite of all stores, and what only a database does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { postgresReplaySchema, postgresReplayStore, type ReplayCall } from "../../src/replay/index.ts";
import { replayStoreCases } from "../../src/testing/index.ts";
import type { EngineProcess } from "../engines/engine-process.ts";
import { lackingPostgres, settings, startPostgres } from "./postgres.ts";

const skip = lackingPostgres;
let server: EngineProcess;
let pool: pg.Pool;
let tables = 0;

before(async () => {
  if (skip !== false) return;
  server = await startPostgres();
  pool = new pg.Pool({ ...settings(server.port), max: 30 });
  pool.on("error", () => undefined);
});
after(async () => {
  await pool?.end();
  await server?.stop();
});

async function table(): Promise<string> {
  const name = `replay_${++tables}`;
  await pool.query(postgresReplaySchema({ table: name }));
  return name;
}

/** Runs statements in a transaction of its own. */
async function inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

for (const { name, run } of replayStoreCases(async () => {
  const own = await table();
  const store = postgresReplayStore(pool, { table: own });
  await pool.query(`CREATE TABLE ${own}_counter AS SELECT 0 AS n`);
  return {
    store, nowMs: () => Date.now(), advance: (ms) => sleep(ms),
    write: (claim, outcome) => inTransaction(async (client) => {
      await client.query(`UPDATE ${own}_counter SET n = n + 1`);
      await store.record(claim, outcome, client);
    }),
    written: async () => ((await pool.query<{ n: number }>(`SELECT n FROM ${own}_counter`)).rows[0] as { n: number }).n,
  };
})) test(name, { skip }, run);

const call = (fields: Partial<ReplayCall> = {}): ReplayCall => ({
  key: "k", stampMs: Date.now(), isFirst: true, method: "bank.v1.Bank/pay", fingerprint: "", nowMs: Date.now(),
  leaseMs: 60_000, retentionMs: 600_000, clockSkewMs: 1_000, takesOver: false, ...fields,
});

test("a transaction that is open keeps nobody waiting, and a takeover waits for its end", { skip }, async () => {
  const store = postgresReplayStore(pool, { table: await table() });
  const mine = call({ leaseMs: 100 });
  const answer = await store.claim(mine);
  assert.ok(answer.kind === "claimed");
  let takeover: ReturnType<typeof store.claim> | undefined;
  await inTransaction(async (client) => {
    await store.record({ call: mine, fence: answer.fence }, Uint8Array.of(5), client);
    await sleep(150);
    assert.equal((await store.claim(call())).kind, "abandoned");
    takeover = store.claim(call({ takesOver: true }));
    await sleep(50);
  });
  const told = await takeover;
  assert.equal(told?.kind, "done");
});

test("a transaction that is rolled back leaves the claim", { skip }, async () => {
  const store = postgresReplayStore(pool, { table: await table() });
  const mine = call();
  const answer = await store.claim(mine);
  assert.ok(answer.kind === "claimed");
  const claim = { call: mine, fence: answer.fence };
  await assert.rejects(inTransaction(async (client) => {
    await store.record(claim, Uint8Array.of(5), client);
    throw new Error("changed my mind");
  }), /changed my mind/);
  assert.equal((await store.claim(mine)).kind, "running");
  assert.equal(await store.complete(claim, Uint8Array.of(6)), true);
});

test("sweeping takes what has expired and nothing else", { skip }, async () => {
  const own = await table();
  const store = postgresReplayStore(pool, { table: own });
  for (let i = 0; i < 20; i++) await store.claim(call({ key: `k${i}` }));
  await pool.query(`UPDATE ${own} SET expires_ms = 0 WHERE key IN ('k3', 'k7')`);
  await store.sweep?.(0);
  assert.equal((await pool.query(`SELECT key FROM ${own}`)).rowCount, 18);
});

test("record is refused on the store's own pool, and tables of odd names too", { skip }, async () => {
  const store = postgresReplayStore(pool, { table: await table() });
  await assert.rejects(store.record(undefined, new Uint8Array(0), pool), { code: "invalid_argument" });
  for (const odd of ["a;b", "A", "", "a.b.c", "a'b"]) {
    assert.throws(() => postgresReplayStore(pool, { table: odd }), { code: "invalid_argument", message: /^table is/ });
    assert.throws(() => postgresReplaySchema({ table: odd }), { code: "invalid_argument" });
  }
});
