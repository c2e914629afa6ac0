/**
 * The little of the Kubernetes API that is asked for: endpoint slices of a namespace, listed or watched, by credentials
 * that are read anew for each request, since tokens rotate and certificates are renewed.
 */
import type { ClusterAccess, ClusterCredentials } from "../../core/cluster.ts";
import { RpcError } from "../../core/error.ts";
import type { Runtime, Security } from "../../core/runtime.ts";
import { jsonOf } from "../../http/request-answer.ts";
import { httpRequester, type HttpRequester, type HttpStream } from "../../http/request.ts";
import { type Asked, isExpired, refusal } from "./refusal.ts";

export interface ApiSettings {
  /** Time for one page of a list, or for the head of a watch. */
  readonly requestTimeoutMs: number;
  readonly maxPageBytes: number;
  readonly maxEventBytes: number;
  /** Silence after which a watch is given up. */
  readonly silenceMs: number;
  readonly maxWatches: number;
}

/** The version asked for is no longer kept. */
export const expired: unique symbol = Symbol("expired");

export type Query = Readonly<Record<string, string | number | boolean>>;

interface Way {
  readonly requester: HttpRequester;
  readonly address: string;
  readonly security: Security | undefined;
}

type Answered = { readonly status: number };
type HeadOf = (asked: Asked, query: Query) => { path: string; fields: Record<string, string> };

export class KubernetesApi {
  readonly #runtime: Runtime;
  readonly #credentials: ClusterCredentials;
  readonly #settings: ApiSettings;
  readonly name: string;
  #way: Way | undefined = undefined;
  #access: ClusterAccess | undefined = undefined;
  #isClosed = false;

  constructor(runtime: Runtime, credentials: ClusterCredentials, settings: ApiSettings) {
    this.#runtime = runtime;
    this.#credentials = credentials;
    this.#settings = settings;
    this.name = `Kubernetes by ${credentials.source}`;
  }

  /** The namespace that the credentials mean. */
  async namespace(): Promise<string> {
    return (await this.#read()).namespace;
  }

  /** One page of a list, parsed; or `expired`. */
  async list(asked: Asked, query: Query, signal: AbortSignal): Promise<unknown> {
    const { requestTimeoutMs: timeoutMs, maxPageBytes: maxBytes } = this.#settings;
    const answer = await this.#ask((requester, head) =>
      requester.request({ method: "GET", ...head(asked, query), timeoutMs, maxBytes, signal }));
    if (isExpired(answer.status)) return expired;
    if (answer.status !== 200) throw this.#refusal(asked, answer);
    return jsonOf(this.#server, answer);
  }

  /** The stream of a watch; or `expired`. */
  async watch(asked: Asked, query: Query, signal: AbortSignal): Promise<HttpStream | typeof expired> {
    const { requestTimeoutMs: timeoutMs, maxEventBytes: maxLineBytes, silenceMs } = this.#settings;
    const stream = await this.#ask((requester, head) =>
      requester.stream({ method: "GET", ...head(asked, query), timeoutMs, maxLineBytes, silenceMs, signal }));
    if (stream.status === 200) return stream;
    const text = await stream.text();
    if (isExpired(stream.status)) return expired;
    throw this.#refusal(asked, { status: stream.status, text });
  }

  /**
   * Resolves if the server answers anything at all within `timeoutMs`, and rejects otherwise. Whatever it answers, it
   * lives: permission is not asked for, and an API server that is leaving (its `livez` fails) still serves watches.
   */
  async probe(timeoutMs: number): Promise<void> {
    const [way, access] = [this.#way, this.#access];
    if (way === undefined || access === undefined) return;
    await way.requester.request({
      method: "GET", path: `${access.basePath}/livez`, fields: authorization(access), timeoutMs, maxBytes: 65_536,
    });
  }

  get #server(): string {
    return this.#access === undefined ? "Kubernetes" : `Kubernetes at ${this.#access.address}`;
  }

  /** Once more with what the credentials are now, if those read before were refused: a token rotates meanwhile. */
  async #ask<T extends Answered>(send: (requester: HttpRequester, head: HeadOf) => Promise<T>): Promise<T> {
    const once = async (): Promise<T> => {
      const access = await this.#read();
      const { requester } = this.#wayTo(access);
      return send(requester, ({ namespace }, query) => ({
        path: `${access.basePath}/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices` +
          `?${Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&")}`,
        fields: { accept: "application/json", ...authorization(access) },
      }));
    };
    const answer = await once();
    if (answer.status !== 401) return answer;
    if ("cancel" in answer && typeof answer.cancel === "function") answer.cancel();
    return once();
  }

  async #read(): Promise<ClusterAccess> {
    this.#access = await this.#credentials.read();
    return this.#access;
  }

  /** The connections to where the credentials point, and those alone: others are ended. */
  #wayTo({ address, security }: ClusterAccess): Way {
    if (this.#isClosed) throw new RpcError("cancelled", `${this.name} is closed`, { phase: "resolve" });
    if (this.#way?.address === address && this.#way.security === security) return this.#way;
    void this.#way?.requester.close();
    const requester = httpRequester(this.#runtime, {
      address, security, name: `Kubernetes at ${address}`, maxRequests: this.#settings.maxWatches,
      maxBytes: this.#settings.maxPageBytes,
    });
    return this.#way = { requester, address, security };
  }

  #refusal(asked: Asked, answer: { readonly status: number; readonly text: string }): RpcError {
    return refusal(this.#server, this.#credentials.source, asked, answer);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#way?.requester.close();
  }
}

function authorization(access: ClusterAccess): Record<string, string> {
  return access.authorization === undefined ? {} : { authorization: access.authorization };
}
