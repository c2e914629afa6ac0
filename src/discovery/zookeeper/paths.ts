/** Paths are where a name and its entries stand in ZooKeeper's tree: PREFIX/NAME/ID. */
import { RpcError } from "../../core/error.ts";

/** Throws `invalid_argument` unless it is a path such as `/meridian` or `/`; returns it without a slash at the end. */
export function checkPrefix(prefix: string): string {
  if (prefix === "/") return "";
  const isPath = /^(?:\/[A-Za-z0-9_.:-]+)+$/.test(prefix) && !/\/\.\.?(?:\/|$)/.test(prefix);
  if (isPath && prefix.length <= 512) return prefix;
  throw new RpcError("invalid_argument", `the prefix ${JSON.stringify(prefix.slice(0, 64))} is no path of ZooKeeper; ` +
    "expected steps of letters, digits and _ . : - after slashes, such as /meridian");
}

/** One step of a path: legible for the usual `host:port`, and never more than one step. */
export function escapeStep(text: string): string {
  const escaped = encodeURIComponent(text.toWellFormed()).replaceAll("%3A", ":");
  // These two are steps of their own meaning.
  return escaped === "." || escaped === ".." ? escaped.replaceAll(".", "%2E") : escaped;
}

export function namePath(prefix: string, name: string): string {
  return `${prefix}/${escapeStep(name)}`;
}

/** `/a`, `/a/b` of `/a/b/c`. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf("/", 1); at !== -1; at = path.indexOf("/", at + 1)) parents.push(path.slice(0, at));
  return parents;
}
