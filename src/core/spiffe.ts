/** SPIFFE ids name workloads: `spiffe://trust-domain/path` (the SPIFFE-ID specification, sections 2.1 to 2.4). */

export interface SpiffeId {
  /** The whole of it. */
  readonly id: string;
  /** e.g. `prod.example`. */
  readonly trustDomain: string;
  /** With its first slash, e.g. `/ns/shop/orders`; empty for the id of a trust domain itself. */
  readonly path: string;
}

const scheme = "spiffe://";
const maxIdChars = 2_048;
const maxTrustDomainChars = 255;

/** Reads an id, or says what is wrong with it. */
export function readSpiffeId(text: string): SpiffeId | string {
  if (!text.startsWith(scheme)) return `it does not begin with ${scheme}`;
  if (text.length > maxIdChars) return `it has ${text.length} characters, more than ${maxIdChars}`;
  const rest = text.slice(scheme.length);
  const slash = rest.indexOf("/");
  const trustDomain = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? "" : rest.slice(slash);
  if (trustDomain === "") return "its trust domain is empty";
  if (trustDomain.length > maxTrustDomainChars) {
    return `its trust domain has ${trustDomain.length} characters, more than ${maxTrustDomainChars}`;
  }
  if (!/^[a-z0-9._-]+$/.test(trustDomain)) return "its trust domain has other characters than a-z 0-9 . _ -";
  if (path === "") return { id: text, trustDomain, path };
  for (const segment of path.slice(1).split("/")) {
    if (segment === "") return "its path has an empty segment";
    if (segment === "." || segment === "..") return `its path has the segment "${segment}"`;
    if (!/^[a-zA-Z0-9._-]+$/.test(segment)) return "its path has other characters than a-z A-Z 0-9 . _ -";
  }
  return { id: text, trustDomain, path };
}

/** Whether a name is meant to be one: schemes of other URIs may be written in capitals. */
export function seemsSpiffe(uri: string): boolean {
  return /^spiffe:/i.test(uri);
}

/** The id of a workload's certificate, by its URIs: exactly one, which names a workload (X.509-SVID, 2 and 5.2). */
export function spiffeOf(uris: readonly string[]): { readonly spiffe?: SpiffeId; readonly problem?: string } {
  if (!uris.some(seemsSpiffe)) return {};
  if (uris.length > 1) return { problem: `the certificate has ${uris.length} URIs, where a SPIFFE id stands alone` };
  const read = readSpiffeId(uris[0] as string);
  if (typeof read === "string") return { problem: `its SPIFFE id is none: ${read}` };
  return read.path === "" ? { problem: "its SPIFFE id names a trust domain, not a workload" } : { spiffe: read };
}
