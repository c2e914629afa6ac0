/** How commands reach an admin service: its address, and the token of whoever may change things. */
import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { adminPort, adminSource, type AdminSource } from "../admin/index.ts";
import { RpcError, type Secret } from "../core/index.ts";
import { defaultTokenPath, secret, tls } from "../runtime/node/index.ts";

export interface AdminFlags {
  readonly admin: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly json?: boolean;
}

/** Exit codes of these commands, beside 2 for a command line that cannot be read. */
export const adminExits = "\nExit codes: 0 done, 1 it cannot be done (the message says why), 3 there is nobody to " +
  "ask, or\nno such record. The token is read from --token-file, else MERIDIAN_ADMIN_TOKEN, else\n" +
  "~/.meridian/admin-token.";

/** The environment's name of the token. */
const tokenVariable = "MERIDIAN_ADMIN_TOKEN";

export function withAdmin(command: Command): Command {
  return command
    .option("--admin <host:port>", "the admin service", addressOf, `127.0.0.1:${adminPort}`)
    .option("--token-file <path>", "where the token is")
    .option("--ca <path>", "the authority of its certificate, beyond loopback (PEM)")
    .option("--json", "JSON, one object a line");
}

function addressOf(text: string): string {
  if (/^(\[[0-9a-fA-F:.]+\]|[^\s:]+):\d{1,5}$/.test(text)) return text;
  if (/^\d{1,5}$/.test(text)) return `127.0.0.1:${text}`;
  throw new InvalidArgumentError("Write host:port, e.g. 127.0.0.1:7900.");
}

function tokenOf({ tokenFile }: AdminFlags): Secret | undefined {
  if (tokenFile !== undefined) return secret({ file: tokenFile });
  if (process.env[tokenVariable] !== undefined) return secret({ env: tokenVariable });
  const path = defaultTokenPath();
  return existsSync(path) ? secret({ file: path }) : undefined;
}

/** What a command asks; reading goes without a token where the token is not the right one for who is asked. */
export async function asking(
  flags: AdminFlags, reads: boolean, use: (calls: AdminSource["calls"]) => Promise<number>,
): Promise<number> {
  const token = tokenOf(flags);
  const first = await attempt(flags, token, use);
  if (first.error === undefined) return first.code;
  const isForeign = first.error.code === "unauthenticated" && flags.tokenFile === undefined;
  const second = isForeign && reads && token !== undefined ? await attempt(flags, undefined, use) : first;
  if (second.error === undefined) return second.code;
  throw explained(second.error, flags, token !== undefined);
}

async function attempt(
  flags: AdminFlags, token: Secret | undefined, use: (calls: AdminSource["calls"]) => Promise<number>,
): Promise<{ code: number; error?: RpcError }> {
  const security = flags.ca === undefined ? undefined : tls({ ca: { file: flags.ca } });
  const source = adminSource("command", {
    address: flags.admin, token, ...(security === undefined ? undefined : { tls: security }),
  });
  try {
    return { code: await use(source.calls) };
  } catch (error) {
    return { code: 1, error: RpcError.from(error) };
  } finally {
    source.close();
  }
}

/** An error of nobody being there, with what to do. */
export class NobodyThere extends RpcError {}

function explained(error: RpcError, { admin }: AdminFlags, hasToken: boolean): RpcError {
  if (error.code === "unavailable" || (error.code === "deadline_exceeded" && !error.remote)) {
    return new NobodyThere("unavailable", `no admin service answers at ${admin}: ${error.message}. Start one ` +
      "(`npm start`, `meridian up`, or serveAdmin in your program), or say where it is: --admin host:port");
  }
  if (error.code === "unauthenticated" || error.code === "permission_denied") {
    return new RpcError(error.code, `${admin} refused: ${error.message}. ${hasToken
      ? "The token is another service's: --token-file says where the right one is"
      : `Changes need its token: --token-file, or ${tokenVariable}`}`);
  }
  return error;
}

/** Runs a command's action, and turns "nobody there" and "no such record" into exit code 3. */
export async function exiting(ended: (code: number) => void, action: () => Promise<number>): Promise<void> {
  try {
    ended(await action());
  } catch (error) {
    if (!(error instanceof NobodyThere) && !(RpcError.is(error) && error.code === "not_found")) throw error;
    process.stderr.write(`meridian: ${error.message}\n`);
    ended(3);
  }
}

/** As JSON, whole numbers of 64 bits as text. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? String(one) : one));
}
