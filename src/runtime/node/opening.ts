/**
 * An opening is a connection of which nobody knows yet whether it is secured: its first byte tells (22 begins a
 * TLS record), and it then goes through a handshake or on as it is. Who does neither in time is closed.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { ListenSecurity } from "../../core/runtime.ts";
import { type Material, nodeSecurity } from "./tls.ts";

/** The first byte of a TLS record that begins a handshake (RFC 8446, section 5.1). */
const handshakeRecord = 22;

const insecureText = "this port takes TLS only: write https:// instead of http://\n";
const insecureAnswer = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n" +
  `content-length: ${insecureText.length}\r\nconnection: close\r\n\r\n${insecureText}`;
/** How long the answer has to arrive, in milliseconds: closing at once could overtake it. */
const insecureAnswerMs = 1_000;

/** Where sockets go on to. */
export interface Opened {
  /** Those that opened in order. */
  readonly accepted: (socket: Socket) => void;
  /** Secured ones whose certificate is not accepted. Default: they are closed. */
  readonly unwelcome: ((socket: Socket, error: Error) => void) | undefined;
}

/** Returns what to give accepted sockets to. */
export function opening(
  listen: ListenSecurity, peerOf: (socket: Socket) => string, { accepted, unwelcome }: Opened,
): (socket: Socket) => void {
  const handshakes = new WeakMap<Material, Server>();
  const security = nodeSecurity(listen.security);
  /** Who failed is asked for when the connection is gone, and Node no longer knows. */
  const addresses = new WeakMap<object, string>();

  const handshakesOf = (material: Material): Server => {
    let server = handshakes.get(material);
    if (server === undefined) handshakes.set(material, server = createHandshakes(material));
    return server;
  };

  /** A TLS server that listens nowhere: it is given connections that have begun. */
  const createHandshakes = (material: Material): Server => {
    const { clientCertificate = "none" } = security.options;
    const server = createServer({
      ...material.pem, ALPNProtocols: [...security.protocols], handshakeTimeout: listen.openingTimeoutMs,
      requestCert: clientCertificate !== "none", rejectUnauthorized: false, allowHalfOpen: false,
    }, (socket) => {
      const refusal = refusalOf(socket, clientCertificate);
      if (refusal === undefined) {
        accepted(socket);
      } else {
        listen.refused(peerOf(socket), refusal);
        if (unwelcome === undefined) socket.destroy();
        else unwelcome(socket, refusal);
      }
    });
    server.on("tlsClientError", (error, socket) => {
      listen.refused(addresses.get(beneath(socket)) ?? peerOf(socket),
        new Error(`TLS: ${handshakeReason(error)}`, { cause: error }));
      socket.destroy();
    });
    return server;
  };

  return (socket) => {
    const peer = peerOf(socket);
    const timer = setTimeout(() => {
      listen.refused(peer, new Error(`nothing came within ${listen.openingTimeoutMs} ms (openingTimeoutMs)`));
      socket.destroy();
    }, listen.openingTimeoutMs);
    timer.unref();
    const gone = (): void => clearTimeout(timer);
    socket.on("error", ignored);
    socket.once("close", gone);
    socket.once("data", (bytes) => {
      clearTimeout(timer);
      socket.off("close", gone);
      socket.pause();
      socket.unshift(bytes);
      if (bytes[0] === handshakeRecord) {
        addresses.set(socket, peer);
        handshakesOf(security.material).emit("connection", socket);
      } else if (listen.plaintext) {
        socket.off("error", ignored);
        accepted(socket);
        socket.resume();
      } else {
        listen.refused(peer, new Error("it is not secured, and this port takes TLS only"));
        // A person with `http://` for `https://` is told; whoever speaks anything else sees the connection end.
        if (!/^[A-Z]{3,22} \S+ HTTP\/1/.test(bytes.toString("latin1", 0, 1_024))) socket.destroy();
        else socket.end(insecureAnswer, () => setTimeout(() => socket.destroy(), insecureAnswerMs).unref());
      }
    });
  };
}

/** The socket that a secured one stands on. */
function beneath(socket: TLSSocket): object {
  return (socket as { readonly _parent?: object })._parent ?? socket;
}

/** OpenSSL names a place in its source; what the peer's alert or our reader says of it is between its last colons. */
function handshakeReason(error: Error): string {
  const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
  if (code === "ECONNRESET") {
    return "the peer ended the connection before the handshake was done; perhaps it does not accept our certificate";
  }
  if (typeof reason === "string" && reason !== "") {
    return /alert .*certificate|unknown ca/.test(reason)
      ? `the peer does not accept our certificate (${reason})`
      : reason;
  }
  return error.message.trim();
}

/** Why a peer whose handshake is done is refused nevertheless. */
function refusalOf(socket: TLSSocket, wanted: "none" | "request" | "require"): Error | undefined {
  if (wanted === "none") return undefined;
  const has = Object.keys(socket.getPeerCertificate()).length > 0;
  if (!has) return wanted === "require" ? new Error("TLS: the client showed no certificate") : undefined;
  if (socket.authorized) return undefined;
  return new Error(`TLS: the client's certificate is refused: ${String(socket.authorizationError)}`);
}

/** What goes wrong with a socket shows in its `close`. */
function ignored(): void {
  // Without a listener the process would end.
}
