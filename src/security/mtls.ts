/** Identities of certificates that were verified when the connection was opened (mutual TLS). */
import { badOption, type Identity, type PeerCertificate } from "../core/index.ts";
import { type Authenticated, type AuthenticatorMaker, NotAccepted } from "./authenticator.ts";

export interface MtlsOptions {
  /** Trust domains whose SPIFFE ids are accepted. Default: all, of authorities that are trusted (`tls({ ca })`). */
  readonly trustDomains?: readonly string[] | undefined;
  /**
   * Whether a certificate that runs out ends what its connection may do. Default false: a certificate is looked at when
   * the connection is opened, and whoever renews its own in time keeps its connections.
   */
  readonly untilExpiry?: boolean | undefined;
}

/**
 * Knows callers by their certificates. The name is the SPIFFE id; else the first URI, DNS name or the common name of
 * the subject. Claims: `subject`, `dnsNames`, `uris`, `fingerprint`.
 */
export function mtls(options: MtlsOptions = {}): AuthenticatorMaker {
  const { trustDomains, untilExpiry = false } = options;
  for (const one of trustDomains ?? []) {
    if (!/^[a-z0-9._-]{1,255}$/.test(one)) throw badOption("trustDomains", one, "a trust domain is of a-z 0-9 . _ -");
  }
  const known = new WeakMap<PeerCertificate, Authenticated>();
  return () => ({
    kind: "mtls", of: "connection",
    identify({ peer }) {
      const certificate = peer?.certificate;
      if (certificate === undefined) return undefined;
      let found = known.get(certificate);
      if (found === undefined) known.set(certificate, found = read(certificate, trustDomains, untilExpiry));
      return found;
    },
  });
}

function read(
  certificate: PeerCertificate, trustDomains: readonly string[] | undefined, untilExpiry: boolean,
): Authenticated {
  const { spiffe, spiffeProblem, subject, dnsNames, uris, fingerprint, commonName, validToMs } = certificate;
  if (spiffeProblem !== undefined) return new NotAccepted(`the certificate ${fingerprint}: ${spiffeProblem}`);
  if (trustDomains !== undefined && (spiffe === undefined || !trustDomains.includes(spiffe.trustDomain))) {
    return new NotAccepted(spiffe === undefined ? `the certificate ${fingerprint} has no SPIFFE id`
      : `the trust domain ${spiffe.trustDomain} is not among ${trustDomains.join(", ")}`);
  }
  const name = spiffe?.id ?? uris[0] ?? dnsNames[0] ?? commonName;
  if (name === undefined) return new NotAccepted(`the certificate ${fingerprint} names nobody`);
  const identity: Identity = {
    kind: "mtls", name, trustDomain: spiffe?.trustDomain,
    claims: { subject, dnsNames, uris, fingerprint },
    expiresAtMs: untilExpiry ? validToMs : undefined,
  };
  return identity;
}
