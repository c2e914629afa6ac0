/** A region's gateway: forwards to the region's servers, and to other regions' gateways when there are none. */
import { observeAll } from "../../src/core/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import { roundTripMs } from "./geography.ts";
import { type FromNode, machineMs, type NodeSettings, reportIntervalMs, verboseObserver } from "./messages.ts";
import { openPlace } from "./place.ts";

/** Resolves with the bound address once the registry knows it. Reports arrivals and attempts from then on. */
export async function startGateway(
  settings: NodeSettings, send: (message: FromNode) => void,
): Promise<string> {
  const { region, registry, failBack } = settings;
  const { runtime, discovery, registrar } = openPlace(region, registry);
  let arrivals: number[] = [];
  let attempts: { region: string; startedMs: number }[] = [];
  const gateway = createGatewayOn(runtime, {
    region, discovery, registry: registrar, timing: true,
    client: {
      // What we forward has passed one gateway, which is us, and may pass one more: the other region's.
      regions: { ...failBack, confineAfterHops: 2, expectedRoundTripMs: (to) => roundTripMs(region, to) },
    },
    observer: observeAll(verboseObserver(settings, send), {
      handled: (_, latencyMs) => void arrivals.push(machineMs() - latencyMs),
      attemptEnded: (_, endpoint, latencyMs) => void attempts.push({ region, startedMs: machineMs() - latencyMs }),
    }),
  });
  const address = await gateway.listen();
  setInterval(() => {
    send({ kind: "report", calls: [], writes: [], arrivals, attempts });
    arrivals = [];
    attempts = [];
  }, reportIntervalMs);
  return address;
}
