/**
 * The checker compares what clients were promised with what the database holds, and shares no code with the
 * servers it checks.
 *
 * Clients never ask twice for the same pair of user and city, so the pair names the logical write without
 * trusting idempotency keys: a key that changed between two attempts would show as a pair with two rows.
 */
import { DatabaseSync } from "node:sqlite";

/** A write that a client was told has happened. */
export interface Acknowledged {
  readonly user: string;
  readonly cityId: number;
  readonly favouriteId: number;
}

export interface Verdict {
  readonly acknowledged: number;
  /** Acknowledged writes that are not there, or not under the identifier that was acknowledged, or not counted. */
  readonly lost: number;
  /** Effects too many: rows beyond the first of a pair, acknowledged or not, and counts beyond the rows. */
  readonly doubled: number;
  /** Rows of writes whose outcome no client learned: neither lost nor wrong. */
  readonly unacknowledged: number;
}

/** Reads the database at `path` and judges the writes in `log`. */
export function checkWrites(path: string, log: readonly Acknowledged[]): Verdict {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare("SELECT id, user, city FROM favourites").all();
    const totals = database.prepare("SELECT user, saved FROM totals").all();
    const idsByPair = Map.groupBy(rows, (row) => pairOf(String(row["user"]), Number(row["city"])));
    const acknowledgedPairs = new Set<string>();
    let lost = 0;
    for (const { user, cityId, favouriteId } of log) {
      const pair = pairOf(user, cityId);
      acknowledgedPairs.add(pair);
      if (idsByPair.get(pair)?.some((row) => Number(row["id"]) === favouriteId) !== true) lost++;
    }
    const extraRows = [...idsByPair.values()].reduce((sum, ids) => sum + ids.length - 1, 0);
    const { uncounted, overcounted } = compareTotals(rows, totals);
    return {
      acknowledged: log.length,
      lost: lost + uncounted,
      doubled: extraRows + overcounted,
      unacknowledged: [...idsByPair.keys()].filter((pair) => !acknowledgedPairs.has(pair)).length,
    };
  } finally {
    database.close();
  }
}

type Row = Readonly<Record<string, unknown>>;

/** Each user's counter against their rows: the second effect of the transaction must agree with the first. */
function compareTotals(rows: readonly Row[], totals: readonly Row[]): { uncounted: number; overcounted: number } {
  const difference = new Map<string, number>();
  const add = (user: string, count: number): void => void difference.set(user, (difference.get(user) ?? 0) + count);
  for (const row of totals) add(String(row["user"]), Number(row["saved"]));
  for (const row of rows) add(String(row["user"]), -1);
  let uncounted = 0;
  let overcounted = 0;
  for (const surplus of difference.values()) {
    if (surplus > 0) overcounted += surplus;
    else uncounted -= surplus;
  }
  return { uncounted, overcounted };
}

function pairOf(user: string, cityId: number): string {
  return `${user}\u0000${cityId}`;
}
