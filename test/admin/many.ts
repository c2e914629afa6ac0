/** Endpoints and methods by the thousand, as figures and snapshots see them. */
import type { ClientEndpoint } from "../../src/client/index.ts";
import { createLoad, endpointAddress, type MethodInfo, nextMethodOrdinal } from "../../src/core/index.ts";

/** The same `endpoints` servers under each of `services` names, in ten regions. */
export function manyEndpoints(services: number, endpoints: number): Map<string, readonly ClientEndpoint[]> {
  const byService = new Map<string, readonly ClientEndpoint[]>();
  for (let s = 0; s < services; s++) {
    byService.set(`s${s}.v1.S`, Array.from({ length: endpoints }, (_, i) => {
      const load = createLoad();
      load.inFlight = i % 3;
      load.report = { cpu: 0.5, memory: 0.5, inFlight: 1, callsPerSecond: 1, errorsPerSecond: 0, loopLagMs: 0 };
      const address = endpointAddress({ address: `10.0.${i >> 8}.${i & 255}:1`, region: `r${i % 10}` });
      return { address, load, status: i % 50 === 0 ? "suspect" : "ready" } as unknown as ClientEndpoint;
    }));
  }
  return byService;
}

export function methodsOf(services: number, methods: number): MethodInfo[] {
  return Array.from({ length: services * methods }, (_, i): MethodInfo => ({
    service: `s${Math.floor(i / methods)}.v1.S`, name: `m${i % methods}`, path: `s${i}/m`, wireName: "M", kind: "unary",
    idempotent: true, criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
  }));
}
