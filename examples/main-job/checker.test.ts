import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { type Acknowledged, checkWrites } from "./checker.ts";
import { openFavourites } from "./favourites.ts";

const folder = mkdtempSync(join(tmpdir(), "checker-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Ten good writes, then whatever `breakIt` does behind the store's back. */
function verdictAfter(name: string, breakIt: (database: DatabaseSync, log: Acknowledged[]) => void) {
  const path = join(folder, `${name}.db`);
  const store = openFavourites(path);
  const log = Array.from({ length: 10 }, (_, i) => {
    const write = { user: `u${i % 3}`, cityId: i };
    return { ...write, favouriteId: store.save({ ...write, key: `k${i}`, servedBy: "x" }).favouriteId };
  });
  const database = new DatabaseSync(path);
  breakIt(database, log);
  database.close();
  store.close();
  const { lost, doubled, unacknowledged } = checkWrites(path, log);
  return { lost, doubled, unacknowledged };
}

test("finds nothing where nothing is wrong", () => {
  assert.deepEqual(verdictAfter("good", () => undefined), { lost: 0, doubled: 0, unacknowledged: 0 });
});

test("finds an acknowledged write that is gone", () => {
  const verdict = verdictAfter("gone", (database) => {
    database.exec("DELETE FROM favourites WHERE city = 4; UPDATE totals SET saved = saved - 1 WHERE user = 'u1'");
  });
  assert.deepEqual(verdict, { lost: 1, doubled: 0, unacknowledged: 0 });
});

test("finds an acknowledgement of something else than what was written", () => {
  const verdict = verdictAfter("other", (_, log) => {
    log[3] = { ...(log[3] as Acknowledged), favouriteId: 999 };
    log[5] = { ...(log[5] as Acknowledged), cityId: 555 };
  });
  assert.deepEqual(verdict, { lost: 2, doubled: 0, unacknowledged: 1 });
});

test("finds a write that was done twice under two keys", () => {
  const path = join(folder, "twice.db");
  const store = openFavourites(path);
  const write = { user: "u", cityId: 1, servedBy: "x" };
  const { favouriteId } = store.save({ ...write, key: "first" });
  store.save({ ...write, key: "second" });
  store.close();
  const { lost, doubled } = checkWrites(path, [{ user: "u", cityId: 1, favouriteId }]);
  assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 1 });
});

test("finds a doubled write that nobody acknowledged", () => {
  const verdict = verdictAfter("unseen", (database) => database.exec(`
    INSERT INTO favourites (user, city, served_by) VALUES ('u9', 9, 'x'), ('u9', 9, 'y');
    INSERT INTO totals (user, saved) VALUES ('u9', 2)`));
  assert.deepEqual(verdict, { lost: 0, doubled: 1, unacknowledged: 1 });
});

test("finds an effect of which only half happened, or happened twice", () => {
  const counted = verdictAfter("counted", (d) => d.exec("UPDATE totals SET saved = saved + 1 WHERE user = 'u0'"));
  assert.deepEqual(counted, { lost: 0, doubled: 1, unacknowledged: 0 });
  const uncounted = verdictAfter("uncounted", (d) => d.exec("DELETE FROM totals WHERE user = 'u0'"));
  assert.deepEqual(uncounted, { lost: 4, doubled: 0, unacknowledged: 0 });
});
