/** PostgreSQL as tests start it: a server of its own below a temporary folder, which refuses to run as root. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import pg from "pg";
import { type EngineProcess, type EngineProgram, startEngine } from "../engines/engine-process.ts";

const debian = "/usr/lib/postgresql";

/** Where Debian keeps the programs of its newest version. */
function binaries(): string | undefined {
  if (!existsSync(debian)) return undefined;
  const versions = readdirSync(debian).filter((name) => existsSync(join(debian, name, "bin/postgres")));
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  return newest === undefined ? undefined : join(debian, newest, "bin");
}

const bin = binaries();

/** Why it cannot be started here: what `skip` takes. */
export const lackingPostgres: string | false = bin === undefined ? "not installed: postgresql" : false;

function id(flag: "-u" | "-g"): number {
  return Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
}

/** As whom it runs: not as root. */
function user(): readonly string[] {
  return process.getuid?.() === 0
    ? ["setpriv", `--reuid=${id("-u")}`, `--regid=${id("-g")}`, "--clear-groups"]
    : ["env"];
}

const program: EngineProgram = {
  name: "postgres",
  command(port, folder) {
    const as = user();
    if (!existsSync(join(folder, "PG_VERSION"))) {
      mkdirSync(folder, { recursive: true });
      if (process.getuid?.() === 0) {
        chmodSync(dirname(folder), 0o711);
        chownSync(folder, id("-u"), id("-g"));
      }
      const [first = "env", ...rest] = as;
      execFileSync(first, [...rest, `${bin}/initdb`, "-D", folder, "-U", "meridian", "-A", "trust", "-E", "UTF8",
        "--no-sync"], { cwd: "/", stdio: "pipe" });
    }
    return ["sh", "-c", 'cd / && exec "$@"', "sh", ...as, `${bin}/postgres`, "-D", folder, "-p", String(port),
      "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=60"];
  },
  async answers(port) {
    const client = new pg.Client(settings(port));
    try {
      await client.connect();
      return true;
    } finally {
      await client.end();
    }
  },
};

export function startPostgres(): Promise<EngineProcess> {
  return startEngine(program);
}

/** How clients connect to it. */
export function settings(port: number): pg.ClientConfig {
  return { host: "127.0.0.1", port, user: "meridian", database: "postgres", connectionTimeoutMillis: 5_000 };
}
