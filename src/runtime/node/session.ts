/** What Node knows of a secured socket. */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PeerCertificate } from "../../core/peer.ts";
import type { SecureSession } from "../../core/runtime.ts";
import { spiffeOf } from "../../core/spiffe.ts";

export class NodeSession implements SecureSession {
  readonly protocol: string | undefined;
  /** Taken from the socket while it is there, and read when somebody asks. */
  readonly #shown: X509Certificate | undefined;
  #certificate: PeerCertificate | undefined = undefined;

  constructor(socket: TLSSocket) {
    this.#shown = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    this.protocol = typeof socket.alpnProtocol === "string" && socket.alpnProtocol !== ""
      ? socket.alpnProtocol
      : undefined;
  }

  get peerSubject(): string | undefined {
    return this.certificate?.subject;
  }

  get certificate(): PeerCertificate | undefined {
    if (this.#shown === undefined) return undefined;
    return this.#certificate ??= read(this.#shown);
  }
}

function read(shown: X509Certificate): PeerCertificate {
  const names = alternativeNames(shown.subjectAltName ?? "");
  const of = (kind: string): string[] => names.flatMap(([one, value]) => (one === kind ? [value] : []));
  const uris = of("URI");
  const { spiffe, problem } = spiffeOf(uris);
  // One name a line, as OpenSSL writes it: `CN=orders`.
  const subject = shown.subject === undefined ? [] : shown.subject.split("\n");
  return {
    subject: subject.join(","), commonName: subject.find((one) => one.startsWith("CN="))?.slice(3),
    dnsNames: of("DNS"), uris, spiffe, spiffeProblem: problem,
    validToMs: shown.validToDate.getTime(), fingerprint: shown.fingerprint256,
  };
}

/**
 * Takes `DNS:localhost, URI:"a\u002cb", IP Address:127.0.0.1` apart. A value in which somebody could hide another name
 * is written by Node as a text of JSON (CVE-2021-44532).
 */
export function alternativeNames(text: string): [kind: string, value: string][] {
  const names: [string, string][] = [];
  const one = /([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/gy;
  for (let found = one.exec(text); found !== null; found = one.exec(text)) {
    const [, kind, quoted, plain] = found;
    names.push([kind as string, quoted === undefined ? plain as string : JSON.parse(quoted) as string]);
  }
  return names;
}
