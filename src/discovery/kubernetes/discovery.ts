/** `kubernetesDiscoveryOn` finds the pods of services by their EndpointSlices, on any runtime. */
import type { ClusterCredentials } from "../../core/cluster.ts";
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type Engine, type EngineDiscovery, engineDiscovery, type EngineOptions } from "../engine.ts";
import { KubernetesApi } from "./api.ts";
import { followSlices, type FollowSettings } from "./follow.ts";
import { Pulse } from "./pulse.ts";
import type { ServiceNames } from "./target.ts";

export interface KubernetesOptions extends EngineOptions {
  /** The namespace of services that name none. Default: that of the credentials. */
  readonly namespace?: string | undefined;
  /**
   * Kubernetes services by the name they are watched by, where the name says something else: `NAME`, `NAME.NAMESPACE`
   * or slices' labels (`LABEL=VALUE,LABEL=VALUE`), and `:PORT` after each. Default: none. Names that are no service's,
   * such as `geo.v1.Cities`, are looked for as the label `meridian-rpc/service`.
   */
  readonly services?: ServiceNames | undefined;
  /** By its name or its number in the pods. Default: the only one, or that named meridian, native, grpc or rpc. */
  readonly port?: string | number | undefined;
  /** The region of endpoints whose slices name none (`meridian-rpc/region`), such as the cluster's. Default none. */
  readonly region?: string | undefined;
  /**
   * Our own zone, to honour the hints of topology-aware routing: endpoints hinted for other zones have the next
   * priority. Default: hints are only told, as the attribute `zoneHints`.
   */
  readonly zoneHints?: string | undefined;
  /** Least duration of a watch, in milliseconds; the most is twice that. Default 300,000. */
  readonly watchMs?: number | undefined;
  /** Silence after which the API server is asked for a sign of life, in milliseconds. Default 1,000. */
  readonly probeMs?: number | undefined;
  /** Time it has to give it, in milliseconds. Default 1,500. */
  readonly probeTimeoutMs?: number | undefined;
  /** Time for one page of a list, in milliseconds. Default 10,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Time without event or bookmark after which a watch is given up, in milliseconds. Default 150,000. */
  readonly silenceMs?: number | undefined;
  /** Slices of one page of a list. Default 100. */
  readonly pageSlices?: number | undefined;
  /** Most slices of one name. Default 10,000. */
  readonly maxSlices?: number | undefined;
  /** Largest page of a list and largest event, in bytes. Default 64 MiB and 8 MiB. */
  readonly maxPageBytes?: number | undefined;
  readonly maxEventBytes?: number | undefined;
}

/** Throws `invalid_argument` for options that cannot be. What is wrong with credentials is told to watchers. */
export function kubernetesDiscoveryOn(
  runtime: Runtime, credentials: ClusterCredentials, options: KubernetesOptions = {},
): EngineDiscovery {
  check(options);
  const api = new KubernetesApi(runtime, credentials, {
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    maxPageBytes: options.maxPageBytes ?? 67_108_864,
    maxEventBytes: options.maxEventBytes ?? 8_388_608,
    silenceMs: options.silenceMs ?? 150_000,
    // Each name has a watch, each watch a socket; the probe and lists need some besides.
    maxWatches: (options.maxNames ?? 10_000) + 16,
  });
  const pulse = new Pulse(runtime.clock, (timeoutMs) => api.probe(timeoutMs),
    { intervalMs: options.probeMs ?? 1_000, timeoutMs: options.probeTimeoutMs ?? 1_500 });
  const settings: FollowSettings = {
    services: options.services, namespace: options.namespace, port: options.port, region: options.region ?? "",
    zoneHints: options.zoneHints, watchMs: options.watchMs ?? 300_000, pageSlices: options.pageSlices ?? 100,
    maxSlices: options.maxSlices ?? 10_000,
  };
  const engine: Engine = {
    name: api.name,
    follow: (name, view, signal) => followSlices({ runtime, api, pulse }, settings, name, view, signal),
    close: () => api.close(),
  };
  return engineDiscovery(runtime, engine, options);
}

function check({ namespace, port, pageSlices }: KubernetesOptions): void {
  if (namespace !== undefined && !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    refuse(`namespace ${JSON.stringify(namespace.slice(0, 128))} is no name of a namespace`);
  }
  const isPort = typeof port === "number" ? Number.isInteger(port) && port >= 1 && port <= 65_535 : port !== "";
  if (!isPort) refuse(`port ${JSON.stringify(port)} is neither a name nor a number from 1 to 65535`);
  if (pageSlices !== undefined && !(Number.isInteger(pageSlices) && pageSlices > 0)) {
    refuse(`pageSlices ${pageSlices} is no whole number above 0`);
  }
}

function refuse(what: string): never {
  throw new RpcError("invalid_argument", `kubernetesDiscovery: ${what}`, { retryable: false });
}
