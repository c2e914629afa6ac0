// A wire between callers, out here, and servers in a network namespace, on which packets are lost, late or cut off.
import { type NetworkNamespace, networkNamespace, run } from "./network-namespace.ts";
import type { Weather } from "./packets.ts";
import { FleetProcess } from "./process.ts";
import type { FromWire, ToWire, Weathers, WireFigures, WireSettings } from "./wire.ts";

export interface PacketWire {
  /** The servers' address, and what a server is started behind to be there. */
  readonly host: string;
  readonly prefix: readonly string[];
  /** In words: what makes the weather here. */
  readonly maker: string;
  weather(weather: Partial<Weathers>): Promise<void>;
  /** Packets since this was asked last; undefined where the kernel counts them. */
  figures(): Promise<(WireFigures & { readonly lateMs: number }) | undefined>;
  close(): Promise<void>;
}

/**
 * Makes one: by the kernel's netem where it has that; else of two VXLAN devices whose datagrams a process of ours
 * carries, so that it is IP packets that are lost and TCP that makes up for them. Answers why not where this machine
 * does not allow either.
 */
export async function packetWire(): Promise<PacketWire | string> {
  const servers = networkNamespace();
  if (typeof servers === "string") return servers;
  const byKernel = kernelWire(servers);
  if (typeof byKernel !== "string") return byKernel;
  const callers = networkNamespace();
  if (typeof callers === "string") {
    servers.close();
    return callers;
  }
  const made = await carriedWire(callers, servers);
  if (typeof made !== "string") return made;
  callers.close();
  servers.close();
  return `${byKernel}; ${made}`;
}

function kernelWire(namespace: NetworkNamespace): PacketWire | string {
  const { host, prefix, name, outside, inside } = namespace;
  const set = (where: readonly string[], device: string, weather: Weather): string | undefined =>
    run("tc", ...where, "qdisc", "replace", "dev", device, "root", "netem", ...netemWords(weather));
  const why = set([], outside, {}) ?? set(["-n", name], inside, {});
  if (why !== undefined) return `this kernel has no netem (${why})`;
  return {
    host, prefix, maker: "the kernel's netem",
    async weather({ toServers = {}, toCallers = {} }) {
      const failed = set([], outside, toServers) ?? set(["-n", name], inside, toCallers);
      if (failed !== undefined) throw new Error(`netem: ${failed}`);
    },
    figures: async () => undefined,
    close: async () => namespace.close(),
  };
}

function netemWords({ lossPercent = 0, doublePercent = 0, delayMs = 0, jitterMs = 0, cut = false }: Weather): string[] {
  // Ours is from `delayMs` on, netem's around the middle.
  return [
    "delay", `${delayMs + jitterMs / 2}ms`, `${jitterMs / 2}ms`, "loss", `${cut ? 100 : lossPercent}%`,
    "duplicate", `${doublePercent}%`,
  ];
}

/** VXLAN's own is 4789; the kernel's end and ours must have the same. */
const port = 4_799;

class WireProcess extends FleetProcess<FromWire, ToWire> {
  constructor(settings: WireSettings) {
    super("wire.ts", [JSON.stringify(settings)]);
  }
}

async function carriedWire(callers: NetworkNamespace, servers: NetworkNamespace): Promise<PacketWire | string> {
  const [outer, inner] = [callers.inside.replace("mci", "mcv"), servers.inside.replace("mci", "mcv")];
  const [here, host] = [callers.here.replace("10.213.", "10.214."), servers.here.replace("10.213.", "10.214.")];
  const [hereMac, hostMac] = ["02:6d:63:00:00:01", "02:6d:63:00:00:02"];
  const device = (of: NetworkNamespace, name: string, mac: string): string[] => [
    "-n", of.name, "link", "add", name, "address", mac, "mtu", "1400", "type", "vxlan", "id", "7",
    "remote", of.here, "local", of.host, "dstport", String(port), "nolearning",
  ];
  // A device's datagrams leave where it was made, so that the callers' can be out here, where the port is ours.
  const steps = [
    device(callers, outer, hereMac), ["-n", callers.name, "link", "set", outer, "netns", String(process.pid)],
    ["link", "set", outer, "gso_max_segs", "1"], ["addr", "add", `${here}/32`, "dev", outer],
    ["link", "set", outer, "up"], ["route", "add", `${host}/32`, "dev", outer],
    ["neigh", "replace", host, "lladdr", hostMac, "dev", outer, "nud", "permanent"],
    device(servers, inner, hostMac), ["-n", servers.name, "link", "set", inner, "gso_max_segs", "1"],
    ["-n", servers.name, "addr", "add", `${host}/32`, "dev", inner], ["-n", servers.name, "link", "set", inner, "up"],
    ["-n", servers.name, "route", "add", `${here}/32`, "dev", inner],
    ["-n", servers.name, "neigh", "replace", here, "lladdr", hereMac, "dev", inner, "nud", "permanent"],
  ];
  for (const step of steps) {
    const why = run("ip", ...step);
    if (why !== undefined) return `ip ${step.join(" ")}: ${why}`;
  }
  const wire = new WireProcess({
    port, callers: { here: callers.here, there: callers.host }, servers: { here: servers.here, there: servers.host },
  });
  await wire.next("carrying");
  return {
    host, prefix: servers.prefix, maker: "a process that carries VXLAN datagrams (this kernel has no netem)",
    async weather({ toServers = {}, toCallers = {} }) {
      const changed = wire.next("changed");
      wire.send({ kind: "weather", toServers, toCallers });
      await changed;
    },
    async figures() {
      const figures = wire.next("figures");
      wire.send({ kind: "figures" });
      return figures;
    },
    async close() {
      await wire.end();
      // The device out here goes with the namespace that its datagrams go through.
      callers.close();
      servers.close();
    },
  };
}
