/**
 * The clients of one region: they make calls at a steady rate, whatever becomes of them, and report each.
 *
 * Open loop: a call is due when it is due, also while earlier ones wait, as with users who do not know of each
 * other. Calls in flight are bounded by the rate times the longest timeout.
 */
import { type Metadata, observeAll, RpcError } from "../../src/core/index.ts";
import { createClientOn } from "../../src/client/index.ts";
import { gatewayServiceName } from "../../src/gateway/index.ts";
import type { Acknowledged } from "./checker.ts";
import { readAtlas } from "./atlas-file.ts";
import { Cities } from "./contract.ts";
import type { AttemptRecord, CallRecord } from "./figures.ts";
import { regions, roundTripMs } from "./geography.ts";
import {
  type FromNode, machineMs, type NodeSettings, reportIntervalMs, type ToNode, verboseObserver,
} from "./messages.ts";
import { openPlace } from "./place.ts";
import { servedByTrailer, upstreamTrailer } from "./trailers.ts";
import { type CitiesClient, createWorkload, WrongAnswer } from "./workload.ts";

/** Begins to call when the supervisor says so. */
export function startCalling(
  settings: NodeSettings, send: (message: FromNode) => void,
): void {
  const { region, registry, atlasPath, callsPerSecond, direct, failBack } = settings;
  let calls: CallRecord[] = [];
  let attempts: AttemptRecord[] = [];
  let writes: Acknowledged[] = [];
  // First, since it holds this process up, and a connection that is being opened would notice.
  const cities = readAtlas(atlasPath).cities();
  const { runtime, discovery } = openPlace(region, registry);
  const client = createClientOn(runtime, Cities, {
    discovery, region, name: direct ? Cities.name : gatewayServiceName,
    regions: { ...failBack, expectedRoundTripMs: (to) => roundTripMs(region, to) },
    observer: observeAll(verboseObserver(settings, send), {
      attemptEnded: (_, endpoint, latencyMs) => void attempts.push({ region, startedMs: machineMs() - latencyMs }),
    }),
  });
  const next = createWorkload(cities, {
    region, seed: regions.findIndex(({ name }) => name === region), onAcknowledged: (write) => void writes.push(write),
  });
  const report = (): void => {
    send({ kind: "report", calls, attempts, writes, arrivals: [] });
    [calls, attempts, writes] = [[], [], []];
  };
  const inFlight = new Set<Promise<void>>();
  const make = async (dueMs: number): Promise<void> => {
    const record = await timed(client, next(), dueMs);
    calls.push({ ...record, region });
  };
  const issue = (dueMs: number): void => {
    const call = make(dueMs).finally(() => inFlight.delete(call));
    inFlight.add(call);
  };
  const finish = async (): Promise<void> => {
    await Promise.all(inFlight);
    report();
    send({ kind: "finished" });
  };
  setInterval(report, reportIntervalMs);
  let stop = (): void => undefined;
  process.on("message", (message: ToNode) => {
    stop();
    if (message.kind === "begin") stop = atRate(callsPerSecond, issue);
    else void finish();
  });
}

/** Calls `issue` with the due times of a steady rate until told to stop; catches up after a stall. */
function atRate(perSecond: number, issue: (dueMs: number) => void): () => void {
  const intervalMs = 1_000 / perSecond;
  let dueMs = machineMs();
  const tick = (): void => {
    const nowMs = machineMs();
    for (; dueMs <= nowMs; dueMs += intervalMs) issue(dueMs);
    timer = setTimeout(tick, dueMs - nowMs);
  };
  let timer = setTimeout(tick);
  return () => clearTimeout(timer);
}

/** Makes one call and says how it went; never rejects. */
async function timed(
  client: CitiesClient, { method, run }: ReturnType<ReturnType<typeof createWorkload>>, dueMs: number,
): Promise<Omit<CallRecord, "region">> {
  let trailer: Metadata = {};
  const onMetadata = (kind: "header" | "trailer", metadata: Metadata): void => {
    if (kind === "trailer") trailer = metadata;
  };
  let [code, why] = ["ok", ""];
  try {
    await run(client, { onMetadata });
  } catch (error) {
    code = error instanceof WrongAnswer ? error.code : RpcError.from(error).code;
    why = String(error);
  }
  const [servedRegion = "", servedZone = ""] = code === "ok" ? (trailer[servedByTrailer] ?? "").split("/") : [];
  const upstreamMs = trailer[upstreamTrailer];
  return {
    method, startedMs: dueMs, endedMs: machineMs(), code, why, servedRegion, servedZone,
    proxyMs: upstreamMs === undefined ? undefined : Number(upstreamMs),
  };
}
