/** `listSlices` reads all slices of a target, page by page, as of one version. */
import { RpcError } from "../../core/error.ts";
import { describe } from "../services.ts";
import { expired, type KubernetesApi } from "./api.ts";
import { SliceSet, versionOf } from "./slice-set.ts";

export interface Place {
  readonly namespace: string;
  readonly labelSelector: string;
}

export interface ListSettings {
  readonly pageSlices: number;
  readonly maxSlices: number;
}

/** A list that expires half way is begun anew so often: pages that take minutes each would never end. */
const maxTries = 3;

/**
 * No version is asked for, which is Kubernetes' word for "the newest": version 0 would be cheaper, but may be answered
 * by a replica that lags, and would take the set back in time.
 */
export async function listSlices(
  api: KubernetesApi, { namespace, labelSelector }: Place, settings: ListSettings, signal: AbortSignal,
): Promise<SliceSet> {
  const first = { labelSelector, limit: settings.pageSlices };
  for (let tries = 0; tries < maxTries; tries++) {
    const set = new SliceSet(settings.maxSlices);
    let token = "";
    for (;;) {
      const query = token === "" ? first : { ...first, continue: token };
      const page = await api.list({ verb: "list", namespace }, query, signal);
      if (page === expired) break;
      token = take(page, set, api.name);
      if (token === "") return set;
    }
  }
  throw new RpcError("unavailable", `${api.name}: the list of slices expired ${maxTries} times before its end`,
    { phase: "resolve" });
}

/** Takes in one page and returns the token of the next, or nothing. */
function take(page: unknown, set: SliceSet, name: string): string {
  const { items, metadata } = (typeof page === "object" && page !== null ? page : {}) as
    { items?: unknown; metadata?: { continue?: unknown } | null };
  const version = versionOf(page);
  // A list without members is written as null by some.
  if ((items !== null && !Array.isArray(items)) || version === "") {
    throw new RpcError("internal", `${name} answered no list of slices, but ${describe(page)}`,
      { phase: "decode", retryable: true });
  }
  for (const item of items ?? []) set.put(item);
  set.version = version;
  const token = metadata?.continue;
  return typeof token === "string" ? token : "";
}
