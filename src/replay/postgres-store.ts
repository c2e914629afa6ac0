/**
 * Completion records in PostgreSQL: one row a key, in the database that holds what handlers change, so that both are
 * written by one transaction.
 *
 * Any client that has `query(text, values)` as those of `pg` do will serve. All times are the database's own.
 */
import { badOption, RpcError } from "../core/index.ts";
import { claimLost } from "./memory-store.ts";
import type { ClaimAnswer, ReplayCall, ReplayStore } from "./store.ts";

/** What is used of a Pool or a Client of `pg`. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{
    readonly rows: readonly unknown[];
    readonly rowCount: number | null;
  }>;
}

export interface PostgresReplayOptions {
  /** The table, with its schema if need be. Default `meridian_replay`. */
  readonly table?: string | undefined;
}

/** The statements that make the table, which may be run again and again. For a migration, or once at a start. */
export function postgresReplaySchema({ table = "meridian_replay" }: PostgresReplayOptions = {}): string {
  checkTable(table);
  return `CREATE TABLE IF NOT EXISTS ${table} (
  key text PRIMARY KEY,
  method text NOT NULL,
  fingerprint text NOT NULL,
  fence bigint NOT NULL,
  lease_ends_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  outcome bytea
);
CREATE INDEX IF NOT EXISTS ${table.slice(table.lastIndexOf(".") + 1)}_expires ON ${table} (expires_ms);`;
}

/** Records outlive the judgement that they are expired, by more than a clock is ever set back. */
const slackMs = 60_000;
const sweepRows = 5_000;
/** Rounds after which a claim and a conflicting row that is nowhere to be seen are no race any more. */
const maxRounds = 5;

const now = "(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)";

/** Makes a store over `client`, best a Pool. `record` is given the client of the handler's open transaction. */
export function postgresReplayStore(
  client: PostgresClient, options: PostgresReplayOptions = {},
): ReplayStore<PostgresClient> {
  const { table = "meridian_replay" } = options;
  checkTable(table);
  const sql = statements(table);

  async function claim(call: ReplayCall): Promise<ClaimAnswer> {
    const { key, method, fingerprint, stampMs = null, retentionMs, leaseMs, clockSkewMs } = call;
    for (let round = 0; round < maxRounds; round++) {
      const { rows } = await client.query(sql.claim,
        [key, method, fingerprint, stampMs, retentionMs, leaseMs, clockSkewMs]);
      const row = rows[0] as ClaimRow | undefined;
      if (row === undefined) throw strange("a claim");
      if (row.made !== null) return { kind: "claimed", fence: Number(row.made) };
      const nowMs = Number(row.now);
      // The row that was in the way may have come after this statement began.
      if (row.fence === null) {
        if (stampMs === null || (stampMs >= nowMs - retentionMs && stampMs <= nowMs + clockSkewMs)) continue;
        return stampMs > nowMs ? { kind: "ahead", byMs: stampMs - nowMs } : { kind: "forgotten" };
      }
      const isExpired = stampMs === null && Number(row.expires_ms) <= nowMs;
      if (!isExpired) {
        if (row.method !== method || row.fingerprint !== fingerprint) return { kind: "reused", method: row.method };
        if (row.outcome !== null) return { kind: "done", outcome: new Uint8Array(row.outcome) };
        if (Number(row.lease_ends_ms) > nowMs) return { kind: "running" };
        if (!call.takesOver) return { kind: "abandoned" };
      }
      const taken = await client.query(sql.take, [key, Number(row.fence), method, fingerprint, retentionMs, leaseMs,
        isExpired]);
      const [again] = taken.rows as readonly { readonly fence: string }[];
      if (again !== undefined) return { kind: "claimed", fence: Number(again.fence) };
    }
    return { kind: "running" };
  }

  return {
    name: "PostgreSQL",
    claim,
    complete: async ({ call, fence }, outcome) =>
      (await client.query(sql.complete, [call.key, fence, outcome])).rowCount === 1,
    async release({ call, fence }) {
      await client.query(sql.release, [call.key, fence]);
    },
    renew: async ({ call, fence }) => (await client.query(sql.renew, [call.key, fence, call.leaseMs])).rowCount === 1,
    async record(claimed, outcome, transaction) {
      if (transaction === client) {
        throw new RpcError("invalid_argument", "record is given the store's own client: give it the one on which the " +
          "handler's transaction is open, or the record would be committed without the effect");
      }
      if (claimed === undefined) return;
      const { call, fence } = claimed;
      const { rowCount } = await transaction.query(sql.complete, [call.key, fence, outcome]);
      if (rowCount !== 1) throw claimLost();
    },
    async sweep() {
      await client.query(sql.sweep);
    },
  };
}

interface ClaimRow {
  readonly now: string;
  readonly made: string | null;
  readonly fence: string | null;
  readonly method: string;
  readonly fingerprint: string;
  readonly lease_ends_ms: string;
  readonly expires_ms: string;
  readonly outcome: Uint8Array | null;
}

/**
 * Fences are times, so that they rise also over a row that was dropped and made again. A claim looks before it inserts:
 * an insert would wait for a transaction that is just recording.
 */
function statements(table: string) {
  const stillOpen = "key = $1 AND fence = $2 AND outcome IS NULL";
  return {
    claim: `WITH time AS (SELECT ${now} AS now), made AS (
  INSERT INTO ${table} AS held (key, method, fingerprint, fence, lease_ends_ms, expires_ms)
  SELECT $1, $2, $3, now, now + $6::bigint,
    coalesce($4::bigint + $5::bigint + ${slackMs} + $7::bigint, now + $5::bigint)
  FROM time WHERE NOT EXISTS (SELECT FROM ${table} WHERE key = $1)
    AND ($4::bigint IS NULL OR ($4::bigint >= now - $5::bigint AND $4::bigint <= now + $7::bigint))
  ON CONFLICT (key) DO NOTHING RETURNING fence
)
SELECT time.now, made.fence AS made, found.fence, found.method, found.fingerprint, found.lease_ends_ms,
  found.expires_ms, found.outcome
FROM time LEFT JOIN made ON true LEFT JOIN ${table} AS found ON found.key = $1`,
    take: `UPDATE ${table} SET fence = greatest(fence + 1, ${now}), method = $3, fingerprint = $4,
  lease_ends_ms = ${now} + $6::bigint, outcome = NULL,
  expires_ms = CASE WHEN $7::boolean THEN ${now} + $5::bigint ELSE expires_ms END
WHERE key = $1 AND fence = $2 AND CASE WHEN $7::boolean THEN expires_ms <= ${now}
  ELSE outcome IS NULL AND lease_ends_ms <= ${now} END RETURNING fence`,
    complete: `UPDATE ${table} SET outcome = $3 WHERE ${stillOpen}`,
    release: `DELETE FROM ${table} WHERE ${stillOpen}`,
    renew: `UPDATE ${table} SET lease_ends_ms = ${now} + $3::bigint WHERE ${stillOpen}`,
    sweep: `DELETE FROM ${table} WHERE key IN (
  SELECT key FROM ${table} WHERE expires_ms < ${now} - ${slackMs} LIMIT ${sweepRows} FOR UPDATE SKIP LOCKED)`,
  };
}

function checkTable(table: string): void {
  if (/^[a-z_][a-z0-9_]{0,40}(\.[a-z_][a-z0-9_]{0,40})?$/.test(table)) return;
  throw badOption("table", table, "expected a name of small letters, digits and _, with a schema before a dot if any");
}

function strange(what: string): RpcError {
  return new RpcError("unavailable", `PostgreSQL answered ${what} with no row`);
}

