/** `systemNameServers` says whom this machine asks for names: what stands in /etc/resolv.conf. */
import { readFile, stat } from "node:fs/promises";
import { RpcError } from "../../core/error.ts";
import { systemCode } from "./error.ts";

const defaultPath = "/etc/resolv.conf";
/** As many as the system's own resolver uses. */
const maxServers = 3;
const maxFileBytes = 1 << 20;

/**
 * A function that reads the file anew whenever it has changed. Only `nameserver` lines count: names are asked for as
 * they are (no `search`, no `ndots`), and /etc/hosts is not looked at. Without any line the machine itself is asked, as
 * the system's resolver does. The function rejects with `failed_precondition` if the file cannot be read.
 */
export function systemNameServers(path: string = defaultPath): () => Promise<readonly string[]> {
  let last: { readonly changedMs: number; readonly servers: readonly string[] } | undefined;
  return async () => {
    try {
      const { mtimeMs, size } = await stat(path);
      if (last?.changedMs === mtimeMs) return last.servers;
      if (size > maxFileBytes) throw new Error(`it has ${size} bytes`);
      last = { changedMs: mtimeMs, servers: nameServersIn(await readFile(path, "utf8")) };
      return last.servers;
    } catch (error) {
      throw new RpcError("failed_precondition", `cannot read the name servers in ${path}: ` +
        `${systemCode(error) || String(error)}; name them yourself`, { phase: "resolve", cause: error });
    }
  };
}

/** The servers that the text of a resolv.conf names, as `10.0.0.2:53`. */
export function nameServersIn(text: string): readonly string[] {
  const found = text.split("\n").flatMap((line) => {
    const [, server] = /^\s*nameserver\s+([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\s*(?:[#;].*)?$/.exec(line) ?? [];
    return server === undefined ? [] : [server.includes(":") ? `[${server}]:53` : `${server}:53`];
  });
  return found.length === 0 ? ["127.0.0.1:53"] : found.slice(0, maxServers);
}
