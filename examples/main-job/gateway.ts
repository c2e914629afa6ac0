/** A region's gateway: forwards to the region's servers, and to other regions' gateways when there are none. */
import { createAdmin, serveAdmin } from "../../src/admin/index.ts";
import { observeAll } from "../../src/core/index.ts";
import { createGatewayOn, type GatewayOptions } from "../../src/gateway/index.ts";
import { Cities } from "./contract.ts";
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
  const { adminTokenPath } = settings;
  const admin = adminTokenPath === ""
    ? undefined
    : createAdmin({ region, name: `${region}/gateway`, contracts: [Cities] });
  const options: GatewayOptions = {
    region, discovery, registry: registrar, timing: true,
    client: {
      // What we forward has passed one gateway, which is us, and may pass one more: the other region's.
      regions: { ...failBack, confineAfterHops: 2, expectedRoundTripMs: (to) => roundTripMs(region, to) },
    },
    observer: observeAll(verboseObserver(settings, send), {
      handled: (_, latencyMs) => void arrivals.push(machineMs() - latencyMs),
      attemptEnded: (_, endpoint, latencyMs) => void attempts.push({ region, startedMs: machineMs() - latencyMs }),
    }),
  };
  const gateway = createGatewayOn(runtime, admin?.forGateway(options) ?? options);
  const address = await gateway.listen();
  if (admin !== undefined) {
    admin.add(gateway);
    const served = await serveAdmin(admin, { port: 0, token: { file: adminTokenPath } });
    send({ kind: "admin", address: served.address });
  }
  setInterval(() => {
    send({ kind: "report", calls: [], writes: [], arrivals, attempts });
    arrivals = [];
    attempts = [];
  }, reportIntervalMs);
  return address;
}
