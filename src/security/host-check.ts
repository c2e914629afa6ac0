/**
 * Whether a request came to a name that this server has: what keeps pages of the web from reaching a port of loopback
 * by a name of theirs that they point there (DNS rebinding), or with the reader's credentials (CSRF).
 */

export interface HostCheckOptions {
  /** Names beside loopback's own (`localhost`, `127.0.0.1`, `[::1]`), without ports. Default none. */
  readonly hosts?: readonly string[] | undefined;
  /** Whole origins of pages that may ask, e.g. `https://ops.example`. Default: the server's own alone. */
  readonly origins?: readonly string[] | undefined;
}

/** Heads of requests as they come: lower-case names. */
export interface CheckedRequest {
  readonly authority: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

/** Says why a request is refused; undefined lets it in. */
export function hostCheck(options: HostCheckOptions = {}): (request: CheckedRequest) => string | undefined {
  const hosts = new Set(["localhost", "127.0.0.1", "[::1]", ...(options.hosts ?? []).map((one) => one.toLowerCase())]);
  const origins = new Set(options.origins ?? []);
  return ({ authority, fields }) => {
    const asked = (authority === undefined || authority === "" ? fields["host"] ?? "" : authority).toLowerCase();
    const host = asked.replace(/:\d+$/, "");
    if (!hosts.has(host)) {
      return `this server is not called ${JSON.stringify(host.slice(0, 64))}: it may be reached as ` +
        [...hosts].join(", ");
    }
    const { origin } = fields;
    if (origin !== undefined && origin !== `http://${asked}` && origin !== `https://${asked}` && !origins.has(origin)) {
      return `pages of ${JSON.stringify(origin.slice(0, 128))} may not ask here`;
    }
    // Of browsers alone, which let no page change it (Fetch Metadata). A page without an origin is asked for by hand.
    const site = fields["sec-fetch-site"];
    const isForeign = site === "cross-site" || site === "same-site";
    if (isForeign && (origin === undefined ? fields["sec-fetch-mode"] !== "navigate" : !origins.has(origin))) {
      return "pages of elsewhere may not ask here";
    }
    return undefined;
  };
}
