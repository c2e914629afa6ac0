/**
 * The favourites store: one SQLite file that all servers open, standing for a team's replicated database.
 *
 * The record of an idempotency key is written in the same transaction as the effect it belongs to. That, and
 * nothing weaker, makes a repeated call harmless whichever server it reaches: the effect and the memory of it
 * exist together or not at all, also when the process is killed between two instructions.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { RpcError } from "../../src/core/index.ts";

export interface Save {
  /** Names the logical write; repeats of it carry the same key. */
  readonly key: string;
  readonly user: string;
  readonly cityId: number;
  /** Who handles it, for people who look into the file. */
  readonly servedBy: string;
}

export interface Saved {
  readonly favouriteId: number;
  /** The key had been seen: this is the answer recorded then, and nothing was written now. */
  readonly replayed: boolean;
}

export interface FavouriteStore {
  /**
   * Saves once per key. Throws `invalid_argument` if the key came before with another request, `unavailable`
   * (never started) if the file stays locked for `busyTimeoutMs`.
   */
  save(save: Save): Saved;
  /** The cities of one user, the latest first, at most `limit`. */
  of(user: string, limit: number): number[];
  close(): void;
}

/**
 * A doubled effect must be able to show, so nothing here forbids it: `favourites` has no unique pair, and
 * `totals` counts up rather than being derived.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS favourites (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, city INTEGER NOT NULL, served_by TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS favourites_by_user ON favourites (user, id);
  CREATE TABLE IF NOT EXISTS totals (user TEXT PRIMARY KEY, saved INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, user TEXT NOT NULL, city INTEGER NOT NULL, favourite INTEGER NOT NULL
  ) WITHOUT ROWID;`;

export interface StoreOptions {
  /** How long a write waits for another process's transaction, which takes microseconds. Default 250 ms. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens `path`, creating it if need be. The first opener should be alone, since switching to the write-ahead log
 * takes the file for itself.
 *
 * `synchronous = NORMAL` does not wait for the disk: a killed process loses nothing, since what it committed is
 * the kernel's by then. Only a power cut could undo the last commits.
 */
export function openFavourites(path: string, options: StoreOptions = {}): FavouriteStore {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs ?? 250}`);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  database.exec(schema);
  const statements = prepare(database);
  return {
    save: (save) => inTransaction(database, () => saveOnce(statements, save)),
    of: (user, limit) => statements.list.all(user, limit).map((row) => Number(row["city"])),
    close: () => database.close(),
  };
}

type Statements = Readonly<Record<"recorded" | "record" | "insert" | "count" | "list", StatementSync>>;

function prepare(database: DatabaseSync): Statements {
  return {
    recorded: database.prepare("SELECT user, city, favourite FROM idempotency WHERE key = ?"),
    record: database.prepare("INSERT INTO idempotency (key, user, city, favourite) VALUES (?, ?, ?, ?)"),
    insert: database.prepare("INSERT INTO favourites (user, city, served_by) VALUES (?, ?, ?)"),
    count: database.prepare(
      "INSERT INTO totals (user, saved) VALUES (?, 1) ON CONFLICT (user) DO UPDATE SET saved = saved + 1"),
    list: database.prepare("SELECT city FROM favourites WHERE user = ? ORDER BY id DESC LIMIT ?"),
  };
}

function saveOnce({ recorded, record, insert, count }: Statements, { key, user, cityId, servedBy }: Save): Saved {
  const earlier = recorded.get(key);
  if (earlier !== undefined) {
    if (earlier["user"] !== user || earlier["city"] !== cityId) {
      throw new RpcError("invalid_argument",
        `idempotency key ${key} was used to save city ${Number(earlier["city"])} for ${String(earlier["user"])}, and ` +
        `now comes with city ${cityId} for ${user}; use a new key for a new write`);
    }
    return { favouriteId: Number(earlier["favourite"]), replayed: true };
  }
  const favouriteId = Number(insert.run(user, cityId, servedBy).lastInsertRowid);
  count.run(user);
  record.run(key, user, cityId, favouriteId);
  return { favouriteId, replayed: false };
}

/** SQLite's code for a file that another connection holds. */
const busy = 5;

/** Takes the write lock first, so that two repeats of one write cannot both find no record. */
function inTransaction<T>(database: DatabaseSync, body: () => T): T {
  try {
    database.exec("BEGIN IMMEDIATE");
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== busy) throw error;
    throw new RpcError("unavailable", "the database file is locked by another server; try again",
      { neverStarted: true, cause: error });
  }
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
