/** What Redis and its client complain of, as errors that say what to do. */
import { RpcError } from "../../core/error.ts";
import type { Code } from "../../core/code.ts";

const refusals: readonly (readonly [pattern: RegExp, code: Code, advice: string])[] = [
  [/^WRONGPASS|invalid password/, "unauthenticated", "the user or password is wrong"],
  [/^NOAUTH/, "unauthenticated", "it asks for a password, and none was given (options `username`, `password`)"],
  [/^NOPERM|ACL failure in script|user executing the script can't/, "permission_denied",
    "its ACL does not allow that to this user"],
  [/^WRONGTYPE/, "failed_precondition", "a key of ours holds something else; delete it, or choose another `prefix`"],
  [/unknown command.*HELLO|^NOPROTO/i, "failed_precondition", "it is older than version 6"],
];

/** `what` says what was tried, as in "cannot connect to Redis at 127.0.0.1:6379". */
export function redisError(what: string, cause: unknown): RpcError {
  if (RpcError.is(cause)) return cause;
  const text = cause instanceof AggregateError && cause.message === ""
    ? String((cause.errors as readonly unknown[])[0])
    : cause instanceof Error ? cause.message : String(cause);
  for (const [pattern, code, advice] of refusals) {
    if (pattern.test(text)) return new RpcError(code, `${what}: ${advice}`, { cause, remote: true });
  }
  return new RpcError("unavailable", `${what}: ${text.slice(0, 256)}`, { cause });
}
