/** `loadModule` imports a file of TypeScript or JavaScript, anew when it has changed. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { RpcError } from "../../core/error.ts";

/**
 * What the module at a path exports. A file that has changed since is run again; what it imports itself is not. Rejects
 * with `not_found` or `invalid_argument` saying what is wrong with it.
 */
export async function loadModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  const full = resolve(path);
  let stamp: string;
  try {
    const { mtimeMs, size } = statSync(full);
    stamp = `${mtimeMs}-${size}`;
  } catch (cause) {
    throw new RpcError("not_found", `there is no module ${path}`, { cause });
  }
  const url = pathToFileURL(full);
  // The first import shares the module with whoever else imports it; only what was changed is another one.
  const before = stamps.get(full);
  if (before === undefined) stamps.set(full, stamp);
  else if (before !== stamp) url.search = stamp;
  try {
    return await import(url.href) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RpcError("invalid_argument", `${path} cannot be loaded: ${why}`, { cause });
  }
}

const stamps = new Map<string, string>();
