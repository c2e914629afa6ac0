// Carries packets between two ends of a wire, as VXLAN datagrams: node chaos/fleet/wire.ts ENDS, as JSON.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { machineMs, watchLateness } from "./messages.ts";
import { arrivalsMs, mend, type Weather } from "./packets.ts";

/** Where the datagrams of one end come in, and where that end is. */
export interface WireEnd {
  readonly here: string;
  readonly there: string;
}

export interface WireSettings {
  readonly port: number;
  readonly callers: WireEnd;
  readonly servers: WireEnd;
}

/** What becomes of packets to the servers, and of those to the callers. */
export interface Weathers {
  readonly toServers: Weather;
  readonly toCallers: Weather;
}

export interface WireFigures {
  readonly passed: number;
  readonly lost: number;
}

export type ToWire = ({ readonly kind: "weather" } & Weathers) | { readonly kind: "figures" };

export type FromWire =
  | { readonly kind: "carrying" }
  | { readonly kind: "changed" }
  /** Since it was asked last. */
  | ({ readonly kind: "figures"; readonly lateMs: number } & WireFigures);

/** Packets under way; more are lost, as in a buffer that is full. */
const mostUnderWay = 20_000;

const settings = JSON.parse(process.argv[2] ?? "{}") as WireSettings;
const tell = (message: FromWire): void => void process.send?.(message);
const worstLatenessMs = watchLateness();
let weather: Weathers = { toServers: {}, toCallers: {} };
let underWay = 0;
let [passed, lost] = [0, 0];

process.on("disconnect", () => process.exit());
process.on("message", (message: ToWire) => {
  if (message.kind === "weather") {
    weather = message;
    tell({ kind: "changed" });
  } else {
    tell({ kind: "figures", passed, lost, lateMs: worstLatenessMs() });
    [passed, lost] = [0, 0];
  }
});

const { port } = settings;
const [callers, servers] = await Promise.all([settings.callers, settings.servers].map(async ({ here }) => {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  socket.bind(port, here);
  await once(socket, "listening");
  // Whoever is gone, or not there yet: to IP that is a packet lost.
  socket.on("error", () => undefined);
  return socket;
})) as [Socket, Socket];
carry(callers, servers, settings.servers.there, () => weather.toServers);
carry(servers, callers, settings.callers.there, () => weather.toCallers);
tell({ kind: "carrying" });

function carry(from: Socket, to: Socket, there: string, now: () => Weather): void {
  const send = (packet: Uint8Array): void => {
    underWay--;
    passed++;
    to.send(packet, port, there, () => undefined);
  };
  from.on("message", (packet) => {
    if (!mend(packet)) return;
    const atMs = machineMs();
    const arrivals = arrivalsMs(now(), Math.random);
    if (arrivals.length === 0) lost++;
    for (const afterMs of arrivals) {
      if (underWay >= mostUnderWay) {
        lost++;
        continue;
      }
      underWay++;
      if (afterMs <= 0) send(packet);
      else setTimeout(send, Math.max(0, afterMs - (machineMs() - atMs)), packet);
    }
  });
}
