import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { RpcError } from "../../src/core/index.ts";
import { openFavourites } from "./favourites.ts";

const folder = mkdtempSync(join(tmpdir(), "favourites-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const contender = join(import.meta.dirname, "favourites.contender.ts");

/** What a contender printed, a line a key, until it ended or was killed after `killAfterLines`. */
async function contend(path: string, name: string, keys: string[], killAfterLines = Infinity): Promise<string[]> {
  const child = spawn(process.execPath, [contender, path, name, ...keys], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8");
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (text.split("\n").length > killAfterLines) child.kill("SIGKILL");
  }
  return text.split("\n").slice(0, -1);
}

function rows(path: string, query: string): Record<string, unknown>[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare(query).all();
  } finally {
    database.close();
  }
}

const keyed = (count: number): string[] => Array.from({ length: count }, (_, i) => `key-${i}`);

describe("the favourites store", () => {
  test("saves once per key and gives every repeat the first answer", () => {
    const store = openFavourites(join(folder, "once.db"));
    const save = { key: "k1", user: "u", cityId: 7, servedBy: "eu-west/a" };
    const first = store.save(save);
    assert.deepEqual(first, { favouriteId: 1, replayed: false });
    assert.deepEqual(store.save({ ...save, servedBy: "us-east/b" }), { favouriteId: 1, replayed: true });
    assert.equal(store.save({ ...save, key: "k2", cityId: 8 }).favouriteId, 2);
    assert.deepEqual(store.of("u", 10), [8, 7]);
    assert.deepEqual(store.of("u", 1), [8]);
    store.close();
  });

  test("refuses a key that comes back with another request, and writes nothing", () => {
    const path = join(folder, "misuse.db");
    const store = openFavourites(path);
    store.save({ key: "k", user: "u", cityId: 7, servedBy: "a" });
    assert.throws(() => store.save({ key: "k", user: "u", cityId: 8, servedBy: "a" }),
      (error) => RpcError.is(error) && error.code === "invalid_argument" && /use a new key/.test(error.message));
    assert.equal(rows(path, "SELECT * FROM favourites").length, 1);
    store.close();
  });

  test("says that nothing began when the file stays locked", () => {
    const path = join(folder, "locked.db");
    const store = openFavourites(path, { busyTimeoutMs: 1 });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    assert.throws(() => store.save({ key: "k", user: "u", cityId: 1, servedBy: "a" }),
      (error) => RpcError.is(error) && error.code === "unavailable" && error.neverStarted);
    other.exec("COMMIT");
    assert.equal(store.save({ key: "k", user: "u", cityId: 1, servedBy: "a" }).replayed, false);
    other.close();
    store.close();
  });

  test("has one effect per key when several processes save the same keys at once", async () => {
    const path = join(folder, "contended.db");
    openFavourites(path).close();
    const keys = keyed(300);
    // Each begins elsewhere in the list, so that all keep meeting each other's keys, first and repeated.
    const printed = await Promise.all([0, 75, 150, 225].map((offset) =>
      contend(path, `p${offset}`, [...keys.slice(offset), ...keys.slice(0, offset)])));
    const answers = Map.groupBy(printed.flat().map((line) => line.split(" ")), ([key]) => key);
    assert.equal(answers.size, keys.length);
    for (const [key, lines] of answers) {
      assert.equal(lines.length, 4);
      assert.equal(new Set(lines.map(([, id]) => id)).size, 1, `${key} has one answer`);
      assert.equal(lines.filter(([, , how]) => how === "written").length, 1, `${key} was written once`);
    }
    assert.equal(rows(path, "SELECT * FROM favourites").length, keys.length);
    assert.ok(rows(path, "SELECT saved FROM totals").every((row) => row["saved"] === 1));
  });

  test("keeps every acknowledged write of a killed process, and its repeats find it", async () => {
    const path = join(folder, "killed.db");
    openFavourites(path).close();
    const keys = keyed(20_000);
    const acknowledged = await contend(path, "killed", keys, 100);
    assert.ok(acknowledged.length >= 100 && acknowledged.length < keys.length, `${acknowledged.length} lines`);
    const repeated = await contend(path, "successor", keys.slice(0, acknowledged.length + 5));
    acknowledged.forEach((line, i) => {
      const [key, id] = line.split(" ");
      assert.equal(repeated[i], `${key} ${id} replayed`);
    });
    assert.equal(rows(path, "SELECT * FROM favourites").length, repeated.length);
    assert.ok(rows(path, "SELECT saved FROM totals").every((row) => row["saved"] === 1));
  });
});
