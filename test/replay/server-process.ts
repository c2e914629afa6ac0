// A server of accounts in PostgreSQL as a process of its own, that can be told where to stand still for ever.
// Arguments: the port of PostgreSQL, the table of records, where to stand still. It prints `listening ADDRESS`.
import pg from "pg";
import { createServer } from "../../src/index.ts";
import { postgresReplayStore, replay } from "../../src/replay/index.ts";
import { Accounts } from "./accounts.ts";
import { settings } from "./postgres.ts";

const [port, table = "", stopAt] = process.argv.slice(2);
const pool = new pg.Pool({ ...settings(Number(port)), max: 8 });
const layer = replay({
  store: postgresReplayStore(pool, { table }), leaseMs: 600,
  afterCrash: ({ name }) => (name === "deposit" ? "run_again" : "unknown"),
});
const server = createServer({ replay: layer });

/** Says where it is, and stays there if it was told to: there it will be killed. */
async function reached(where: string): Promise<void> {
  console.log(where);
  if (where === stopAt) await new Promise(() => undefined);
}

async function deposit(id: string, cents: number, client: pg.ClientBase): Promise<{ balance: number }> {
  const { rows } = await client.query<{ balance: number }>(
    "INSERT INTO accounts (id, balance) VALUES ($1, $2) " +
    "ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + $2 RETURNING balance", [id, cents]);
  return { balance: rows[0]?.balance ?? 0 };
}

server.implement(Accounts, {
  async deposit({ id, cents }, context) {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const result = await deposit(id, cents, client);
      await layer.record(context, result, client);
      await reached("before");
      await client.query("COMMIT");
      await reached("after");
      return result;
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  },
  async depositAlone({ id, cents }) {
    const client = await pool.connect();
    try {
      await reached("before");
      const result = await deposit(id, cents, client);
      await reached("after");
      return result;
    } finally {
      client.release();
    }
  },
});
console.log(`listening ${await server.listen()}`);
