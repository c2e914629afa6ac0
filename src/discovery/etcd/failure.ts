/** What etcd's refusals mean, and what to do about them. */
import type { Code } from "../../core/code.ts";
import { RpcError } from "../../core/error.ts";
import type { EtcdSettings } from "./settings.ts";

/** Whether another try, or another member, may do better: nothing was said of the request itself. */
export function speaksAgainstMember(error: RpcError): boolean {
  switch (error.code) {
    case "unavailable":
    case "deadline_exceeded":
    case "internal":
    case "unknown":
    case "unimplemented":
    case "data_loss":
      return true;
    default:
      return false;
  }
}

/** Whether a token is no longer taken: it ran out, or the member restarted, or users were changed. */
export function isStaleToken(error: RpcError): boolean {
  return error.code === "unauthenticated" || /invalid auth token|revision of auth store is old/.test(error.message);
}

export function isCompacted(error: RpcError): boolean {
  return error.code === "out_of_range" && /compacted/.test(error.message);
}

/** The same error, or one that says what to do. Passwords and tokens are in none. */
export function explain(error: RpcError, settings: EtcdSettings): RpcError {
  // What was explained already, or never came from etcd.
  if (!error.remote || error.phase === "resolve") return error;
  const { user, prefix } = settings;
  const who = user === undefined ? "nobody" : `the user "${user}"`;
  if (/user name is empty/.test(error.message)) {
    return refusal("unauthenticated", "etcd asks who is there: give the options `user` and `password`", error);
  }
  if (/authentication failed/.test(error.message)) {
    return refusal("unauthenticated", `etcd refuses ${who}: the name or the password is wrong`, error);
  }
  if (isStaleToken(error)) {
    return refusal("unauthenticated", `etcd takes no token of ${who}: ${error.message}`, error);
  }
  if (error.code === "permission_denied") {
    return refusal("permission_denied", `etcd does not permit this to ${who}: give its role the keys, by ` +
      `etcdctl role grant-permission ROLE --prefix=true readwrite ${prefix} (read for those who only look)`, error);
  }
  if (error.code === "unimplemented") {
    return refusal("unimplemented", "whoever listens there does not speak etcd's API of version 3 (" +
      `${error.message}): is it etcd, 3.4 or later?`, error);
  }
  if (/database space exceeded/.test(error.message)) {
    return refusal("resource_exhausted", "etcd takes no more data (alarm NOSPACE): compact and defragment it, or " +
      "raise --quota-backend-bytes, and then etcdctl alarm disarm", error);
  }
  return error;
}

function refusal(code: Code, message: string, cause: RpcError): RpcError {
  return new RpcError(code, message, { cause, phase: "resolve", remote: true });
}
