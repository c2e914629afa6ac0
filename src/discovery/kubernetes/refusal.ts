/** What a refusal of the Kubernetes API means in our words, and what to do about it. */
import type { Code } from "../../core/code.ts";
import { RpcError } from "../../core/error.ts";
import { statusError } from "../../http/request-answer.ts";

export interface Asked {
  readonly verb: "list" | "watch";
  readonly namespace: string;
}

/** The error for an answer that is none of 200. `source` names the credentials. */
export function refusal(
  server: string, source: string, asked: Asked, answer: { readonly status: number; readonly text: string },
): RpcError {
  const message = messageOf(answer.text);
  const refuse = (code: Code, text: string): RpcError =>
    new RpcError(code, text, { phase: "resolve", remote: true, retryable: false });
  switch (answer.status) {
    case 401:
      return refuse("unauthenticated", `${server} does not accept the credentials of ${source}, also after they were ` +
        "read again: the token may have run out or be of another cluster; get a new one (kubectl create token " +
        "ACCOUNT), or see that the pod mounts the token of its service account");
    case 403:
      return refuse("permission_denied", `${server} forbids "${asked.verb}" of endpointslices in the namespace ` +
        `"${asked.namespace}"${message === "" ? "" : ` (${message})`}; allow it: ${rule(asked.namespace, message)}`);
    case 404:
      return refuse("unimplemented", `${server} has no endpointslices of discovery.k8s.io/v1; Kubernetes has them ` +
        "since 1.21: is this its API?");
    default:
      return statusError(server, { status: answer.status, text: message === "" ? answer.text : message });
  }
}

/** Whether the version that was asked for is no longer kept, so that everything must be listed anew. */
export function isExpired(status: number): boolean {
  return status === 410;
}

/** The error that an event of type ERROR carries; undefined for the one that asks for a new list. */
export function eventError(server: string, status: unknown): RpcError | undefined {
  const { code, message } = fieldsOf(status);
  if (isExpired(code)) return undefined;
  return new RpcError("unavailable", `${server} ended the watch with ${code === 0 ? "an error" : `error ${code}`}: ` +
    (message || "it gives no reason"), { phase: "resolve", remote: true });
}

const account = /system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})/;

/** The two commands that allow it, for whoever the refusal names. */
function rule(namespace: string, message: string): string {
  const [, home, name] = account.exec(message) ?? [];
  const [, user] = /User "([^"\s]{1,128})"/.exec(message) ?? [];
  const who = home !== undefined ? `--serviceaccount=${home}:${name as string}`
    : user !== undefined ? `--user=${user}` : "--serviceaccount=NAMESPACE:ACCOUNT";
  return `kubectl create role meridian-discovery -n ${namespace} --verb=list,watch ` +
    `--resource=endpointslices.discovery.k8s.io && kubectl create rolebinding meridian-discovery -n ${namespace} ` +
    `--role=meridian-discovery ${who}`;
}

/** Of a Status object (meta/v1), the answer to whatever is refused. */
function messageOf(text: string): string {
  if (!text.trimStart().startsWith("{")) return "";
  try {
    return fieldsOf(JSON.parse(text)).message;
  } catch {
    return "";
  }
}

function fieldsOf(status: unknown): { code: number; message: string } {
  const { code, message } = (typeof status === "object" && status !== null ? status : {}) as Record<string, unknown>;
  return {
    code: typeof code === "number" ? code : 0,
    message: typeof message === "string" ? message.replaceAll(/[\s\p{Cc}]+/gu, " ").slice(0, 400) : "",
  };
}
