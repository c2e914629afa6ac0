/**
 * The simulated network: byte streams and datagrams between hosts that exist only in memory.
 *
 * Addresses are those of the real network. A host is reached by its name (`eu-1:7001`); `localhost`,
 * `127.0.0.1`, `[::1]`, `0.0.0.0` and `unix:/path` mean the host itself.
 */
import { expected, RpcError } from "../../core/error.ts";
import type {
  ByteSink, ByteStream, DatagramReceiver, DatagramSocket, Listener, Network,
} from "../../core/runtime.ts";
import { noUnixSocket, openDatagrams } from "./datagrams.ts";
import { Pipe } from "./pipe.ts";
import { SimulatedStream } from "./stream.ts";
import { Call, type Host, type Program, record } from "./world.ts";

const ownNames = new Set(["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"]);

/** Ports from here on are given to those who ask for none. */
export const firstEphemeralPort = 32_768;

export function createNetwork(program: Program): Network {
  return {
    connect(address, sink, security) {
      if (security !== undefined) throw unsecured();
      return dial(program, address, sink);
    },
    async listen(address, accept, security) {
      if (security !== undefined) throw unsecured();
      return listen(program, address, accept);
    },
    datagrams: (address, receive) => bindDatagrams(program, address, receive),
  };
}

function unsecured(): RpcError {
  return new RpcError("unimplemented", "the simulated network has no TLS: leave `tls` out of simulations");
}

interface Target {
  readonly host: Host | undefined;
  readonly hostName: string;
  /** Port, or the whole address of a Unix socket. */
  readonly port: string;
}

function parseAddress(program: Program, address: string): Target {
  const { host, world } = program;
  if (/^unix:./.test(address)) return { host, hostName: host.name, port: address };
  const match = /^(\[[0-9a-fA-F:.]+\]|[^[\]:/\s]+):(\d{1,5})$/.exec(address);
  if (match === null || Number(match[2]) > 65_535) {
    throw new RpcError("invalid_argument",
      `address ${JSON.stringify(address.slice(0, 200))} cannot be used; write host:port, [v6-address]:port ` +
      "or unix:/path", { phase: "connect", neverStarted: true, retryable: false });
  }
  const name = match[1] as string;
  const found = ownNames.has(name) ? host : world.hosts.get(name);
  return { host: found, hostName: found?.name ?? name, port: String(Number(match[2])) };
}

function dial(program: Program, address: string, sink: ByteSink): ByteStream {
  const { world, host } = program;
  let target: Target;
  let error: Error | undefined;
  try {
    target = parseAddress(program, address);
    if (target.host === undefined) {
      error = expected("unavailable", `cannot connect to ${address}: the host name is unknown`,
        { phase: "connect", neverStarted: true });
    }
  } catch (thrown) {
    target = { host: undefined, hostName: "", port: "" };
    error = thrown as Error;
  }
  const to = target.host ?? host;
  const outgoing = new Pipe(world, host, to);
  const client = new SimulatedStream(program, address, outgoing, sink);
  if (error !== undefined) {
    const { agenda } = world;
    agenda.plan(new Call(program, () => client.fail(error)), agenda.nowMs);
    return client;
  }
  const incoming = new Pipe(world, to, host);
  incoming.receive = (packet) => client.receive(packet);
  const clientAddress = target.port.startsWith("unix:") ? address : `${host.name}:${freePort(host)}`;
  outgoing.receive = ({ kind }) => {
    if (kind !== "syn") return;
    const server = knock(to, target.port, clientAddress, incoming);
    if (server !== undefined) outgoing.receive = (packet) => server.receive(packet);
  };
  if (program.isAlive) outgoing.send("syn");
  return client;
}

/** A connection request arrives: the kernel answers it, the program accepts it when it runs. */
function knock(host: Host, port: string, from: string, back: Pipe): SimulatedStream | undefined {
  const { program } = host;
  const accept = program.listeners.get(port);
  if (host.state !== "up" || accept === undefined) {
    back.send("refused");
    return undefined;
  }
  const server = new SimulatedStream(program, from, back);
  back.send("opened");
  program.admit(undefined, () => {
    const { world } = program;
    record(world, "accepted", host, undefined, from);
    world.isTouched = true;
    server.sink = accept(server);
  });
  return server;
}

async function listen(
  program: Program,
  address: string,
  accept: (stream: ByteStream) => ByteSink,
): Promise<Listener> {
  const { host, listeners } = program;
  const target = ownAddress(program, address);
  // What a dead program asks for never comes about.
  if (!program.isAlive) return new Promise<never>(() => {});
  const port = freeAt(address, target.port, host, listeners);
  listeners.set(port, accept);
  const bound = port.startsWith("unix:") ? port : `${host.name}:${port}`;
  record(program.world, "listening", host, undefined, bound);
  let isOpen = true;
  return {
    address: bound,
    async close() {
      if (isOpen) listeners.delete(port);
      isOpen = false;
    },
  };
}

async function bindDatagrams(program: Program, address: string, receive: DatagramReceiver): Promise<DatagramSocket> {
  const target = ownAddress(program, address);
  if (target.port.startsWith("unix:")) throw noUnixSocket(address);
  if (!program.isAlive) return new Promise<never>(() => {});
  const port = freeAt(address, target.port, program.host, program.sockets);
  const find = (to: string): Target => {
    const found = parseAddress(program, to);
    if (found.port.startsWith("unix:")) throw noUnixSocket(to);
    return found;
  };
  return openDatagrams(program, port, find, receive);
}

function ownAddress(program: Program, address: string): Target {
  const target = parseAddress(program, address);
  if (target.host === program.host) return target;
  throw new RpcError("failed_precondition",
    `cannot listen on ${address}: this host is ${program.host.name} and does not have the address`);
}

/** `port`, or a free one for 0; throws if it is among those taken. */
function freeAt(address: string, port: string, host: Host, taken: ReadonlyMap<string, unknown>): string {
  if (port === "0") return freePort(host);
  if (!taken.has(port)) return port;
  throw new RpcError("failed_precondition",
    `cannot listen on ${address}: the address is in use; stop the other listener or choose another port ` +
    "(0 picks a free one)");
}

function freePort(host: Host): string {
  do {
    host.nextPort = host.nextPort === 65_535 ? firstEphemeralPort : host.nextPort + 1;
  } while (isTaken(host.program, String(host.nextPort)));
  return String(host.nextPort);
}

function isTaken({ listeners, sockets }: Program, port: string): boolean {
  return listeners.has(port) || sockets.has(port);
}
