/** Datagrams of the Node network: UDP sockets of IPv4 and IPv6. */
import { createSocket, type Socket } from "node:dgram";
import { lookup, V4MAPPED } from "node:dns";
import { isIP } from "node:net";
import { RpcError } from "../../core/error.ts";
import type { DatagramReceiver, DatagramSocket } from "../../core/runtime.ts";
import { formatAddress, parseAddress } from "./address.ts";
import { listenError } from "./error.ts";

/** 65,535 less the heads of UDP and, over IPv4, of IP. */
const maxBytesV4 = 65_507;
const maxBytesV6 = 65_527;
/** What may wait for the system to take it, as long as it takes nothing. */
const maxQueuedBytes = 1 << 20;
/** Destinations whose addresses are kept parsed. */
const maxKnown = 4_096;

interface HostPort {
  readonly host: string;
  readonly port: number;
}

type Found = (error: Error | null, address: string, family: number) => void;

export async function openDatagrams(address: string, receive: DatagramReceiver): Promise<DatagramSocket> {
  const { host, port } = udpAddress(address);
  let socket: Socket | undefined;
  try {
    const { ip, family } = await resolve(host);
    socket = createSocket({ type: family === 6 ? "udp6" : "udp4", lookup: lookupFor(family) });
    await bind(socket, ip, port);
  } catch (error) {
    socket?.close();
    throw listenError(address, error as Error);
  }
  // A datagram that could not be sent is a datagram that was lost.
  socket.on("error", () => {});
  return new NodeDatagramSocket(socket, receive);
}

class NodeDatagramSocket implements DatagramSocket {
  readonly address: string;
  readonly maxBytes: number;
  readonly #socket: Socket;
  readonly #known = new Map<string, HostPort>();
  #isOpen = true;

  constructor(socket: Socket, receive: DatagramReceiver) {
    const { address, port, family } = socket.address();
    this.address = formatAddress(address, port);
    this.maxBytes = family === "IPv6" ? maxBytesV6 : maxBytesV4;
    this.#socket = socket;
    socket.on("message", (bytes, from) => {
      if (this.#isOpen) receive(bytes, formatAddress(from.address, from.port));
    });
  }

  send(bytes: Uint8Array, to: string): boolean {
    const target = this.#target(to);
    if (!this.#isOpen || target === undefined || bytes.length > this.maxBytes) return false;
    if (this.#socket.getSendQueueSize() + bytes.length > maxQueuedBytes) return false;
    this.#socket.send(bytes, target.port, target.host);
    return true;
  }

  #target(to: string): HostPort | undefined {
    const known = this.#known.get(to);
    if (known !== undefined) return known;
    let target: HostPort;
    try {
      target = udpAddress(to);
    } catch {
      return undefined;
    }
    if (target.port === 0) return undefined;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(to, target);
    return target;
  }

  close(): Promise<void> {
    if (!this.#isOpen) return Promise.resolve();
    this.#isOpen = false;
    const { promise, resolve: closed } = Promise.withResolvers<void>();
    this.#socket.close(closed);
    return promise;
  }
}

function udpAddress(address: string): HostPort {
  const target = parseAddress(address);
  if ("host" in target) return target;
  throw new RpcError("invalid_argument",
    `address ${JSON.stringify(address)} cannot be used: datagrams have no Unix sockets; write host:port or ` +
    "[v6-address]:port", { phase: "connect", neverStarted: true, retryable: false });
}

/** What a name means is asked once, before binding: of its addresses the first says the family. */
function resolve(host: string): Promise<{ readonly ip: string; readonly family: number }> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve({ ip: host, family });
  const { promise, resolve: found, reject } = Promise.withResolvers<{ ip: string; family: number }>();
  lookup(host, (error, ip, which) => (error === null ? found({ ip, family: which }) : reject(error)));
  return promise;
}

function bind(socket: Socket, ip: string, port: number): Promise<void> {
  const { promise, resolve: bound, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind({ address: ip, port }, () => {
    socket.off("error", reject);
    bound();
  });
  return promise;
}

/** Node looks every destination up, even what is an address already: those are answered within the call. */
function lookupFor(family: number) {
  return (host: string, _options: unknown, found: Found): void => {
    const given = isIP(host);
    if (given === family) found(null, host, family);
    // A socket of both families shows the other's peers so, and takes them so.
    else if (given === 4) found(null, `::ffff:${host}`, 6);
    else if (given === 6) found(new Error(`${host} is not reached over IPv4`), "", 4);
    else lookup(host, family === 6 ? { family, hints: V4MAPPED } : { family }, found);
  };
}
