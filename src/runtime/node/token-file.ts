/** A token that a process makes for itself, in a file that its owner alone can read: what an operator shows. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { RpcError } from "../../core/error.ts";
import type { Secret } from "../../core/secret.ts";
import { secret } from "./secret.ts";

export interface TokenFile {
  readonly path: string;
  readonly token: Secret;
  /** Whether it was made now. */
  readonly isNew: boolean;
}

/** Where the token of a user's admin services is, unless it is said: `~/.meridian/admin-token`. */
export function defaultTokenPath(): string {
  return join(homedir(), ".meridian", "admin-token");
}

/**
 * The token of a file, which is made (32 random bytes, mode 0600) if it is not there. Throws `failed_precondition` for
 * a file that others may read, or that cannot be made.
 */
export function tokenFile(path: string = defaultTokenPath()): TokenFile {
  let isNew = false;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Never over one that is there: two processes that start at once agree on the first.
    writeFileSync(path, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
    chmodSync(path, 0o600);
    isNew = true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new RpcError("failed_precondition", `no token can be kept at ${path}: ${(error as Error).message}`,
        { cause: error });
    }
  }
  const { mode } = statSync(path);
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new RpcError("failed_precondition",
      `others may read the token at ${path} (mode ${(mode & 0o777).toString(8)}): chmod 600 it, or remove it and a ` +
      "new one is made");
  }
  // Read once, so that what cannot be used is told now.
  if (readFileSync(path, "utf8").trim().length < 16) {
    throw new RpcError("failed_precondition", `the token at ${path} has fewer than 16 characters: remove the ` +
      "file, and a new one is made");
  }
  return { path, token: secret({ file: path }), isNew };
}
