/** An Agent is Consul's own HTTP interface on this machine: asked with our token, its refusals explained. */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { statusError } from "../../http/request-answer.ts";
import { type HttpAnswer, httpRequester } from "../../http/request.ts";
import type { ConsulSettings } from "./settings.ts";

export interface AgentQuestion {
  readonly method: "GET" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Agent {
  /** What messages call it. */
  readonly name: string;
  /** Whatever it answers, unless it says that we may not ask, or not so. */
  ask(question: AgentQuestion): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** Requests besides long polls: few, and short. */
const shortRequests = 32;

export function consulAgent(runtime: Runtime, settings: ConsulSettings): Agent {
  const { address, tls, token, timeoutMs, maxBytes, maxLongPolls } = settings;
  const name = `Consul at ${address}`;
  const requester = httpRequester(runtime, {
    address, security: tls, name, timeoutMs, maxBytes, maxRequests: maxLongPolls + shortRequests,
  });
  return {
    name,
    async ask({ method, path, body, timeoutMs: patienceMs, signal }) {
      const secret = await token?.();
      const answer = await requester.request({
        method, path, signal, timeoutMs: patienceMs,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(secret === undefined || secret === "" ? {} : { fields: { "x-consul-token": secret.trim() } }),
      });
      if (answer.status === 401 || answer.status === 403) throw forbidden(name, answer, secret !== undefined);
      if (answer.status === 400 && isPlain(answer)) throw plain(name, answer);
      return answer;
    },
    close: () => requester.close(),
  };
}

/** Whether an HTTPS port says that it was not asked by TLS. */
function isPlain({ text }: HttpAnswer): boolean {
  return text.includes("HTTP request to an HTTPS server");
}

function plain(name: string, answer: HttpAnswer): RpcError {
  const { code, message } = statusError(name, answer);
  return new RpcError(code, `${message.trim()}; give the option \`tls\``, { remote: true, phase: "resolve" });
}

function forbidden(name: string, answer: HttpAnswer, hasToken: boolean): RpcError {
  const { code, message } = statusError(name, answer);
  const hint = !hasToken ? "give the option `token`"
    : /not found|unknown/i.test(answer.text) ? "the token is unknown there: it was deleted, or has expired"
    : "the token's policies must allow service:write to register and service:read with node:read to find";
  return new RpcError(code, `${message}; ${hint}`, { remote: true, retryable: false, phase: "resolve" });
}
