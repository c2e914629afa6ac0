// A server is killed between effect and reply, and the call is repeated at another: over real processes and PostgreSQL.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";
import pg from "pg";
import { createClient } from "../../src/index.ts";
import { createIdempotencyKey, isOutcomeUnknown, postgresReplaySchema } from "../../src/replay/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import type { EngineProcess } from "../engines/engine-process.ts";
import { Accounts } from "./accounts.ts";
import { lackingPostgres, settings, startPostgres } from "./postgres.ts";

const skip = lackingPostgres;
const table = "crash_replay";
let engine: EngineProcess;
let pool: pg.Pool;
const started: ChildProcess[] = [];

before(async () => {
  if (skip !== false) return;
  engine = await startPostgres();
  pool = new pg.Pool({ ...settings(engine.port), max: 4 });
  pool.on("error", () => undefined);
  await pool.query(postgresReplaySchema({ table }));
  await pool.query("CREATE TABLE accounts (id text PRIMARY KEY, balance int NOT NULL)");
});
after(async () => {
  for (const one of started) if (one.exitCode === null) one.kill("SIGKILL");
  await pool?.end();
  await engine?.stop();
});

interface Serving {
  readonly address: string;
  readonly child: ChildProcess;
  /** Resolves when it has printed the line. */
  said(line: string): Promise<void>;
}

/** Starts a server, which stands still where it is told to. */
async function serve(stopAt: string): Promise<Serving> {
  const child = spawn(process.execPath, [new URL("server-process.ts", import.meta.url).pathname, String(engine.port),
    table, stopAt], { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  const lines: string[] = [];
  const waiting = new Map<string, () => void>();
  const reader = createInterface({ input: child.stdout });
  const address = await new Promise<string>((resolve) => {
    reader.on("line", (line) => {
      lines.push(line);
      waiting.get(line)?.();
      if (line.startsWith("listening ")) resolve(line.slice("listening ".length));
    });
  });
  return {
    address, child,
    said: (line) => new Promise((resolve) => {
      if (lines.includes(line)) resolve();
      else waiting.set(line, resolve);
    }),
  };
}

async function balanceOf(id: string): Promise<number | undefined> {
  return (await pool.query<{ balance: number }>("SELECT balance FROM accounts WHERE id = $1", [id])).rows[0]?.balance;
}

interface Crash {
  readonly method: "deposit" | "depositAlone";
  readonly stopAt: "before" | "after";
}

/** Lets a server be killed in the middle of a call, and repeats the call at another. */
async function crashAndRepeat({ method, stopAt }: Crash): Promise<{ repeat: unknown; balance: number | undefined }> {
  const [first, second] = await Promise.all([serve(stopAt), serve("")]);
  const client = createClient(Accounts, { address: first.address, retry: false });
  const other = createClient(Accounts, { address: second.address });
  const idempotencyKey = createIdempotencyKey(nodeRuntime);
  const request = { id: `${method} ${stopAt}`, cents: 5 };
  const lost = assert.rejects(client[method](request, { idempotencyKey, timeoutMs: 40_000 }), { code: "unavailable" });
  await first.said(stopAt);
  const gone = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await Promise.all([gone, lost]);
  const answers: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    answers.push(await other[method](request, { idempotencyKey, timeoutMs: 40_000 }).catch((error: unknown) => error));
  }
  client.$.close(0);
  other.$.close(0);
  second.child.kill("SIGKILL");
  assert.deepEqual(answers.map((one) => (isOutcomeUnknown(one) ? "unknown" : one)),
    Array.from({ length: 2 }, () => (isOutcomeUnknown(answers[0]) ? "unknown" : answers[0])));
  return { repeat: answers[0], balance: await balanceOf(request.id) };
}

for (const stopAt of ["before", "after"] as const) {
  test(`killed ${stopAt} the commit that holds effect and record: it comes about once`, { skip }, async () => {
    const { repeat, balance } = await crashAndRepeat({ method: "deposit", stopAt });
    assert.deepEqual(repeat, { balance: 5 });
    assert.equal(balance, 5);
  });

  test(`killed ${stopAt} an effect without a record: the outcome is unknown and stays`, { skip }, async () => {
    const { repeat, balance } = await crashAndRepeat({ method: "depositAlone", stopAt });
    assert.ok(isOutcomeUnknown(repeat), String(repeat));
    assert.equal(balance, stopAt === "after" ? 5 : undefined);
  });
}
