/**
 * A Peer is who is at the other end of a connection, as far as the connection itself proves it: an address, and the
 * certificate that was verified, if one was shown. One object a connection, which all its calls share.
 */
import type { ByteStream } from "./runtime.ts";
import type { SpiffeId } from "./spiffe.ts";

export interface Peer {
  /** `host:port`, `[v6]:port`, or the path of the Unix socket that it came to. */
  readonly address: string;
  /** Whether what passes is encrypted, and was since its first byte. */
  readonly isSecured: boolean;
  /** The certificate that it showed, verified; read when first asked for. */
  readonly certificate: PeerCertificate | undefined;
  /** What an authenticator keeps of the connection. */
  memo?: unknown;
}

/** What a verified certificate says of its bearer. */
export interface PeerCertificate {
  /** As `CN=orders,O=Example`; empty where it has none. */
  readonly subject: string;
  readonly commonName: string | undefined;
  /** Its alternative names (RFC 5280, section 4.2.1.6), by kind. */
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Its SPIFFE id, if it has one and no other URI beside it, as the X.509-SVID specification asks. */
  readonly spiffe: SpiffeId | undefined;
  /** Why the SPIFFE id that it seems to have is none. */
  readonly spiffeProblem: string | undefined;
  /** When it ceases to be valid, in milliseconds since 1970. */
  readonly validToMs: number;
  /** SHA-256 of the certificate, as `AB:CD:…`. */
  readonly fingerprint: string;
}

/** The peer of a byte stream. */
export function peerOf(stream: ByteStream): Peer {
  return new StreamPeer(stream);
}

class StreamPeer implements Peer {
  memo: unknown = undefined;
  readonly #stream: ByteStream;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  get address(): string {
    return this.#stream.peer;
  }

  get isSecured(): boolean {
    return this.#stream.secure !== undefined;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#stream.secure?.certificate;
  }
}
