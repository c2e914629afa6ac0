/** `followSlices` follows one name: a list, then watches from where it ended, and anew where Kubernetes asks for it. */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { EngineView } from "../engine.ts";
import type { KubernetesApi } from "./api.ts";
import { endpointsOf, type MergeSettings } from "./endpoints.ts";
import { listSlices, type ListSettings, type Place } from "./list.ts";
import type { Pulse } from "./pulse.ts";
import type { SliceSet } from "./slice-set.ts";
import { type ServiceNames, targetOf } from "./target.ts";
import { watchSlices, type WatchEnd } from "./watch.ts";

export interface FollowSettings extends ListSettings, MergeSettings {
  readonly services: ServiceNames | undefined;
  readonly namespace: string | undefined;
  /** Each watch lasts this long, up to twice as long by chance, so that those begun together do not end together. */
  readonly watchMs: number;
}

export interface Cluster {
  readonly runtime: Runtime;
  readonly api: KubernetesApi;
  readonly pulse: Pulse;
}

/** Watches that end sooner than this without a word are no way to go on at once. In milliseconds. */
const briefMs = 1_000;

/** Until `signal` aborts; rejects when the server refuses, is lost or says nonsense. */
export async function followSlices(
  cluster: Cluster, settings: FollowSettings, name: string, view: EngineView, signal: AbortSignal,
): Promise<void> {
  const { namespace, labelSelector, port } = targetOf(name, settings.services);
  const end = new AbortController();
  const stop = (): void => end.abort();
  let lost: RpcError | undefined;
  const leave = cluster.pulse.join((error) => {
    lost = error;
    end.abort();
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    const place: Place = {
      namespace: namespace ?? settings.namespace ?? await cluster.api.namespace(), labelSelector,
    };
    const merging = { ...settings, port: port ?? settings.port };
    while (!signal.aborted) await listAndWatch(cluster, { ...settings, ...merging }, place, view, end.signal);
  } catch (error) {
    if (!signal.aborted) throw lost ?? error;
  } finally {
    leave();
    signal.removeEventListener("abort", stop);
    end.abort();
  }
}

/** Returns when the list must be had anew. */
async function listAndWatch(
  { runtime, api, pulse }: Cluster, settings: FollowSettings, place: Place, view: EngineView, signal: AbortSignal,
): Promise<void> {
  const { clock, random } = runtime;
  const set = await listSlices(api, place, settings, signal);
  let isDue = false;
  const tell = (): void => {
    isDue = false;
    if (!signal.aborted) tellSet(set, settings, view);
  };
  tell();
  const listedMs = clock.now();
  const calls = {
    heard: () => pulse.heard(),
    // Events that came together are told together: Kubernetes moves endpoints between slices by several of them.
    changed() {
      if (isDue) return;
      isDue = true;
      clock.defer(tell);
    },
  };
  let briefs = 0;
  for (;;) {
    const startedMs = clock.now();
    const seconds = Math.max(1, Math.round(settings.watchMs * (1 + random.next()) / 1_000));
    const ended: WatchEnd = await watchSlices(api, place, set, seconds, calls, signal);
    const isExpired = ended.why === "expired";
    const isBrief = !ended.heard && clock.now() - (isExpired ? listedMs : startedMs) < briefMs;
    briefs = isBrief ? briefs + 1 : 0;
    // Once may be chance, such as a server that leaves just now; then the pause of whoever follows us is due.
    if (briefs > (isExpired ? 0 : 1)) throw brief(api.name, ended);
    if (isExpired) return;
  }
}

function brief(server: string, { why }: WatchEnd): RpcError {
  return new RpcError("unavailable", `${server} ended the watch at once, ${why === "expired"
    ? "as if it had forgotten the version that it listed just now" : "without a word"}`, { phase: "resolve" });
}

function tellSet(set: SliceSet, settings: MergeSettings, view: EngineView): void {
  const { endpoints, faults } = endpointsOf(set.slices, settings);
  for (const { entry, why } of [...set.faults, ...faults]) view.skipped(entry, why);
  view.told(endpoints);
}
