/**
 * The Node network: TCP and Unix sockets as byte streams, UDP as datagrams.
 *
 * Small messages leave at once (TCP_NODELAY), dead peers are found in the end (TCP keep-alive), and a peer
 * that ends its half has closed: we flush what is queued and close ours.
 */
import { lstatSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, isIP, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Listener, ListenSecurity, Network, Security } from "../../core/runtime.ts";
import { formatAddress, parseAddress, type SocketAddress } from "./address.ts";
import { openDatagrams } from "./datagrams.ts";
import { listenError, systemCode } from "./error.ts";
import { opening } from "./opening.ts";
import { SocketStream } from "./stream.ts";
import { nodeSecurity } from "./tls.ts";

export interface NodeNetworkOptions {
  /** Queued bytes from which `write` returns false. Default 1 MiB. */
  readonly highWaterBytes?: number;
  /** Silence after which TCP begins to probe the peer, in milliseconds. Default 30 000. */
  readonly keepAliveDelayMs?: number;
  /** Connections that may wait to be accepted; the system may allow fewer. Default 4096. */
  readonly backlog?: number;
}

type Settings = Required<NodeNetworkOptions>;

/** Node's own mark, which decides when it says `drain`, must not lie above ours. */
const nodeHighWaterBytes = 65_536;

/**
 * How long one of a name's addresses is tried before the next, in milliseconds: Node's 250 is less than the
 * round trip between distant regions.
 */
const addressAttemptMs = 1_000;

/** Longest wait for an answer on a Unix socket that may be left over from a dead process, in milliseconds. */
const probeMs = 1_000;

export function createNetwork(options: NodeNetworkOptions = {}): Network {
  const settings: Settings = {
    highWaterBytes: options.highWaterBytes ?? 1 << 20,
    keepAliveDelayMs: options.keepAliveDelayMs ?? 30_000,
    backlog: options.backlog ?? 4_096,
  };
  return {
    connect: (address, sink, security) => dial(address, sink, settings, security),
    listen: (address, accept, security) => listen(address, accept, settings, security),
    datagrams: openDatagrams,
  };
}

function socketOptions(settings: Settings) {
  const highWaterMark = Math.max(1, Math.min(settings.highWaterBytes, nodeHighWaterBytes));
  return {
    allowHalfOpen: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: settings.keepAliveDelayMs,
    highWaterMark,
  };
}

function dial(address: string, sink: ByteSink, settings: Settings, security: Security | undefined): ByteStream {
  let socket: Socket;
  try {
    const options = { ...socketOptions(settings), autoSelectFamilyAttemptTimeout: addressAttemptMs };
    const target = parseAddress(address);
    socket = security === undefined
      ? connect({ ...options, ...target })
      : connectTls({ ...options, ...target, ...tlsOptions(security, "host" in target ? target.host : "") });
  } catch (error) {
    return new FailedStream(address, sink, RpcError.from(error, "invalid_argument"));
  }
  const stream = new SocketStream(socket, address, false, settings.highWaterBytes);
  stream.sink = sink;
  return stream;
}

/** How a client proves the server's identity, and its own. */
function tlsOptions(security: Security, host: string) {
  const { options, protocols, material } = nodeSecurity(security);
  const serverName = options.serverName ?? (isIP(host) === 0 ? host : "");
  return {
    secureContext: material.context, rejectUnauthorized: options.verify ?? true, ALPNProtocols: [...protocols],
    ...(serverName === "" ? undefined : { servername: serverName }),
  };
}

async function listen(
  address: string,
  accept: (stream: ByteStream) => ByteSink,
  settings: Settings,
  security: ListenSecurity | undefined,
): Promise<Listener> {
  const target = parseAddress(address);
  const peerOf = ({ remoteAddress, remotePort }: Socket): string => "path" in target ? address
    : remoteAddress === undefined ? "unknown" : formatAddress(remoteAddress, remotePort ?? 0);
  const accepted = (socket: Socket): void => {
    const stream = new SocketStream(socket, peerOf(socket), true, settings.highWaterBytes);
    stream.sink = accept(stream);
  };
  const unwelcome = security?.unwelcome === undefined ? undefined : (socket: Socket, error: Error): void => {
    const stream = new SocketStream(socket, peerOf(socket), true, settings.highWaterBytes);
    stream.sink = security.unwelcome?.(stream, error);
  };
  const open = security === undefined ? accepted : opening(security, peerOf, { accepted, unwelcome });
  const server = createServer(socketOptions(settings), open);
  try {
    await bind(server, target, settings.backlog).catch(async (error: unknown) => {
      if (!("path" in target) || systemCode(error) !== "EADDRINUSE" || await isTaken(target.path)) throw error;
      unlinkSync(target.path);
      await bind(server, target, settings.backlog);
    });
  } catch (error) {
    throw listenError(address, error as Error);
  }
  // The system may fail to accept one connection (too many open files); the next one may succeed.
  server.on("error", () => {});
  return createListener(server, "path" in target ? address : boundAddress(server));
}

function bind(server: Server, target: SocketAddress, backlog: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  // Throws at once for what the system would not even look at.
  server.listen({ ...target, backlog }, () => {
    server.off("error", reject);
    resolve();
  });
  return promise;
}

/** Whether `path` is anything but a socket left by a process that died without removing it. */
function isTaken(path: string): Promise<boolean> {
  // Connecting to an ordinary file is refused too, and that file is not ours to remove.
  if (!lstatSync(path).isSocket()) return Promise.resolve(true);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path, timeout: probeMs });
  socket.once("connect", () => resolve(true));
  // Silence is a process that is stopped or overwhelmed: its socket is not ours to take.
  socket.once("timeout", () => resolve(true));
  socket.once("error", (error) => resolve(systemCode(error) !== "ECONNREFUSED"));
  return promise.finally(() => socket.destroy());
}

function boundAddress(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return formatAddress(address, port);
}

function createListener(server: Server, address: string): Listener {
  let closing: Promise<void> | undefined;
  return {
    address,
    close() {
      closing ??= new Promise<void>((resolve) => {
        // Frees the port (or removes the socket's path) at once; its callback would wait for open streams.
        server.close();
        setImmediate(resolve);
      });
      return closing;
    },
  };
}

/** What `connect` returns for an address it cannot use: a stream that closes with the reason. */
class FailedStream implements ByteStream {
  readonly peer: string;
  readonly bufferedBytes = 0;

  constructor(peer: string, sink: ByteSink, error: Error) {
    this.peer = peer;
    process.nextTick(() => sink.closed(error));
  }

  write(): boolean {
    return false;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}
