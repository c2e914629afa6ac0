/** Who calls, whether they may, and what of it is written down: `createServer({ auth: auth({ … }) })`. */
import type { FileSource } from "../core/index.ts";
import { appendFile, createFileSource, nodeRuntime, tls } from "../runtime/node/index.ts";
import { type ApiKeysOptions, apiKeysOn, hashApiKey as hashOn } from "./api-keys.ts";
import { auditLines, type AuditSink } from "./audit.ts";
import type { AuthenticatorMaker } from "./authenticator.ts";
import { type JwtOptions, jwtOn } from "./jwt.ts";
import { authOf, type SecurityConfig } from "./config.ts";
import type { GuardMaker } from "../core/identity.ts";
import { secret } from "../runtime/node/index.ts";

export { anonymous, type Guard, type GuardMaker, type Identity, type Peer, type PeerCertificate, Secret } from
  "../core/index.ts";
export { readSpiffeId, type SpiffeId } from "../core/index.ts";
export { redact, type Redaction, type RedactionOptions } from "../core/redact.ts";
export { secret, type SecretSource } from "../runtime/node/index.ts";
export { redactMessage } from "../contract/sensitive.ts";
export type { ApiKeysOptions } from "./api-keys.ts";
export { type AuditEntry, type AuditGap, auditLines, type AuditOptions, type AuditSink } from "./audit.ts";
export { auth, type AuthOptions, authorisation } from "./auth.ts";
export { type Authenticated, type Authenticator, type AuthenticatorMaker, NotAccepted } from "./authenticator.ts";
export { authOf, readSecurityConfig, type SecurityConfig, securityJsonSchema } from "./config.ts";
export { type CheckedRequest, hostCheck, type HostCheckOptions } from "./host-check.ts";
export type { JwtOptions } from "./jwt.ts";
export type { KeySetOptions, PublicKey } from "./key-set.ts";
export { mtls, type MtlsOptions } from "./mtls.ts";
export type { Patterns } from "./patterns.ts";
export { readAuthorisationRules } from "./read-rules.ts";
export type { RequestLimitOptions } from "./requests.ts";
export type { AuthorisationRule, AuthorisationRules, Caller } from "./rules.ts";
export { bearerToken, type TokenOptions } from "./token.ts";
export type { PlacedCaller, TrustedGateway, TrustOptions } from "./trust.ts";

const file = (path: string): FileSource => createFileSource(path);

/** Knows callers by JSON Web Tokens (`authorization: Bearer …`). Needs the package `jose`, loaded on first use. */
export function jwt(options: JwtOptions): AuthenticatorMaker {
  return jwtOn({ secure: () => tls({}), file }, options);
}

/** Knows callers by API keys, of which a file has the hashes (`hashApiKey`). */
export function apiKeys(options: ApiKeysOptions): AuthenticatorMaker {
  return apiKeysOn(file, options);
}

/** The hash of an API key, as the file of `apiKeys` has it. */
export function hashApiKey(key: string): string {
  return hashOn(nodeRuntime.sealing as NonNullable<typeof nodeRuntime.sealing>, key);
}

/** Writes decisions to a file, a line of JSON each, at once; a file that was moved away is made anew. */
export function auditLog(path: string): AuditSink {
  const lines = appendFile(path);
  return auditLines((line) => lines.write(line));
}

/** Makes a server's guard of a configuration that `readSecurityConfig` has checked. */
export function securityFrom(config: SecurityConfig): GuardMaker {
  return authOf(config, { jwt, apiKeys, auditLog, secret });
}
