/**
 * Serving an admin: a server of its own, on loopback unless told otherwise, whose readers need no token there, and
 * whose operators always need one. Beyond loopback everybody does, or a certificate.
 *
 * Pages of the web get no way in: requests must come to a name that the server has (DNS rebinding), from its own pages
 * or listed ones (CSRF), and not as forms can send them; the token is read of the `authorization` header alone, which
 * no browser sends by itself; and no answer is marked for pages of elsewhere (CORS).
 */
import { badOption, numberOption, type Runtime, type Secret, type Security } from "../core/index.ts";
import type { Handlers } from "../contract/index.ts";
import type { HttpHandler } from "../http/index.ts";
import { auth } from "../security/auth.ts";
import { hostCheck } from "../security/host-check.ts";
import { mtls } from "../security/mtls.ts";
import { bearerToken } from "../security/token.ts";
import type { AuthenticatorMaker } from "../security/authenticator.ts";
import type { AuthorisationRule } from "../security/rules.ts";
import { createServerOn, type Server } from "../server/server.ts";
import type { Audit } from "./audit.ts";
import { AdminContract } from "./contract.ts";

export interface ServeAdminOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 7900; 0 picks a free one. */
  readonly port?: number | undefined;
  /** By what operators are known; beyond loopback, readers too. */
  readonly token: Secret;
  /** Names, beside loopback's and the one it listens at, by which it may be reached, without ports. Default none. */
  readonly hosts?: readonly string[] | undefined;
  /** Origins of pages that may ask although they are not its own. Default none. */
  readonly origins?: readonly string[] | undefined;
  /** Our certificate: `tls(...)`. With `clientCertificate: "require"`, set `certificates` too. */
  readonly tls?: Security | undefined;
  /** Whether a verified certificate of the caller's does in the place of a token. Needs `tls`. Default false. */
  readonly certificates?: boolean | undefined;
  /** What serves requests that are no calls: the page. Default: none is served. */
  readonly page?: HttpHandler | undefined;
}

/** What is served: an admin, or a merged one. */
export interface Servable {
  readonly handlers: Handlers<typeof AdminContract>;
  readonly audit?: Audit | undefined;
}

export interface AdminServer extends AsyncDisposable {
  /** `host:port`, with the real port. */
  readonly address: string;
  close(): Promise<void>;
}

/** The port of admin services, where none is said. */
export const adminPort = 7_900;

/** Serves an admin on `runtime`. The package's `serveAdmin` fills in the Node runtime, and finds or makes the token. */
export async function serveAdminOn(
  runtime: Runtime, admin: Servable, options: ServeAdminOptions,
): Promise<AdminServer> {
  const { host = "127.0.0.1", token, tls, certificates = false, page } = options;
  const port = numberOption("port", options.port ?? adminPort, { least: 0, most: 65_535, whole: true });
  if (certificates && tls === undefined) throw badOption("certificates", true, "certificates come by TLS: give `tls`");
  const isLocal = isLoopback(host);
  const identities: AuthenticatorMaker[] = [bearerToken(token), ...(certificates ? [mtls()] : [])];
  const server: Server = createServerOn(runtime, {
    auth: auth({
      identities, rules: rulesOf(isLocal, certificates),
      audit: { allowed: false, sink: (entry) => refused(admin.audit, entry) },
    }),
    health: false, maxConnections: 1_000, maxInFlight: 1_000, tls,
    http: {
      refuses: door(host, options), json: false, jsonRpc: false, avro: false, thrift: false,
      ...(page === undefined ? undefined : { fallback: page }),
      ...(options.origins === undefined ? undefined : { cors: { origins: options.origins } }),
    },
  });
  server.implement(AdminContract, admin.handlers);
  const address = await server.listen({ host, port });
  const close = (): Promise<void> => server.close(100);
  return { address, close, [Symbol.asyncDispose]: close };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Loopback's readers are whoever may run programs here. */
function rulesOf(isLocal: boolean, certificates: boolean): readonly AuthorisationRule[] {
  const service = AdminContract.name;
  const kinds = certificates ? ["token", "mtls"] : ["token"];
  const operators: AuthorisationRule = { name: "operators", who: { kind: kinds }, service };
  const safe = Object.values(AdminContract.methods).filter((method) => method.safe === true).map(({ name }) => name);
  return isLocal ? [operators, { name: "readers", who: "anyone", service, method: safe }] : [operators];
}

/** What forms can send by themselves, without asking the server before (Fetch standard, CORS-safelisted). */
const simpleTypes: ReadonlySet<string> =
  new Set(["", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]);

function door(host: string, { hosts = [], origins }: ServeAdminOptions): (request: Asked) => string | undefined {
  const isAnywhere = host === "0.0.0.0" || host === "::" || host === "[::]";
  const own = isAnywhere ? [] : [host.includes(":") && !host.startsWith("[") ? `[${host}]` : host];
  const check = hostCheck({ hosts: [...own, ...hosts], origins });
  return (request) => {
    const why = check(request);
    if (why !== undefined) return `${why} (admin: hosts, origins)`;
    if (request.method === "GET" || request.method === "HEAD" || request.method === "OPTIONS") return undefined;
    const [type = ""] = (request.fields["content-type"] ?? "").split(";", 1);
    if (!simpleTypes.has(type.trim().toLowerCase())) return undefined;
    return `the admin service takes nothing that a form could send: ${JSON.stringify(type.slice(0, 64))} is no ` +
      "content type of a call (application/json, application/proto, application/grpc)";
  };
}

interface Asked {
  readonly method: string;
  readonly authority: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What was denied never came to a handler, so it is written down here. */
function refused(audit: Audit | undefined, entry: Parameters<NonNullable<NonNullable<
  Parameters<typeof auth>[0]["audit"]>["sink"]>>[0]): void {
  if (entry.decision !== "deny") return;
  audit?.add({
    who: entry.name === "" ? entry.kind : `${entry.kind}:${entry.name}`, from: entry.peer,
    action: entry.method.slice(entry.method.lastIndexOf("/") + 1), target: "", reason: entry.reason, allowed: false,
    outcome: `refused: ${entry.code ?? "denied"}`,
  });
}

