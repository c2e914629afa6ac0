/** Secrets of files and of the environment: never of the program's text. */
import { readFileSync, statSync } from "node:fs";
import { badOption } from "../../core/option.ts";
import { RpcError } from "../../core/error.ts";
import { Secret } from "../../core/secret.ts";

/** Where a secret is. Of a file, the end of its last line does not count. */
export type SecretSource = { readonly file: string } | { readonly env: string };

/** How often a file is looked at again, at most, in milliseconds. */
const lookMs = 1_000;
const maxBytes = 65_536;

/**
 * A secret that is read when it is first asked for, and of a file again when that changes. Throws `failed_precondition`
 * then where it is not there or empty; the message names where it was looked for.
 */
export function secret(source: SecretSource): Secret {
  if (typeof source !== "object" || source === null || ("file" in source) === ("env" in source)) {
    throw badOption("secret", "[secret]", "expected { file } or { env }: a secret does not belong in the program");
  }
  if ("env" in source) {
    const { env } = source;
    return new Secret(() => checked(process.env[env], `the environment has no ${env}`));
  }
  const { file } = source;
  let text = "";
  let stamp = "";
  let lookedMs = -Infinity;
  return new Secret(() => {
    const nowMs = performance.now();
    if (nowMs - lookedMs < lookMs && text !== "") return text;
    lookedMs = nowMs;
    try {
      const { mtimeMs, size, ino } = statSync(file);
      const found = `${mtimeMs} ${size} ${ino}`;
      if (found !== stamp) {
        if (size > maxBytes) throw new Error(`it has ${size} bytes, more than ${maxBytes}`);
        text = readFileSync(file, "utf8").replace(/\r?\n$/, "");
        stamp = found;
      }
    } catch (cause) {
      // While it is being replaced, what it said goes on.
      if (text !== "") return text;
      throw new RpcError("failed_precondition", `the secret of ${file} cannot be read: ${(cause as Error).message}`,
        { cause });
    }
    return checked(text, `the secret of ${file} is empty`);
  });
}

function checked(text: string | undefined, why: string): string {
  if (text !== undefined && text !== "") return text;
  throw new RpcError("failed_precondition", why);
}
