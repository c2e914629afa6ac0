/**
 * `endpointsOf` makes one set of endpoints of all the slices of a service, by the rules of kube-proxy: whoever is ready
 * serves; if nobody is, whoever is ending but still serves; an address that is in two slices, as it is for a moment
 * while Kubernetes moves it, counts once.
 */
import { type EndpointAddress, endpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import { checkEndpoint } from "../check.ts";
import { choosePort } from "./port.ts";
import type { Fault, Slice, SliceEndpoint } from "./slice.ts";

export interface MergeSettings {
  /** The region of endpoints whose slice names none. */
  readonly region: string;
  readonly port: string | number | undefined;
  /** Our own zone, where hints are honoured; undefined: they are only told. */
  readonly zoneHints: string | undefined;
}

interface Found {
  readonly endpoint: EndpointAddress;
  readonly from: SliceEndpoint;
}

export interface Merged {
  readonly endpoints: readonly EndpointAddress[];
  readonly faults: readonly Fault[];
}

export function endpointsOf(slices: Iterable<Slice>, settings: MergeSettings): Merged {
  const faults: Fault[] = [];
  const byId = new Map<string, Found>();
  for (const slice of slices) {
    faults.push(...slice.faults);
    const choice = choosePort(slice.ports, settings.port);
    if ("why" in choice) {
      if (slice.endpoints.length > 0) faults.push({ entry: slice.name, why: choice.why });
      continue;
    }
    for (const from of slice.endpoints) {
      if (!from.ready && !(from.serving && from.terminating)) continue;
      try {
        const endpoint = addressOf(slice, from, choice.port, settings.region);
        const other = byId.get(endpoint.id);
        // The better of the two: which slice is the older one, nobody says.
        if (other === undefined || (from.ready && !other.from.ready)) byId.set(endpoint.id, { endpoint, from });
      } catch (error) {
        faults.push({ entry: `${slice.name} ${from.host}`, why: RpcError.from(error).message });
      }
    }
  }
  const found = [...byId.values()];
  const ready = found.filter(({ from }) => from.ready);
  return { endpoints: hinted(ready.length > 0 ? ready : found, settings.zoneHints), faults };
}

function addressOf({ marks }: Slice, from: SliceEndpoint, port: number, region: string): EndpointAddress {
  const address = `${from.host}:${port}`;
  const endpoint = endpointAddress({
    id: marks.id ?? address, address, region: marks.region ?? region, zone: from.zone,
    weight: marks.weight, backup: marks.backup, priority: marks.priority,
    attributes: {
      ...marks.attributes,
      ...said("node", from.node), ...said("pod", from.pod), ...said("zoneHints", from.forZones.join(",")),
      ...said("terminating", from.terminating ? "true" : ""),
    },
  });
  checkEndpoint(endpoint);
  return endpoint;
}

function said(name: string, value: string): Record<string, string> {
  return value === "" ? {} : { [name]: value };
}

/**
 * Hints count only if every endpoint has some and one is for our zone (kube-proxy's rule: half of a distribution would
 * overload those that have it). The others are not dropped, as kube-proxy does, but used when these fail: Kubernetes
 * takes seconds to notice that a zone died, and calls would fail meanwhile.
 */
function hinted(found: readonly Found[], zone: string | undefined): readonly EndpointAddress[] {
  const isOurs = ({ from }: Found): boolean => zone !== undefined && from.forZones.includes(zone);
  if (!found.some(isOurs) || found.some(({ from }) => from.forZones.length === 0)) {
    return found.map(({ endpoint }) => endpoint);
  }
  return found.map((one) => (
    isOurs(one) ? one.endpoint : endpointAddress({ ...one.endpoint, priority: one.endpoint.priority + 1 })
  ));
}
