/** A registration is an entry as Consul's agent takes it: a service with a check. */
import type { EngineEntry } from "../engine.ts";
import { RpcError } from "../../core/error.ts";
import { splitAddress } from "./address.ts";
import { isConsulWeight, metaOf } from "./meta.ts";
import type { ConsulSettings } from "./settings.ts";

export interface ServiceRegistration {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Weights: { readonly Passing: number; readonly Warning: number };
  readonly Check: Readonly<Record<string, string>> & { readonly CheckID: string };
}

/** Throws `invalid_argument` for an endpoint that Consul has no room for. */
export function registrationOf(settings: ConsulSettings, entry: EngineEntry): ServiceRegistration {
  const { name, endpoint, registrant } = entry;
  const split = splitAddress(endpoint.address);
  if (split === undefined && settings.check.kind !== "ttl") {
    throw new RpcError("invalid_argument", `Consul's agent does not check ${endpoint.address} by ` +
      `${settings.check.kind}; expected the option check: { kind: "ttl" }`,
    { phase: "validate", retryable: false });
  }
  const id = `${safe(name)}:${safe(endpoint.id)}`;
  const weight = isConsulWeight(endpoint.weight) ? endpoint.weight : 1;
  return {
    ID: id, Name: settings.serviceName(name), Address: split?.host ?? "", Port: split?.port ?? 0, Tags: settings.tags,
    Meta: metaOf(name, registrant, endpoint), Weights: { Passing: weight, Warning: 1 },
    Check: {
      // Of this registration alone: whoever enters the same id later has another, and is not kept alive by us.
      CheckID: `${id}:${safe(registrant)}`, Name: `${name} at ${endpoint.address}`,
      DeregisterCriticalServiceAfter: `${settings.deregisterAfterMs}ms`, ...checkOf(settings, endpoint.address),
    },
  };
}

function checkOf({ check, ttlMs }: ConsulSettings, address: string): Record<string, string> {
  // What enters itself lives.
  if (check.kind === "ttl") return { TTL: `${ttlMs}ms`, Status: "passing" };
  const times = { Interval: `${check.intervalMs ?? 2_000}ms`, Timeout: `${check.timeoutMs ?? 1_000}ms` };
  switch (check.kind) {
    case "tcp": return { ...times, TCP: address };
    case "http": return { ...times, HTTP: check.url ?? `http://${address}/healthz` };
    case "grpc": return { ...times, GRPC: address };
  }
}

/** Text that stays one step of a path whatever proxies do to it: letters, digits, dots and dashes; others as `_2f`. */
function safe(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9.-]/g, (unit) => (unit === ":" ? ":"
    : `_${unit.charCodeAt(0).toString(16).padStart(unit > "\u00ff" ? 4 : 2, "0")}`));
}
