/** The `security` section of a configuration: checked plain data, and what is made of it. */
import { type GuardMaker, type Secret } from "../core/index.ts";
import { describe, type Place, type Refuse } from "../discovery/services.ts";
import type { ApiKeysOptions } from "./api-keys.ts";
import type { AuditSink } from "./audit.ts";
import { auth, type AuthOptions } from "./auth.ts";
import type { AuthenticatorMaker } from "./authenticator.ts";
import type { JwtOptions } from "./jwt.ts";
import { mtls, type MtlsOptions } from "./mtls.ts";
import { readAuthorisationRules, readCaller, readGroup, type Readers, readText, readTexts } from "./read-rules.ts";
import { type AuthorisationRule, type AuthorisationRules, createAuthorisationRules } from "./rules.ts";
import type { RequestLimitOptions } from "./requests.ts";
import type { TrustOptions } from "./trust.ts";
import { bearerToken } from "./token.ts";

/** As it stands in a file. Secrets are named, never written. */
export interface SecurityConfig {
  readonly mtls?: boolean | MtlsOptions | undefined;
  readonly jwt?: readonly JwtOptions[] | undefined;
  readonly apiKeys?: ApiKeysOptions | undefined;
  /** One identity for whoever knows the secret. */
  readonly token?: { readonly name?: string | undefined } &
    ({ readonly file: string } | { readonly env: string }) | undefined;
  readonly rules?: readonly AuthorisationRule[] | undefined;
  readonly trust?: TrustOptions | undefined;
  readonly audit?: {
    readonly file?: string | undefined;
    readonly allowed?: boolean | undefined;
    readonly maxPerSecond?: number | undefined;
  } | undefined;
  readonly requests?: RequestLimitOptions | undefined;
  readonly endStreamsOnExpiry?: boolean | undefined;
}

/** What reaches the disk and the network. */
export interface SecurityParts {
  readonly jwt: (options: JwtOptions) => AuthenticatorMaker;
  readonly apiKeys: (options: ApiKeysOptions) => AuthenticatorMaker;
  readonly auditLog: (path: string) => AuditSink;
  readonly secret: (source: { readonly file: string } | { readonly env: string }) => Secret;
}

/** The rules by themselves, for who reloads them: `authOf(config, parts, rules)`, later `rules.set(...)`. */
export function authOf(config: SecurityConfig, parts: SecurityParts, rules?: AuthorisationRules): GuardMaker {
  const { audit, token } = config;
  const identities: AuthenticatorMaker[] = [
    ...(config.jwt ?? []).map((one) => parts.jwt(one)),
    ...(config.apiKeys === undefined ? [] : [parts.apiKeys(config.apiKeys)]),
    ...(token === undefined ? [] : [bearerToken(parts.secret(token), { name: token.name })]),
    ...(config.mtls === undefined || config.mtls === false ? [] : [mtls(config.mtls === true ? {} : config.mtls)]),
  ];
  const options: AuthOptions = {
    identities, rules: rules ?? createAuthorisationRules(config.rules ?? []), trust: config.trust,
    requests: config.requests, endStreamsOnExpiry: config.endStreamsOnExpiry,
    audit: audit && {
      allowed: audit.allowed, maxPerSecond: audit.maxPerSecond,
      sink: audit.file === undefined ? undefined : parts.auditLog(audit.file),
    },
  };
  return auth(options);
}

/** Reads the section at `place`. Mappings may be objects or Maps; `refuse` throws for what is wrong, and where. */
export function readSecurityConfig(value: unknown, place: Place, refuse: Refuse): SecurityConfig {
  const config = readGroup(value, place, refuse, { what: "security", readers, required: [] }) as SecurityConfig;
  const asks = config.rules?.find(({ who }) => who !== "anyone");
  const knows = config.mtls || config.jwt || config.apiKeys || config.token;
  if (asks !== undefined && !knows) {
    refuse([...place, "rules"], `the rule ${JSON.stringify(asks.name)} asks who calls, and nothing here tells: ` +
      "give mtls, jwt, apiKeys or token");
  }
  if ((config.trust?.gateways?.length ?? 0) > 0 && !config.mtls) {
    refuse([...place, "trust", "gateways"], "gateways are known by their certificates: give mtls: true");
  }
  return config;
}

function flag(value: unknown, place: Place, refuse: Refuse): boolean {
  return typeof value === "boolean" ? value : refuse(place, `expected true or false, found ${describe(value)}`);
}

const number = (least: number, unit: string) => (value: unknown, place: Place, refuse: Refuse): number =>
  (typeof value === "number" && value >= least && value < Infinity ? value
    : refuse(place, `expected ${unit}, a number from ${least}, found ${describe(value)}`));

const group = (what: string, of: Readers, required: readonly string[] = []) =>
  (value: unknown, place: Place, refuse: Refuse) => readGroup(value, place, refuse, { what, readers: of, required });

const list = (read: (value: unknown, place: Place, refuse: Refuse) => unknown) =>
  (value: unknown, place: Place, refuse: Refuse): unknown[] => {
    const all = Array.isArray(value) ? value as unknown[] : [value];
    return all.map((one, index) => read(one, Array.isArray(value) ? [...place, index] : place, refuse));
  };

const ms = number(0, "milliseconds");

const who = list(readCaller);

const jwtReaders: Readers = {
  issuer: readTexts, audience: readTexts,
  jwks: (value, place, refuse) => {
    const read = readGroup(value, place, refuse, {
      what: "jwks", readers: { url: readText, file: readText }, required: [],
    });
    return Object.keys(read).length === 1 ? read : refuse(place, "expected either url or file");
  },
  algorithms: readTexts, clockToleranceMs: ms, maxAgeMs: ms, maxTokenChars: number(1, "characters"),
  maxRemembered: number(1, "tokens"), nameClaim: readText, regionClaim: readText, refreshMs: ms, cooldownMs: ms,
  maxStaleMs: ms,
};

const readers: Readers = {
  mtls: (value, place, refuse) => (typeof value === "boolean" ? value
    : group("mtls", { trustDomains: readTexts, untilExpiry: flag })(value, place, refuse)),
  jwt: list(group("jwt", jwtReaders, ["issuer", "audience", "jwks"])),
  apiKeys: group("apiKeys", { file: readText, metadata: readText }, ["file"]),
  token: (value, place, refuse) => {
    const read = group("token", { file: readText, env: readText, name: readText })(value, place, refuse);
    return (read["file"] === undefined) !== (read["env"] === undefined) ? read
      : refuse(place, "expected where the secret is: either file or env");
  },
  rules: readAuthorisationRules,
  trust: group("trust", {
    gateways: list(group("a gateway", { who, regions: readTexts }, ["who"])),
    regions: list(group("a region", { who, region: readText }, ["who", "region"])),
  }),
  audit: group("audit", { file: readText, allowed: flag, maxPerSecond: number(1, "entries") }),
  requests: group("requests", {
    perSecond: number(Number.MIN_VALUE, "requests"), burst: number(1, "requests"),
    maxIdentities: number(1, "identities"),
  }, ["perSecond"]),
  endStreamsOnExpiry: flag,
};

const texts = { oneOf: [{ type: "string" }, { type: "array", items: { type: "string" }, minItems: 1 }] };
const plain = (properties: Record<string, unknown>, required: readonly string[] = []) =>
  ({ type: "object", additionalProperties: false, properties, ...(required.length === 0 ? undefined : { required }) });
const string = { type: "string", minLength: 1 };
const milliseconds = { type: "number", minimum: 0 };
const caller = plain({ kind: texts, name: texts, spiffe: texts, trustDomain: texts, via: texts });
const callers = { oneOf: [caller, { type: "array", items: caller, minItems: 1 }] };
const jwtSchema = plain({
  issuer: texts, audience: texts, jwks: { oneOf: [plain({ url: string }, ["url"]), plain({ file: string }, ["file"])] },
  algorithms: texts, clockToleranceMs: milliseconds, maxAgeMs: milliseconds,
  maxTokenChars: { type: "integer", minimum: 1 }, maxRemembered: { type: "integer", minimum: 1 },
  nameClaim: string, regionClaim: string, refreshMs: milliseconds, cooldownMs: milliseconds, maxStaleMs: milliseconds,
}, ["issuer", "audience", "jwks"]);

/** The section for editors (JSON Schema, draft 2020-12). What it lets pass, `readSecurityConfig` may still refuse. */
export const securityJsonSchema: Readonly<Record<string, unknown>> = {
  ...plain({
    mtls: { oneOf: [{ type: "boolean" }, plain({ trustDomains: texts, untilExpiry: { type: "boolean" } })] },
    jwt: { oneOf: [jwtSchema, { type: "array", items: jwtSchema }] },
    apiKeys: plain({ file: string, metadata: string }, ["file"]),
    token: plain({ file: string, env: string, name: string }),
    rules: { type: "array", items: plain({
      name: string, effect: { enum: ["allow", "deny"] },
      who: { oneOf: [{ enum: ["anyone", "identified"] }, ...callers.oneOf] },
      region: texts, service: texts, method: texts,
      claims: { type: "object", additionalProperties: { oneOf: [...texts.oneOf, { type: ["number", "boolean"] }] } },
      metadata: { type: "object", additionalProperties: texts },
    }, ["name"]) },
    trust: plain({
      gateways: { type: "array", items: plain({ who: callers, regions: texts }, ["who"]) },
      regions: { type: "array", items: plain({ who: callers, region: string }, ["who", "region"]) },
    }),
    audit: plain({ file: string, allowed: { type: "boolean" }, maxPerSecond: { type: "integer", minimum: 1 } }),
    requests: plain({
      perSecond: { type: "number", exclusiveMinimum: 0 }, burst: { type: "number", minimum: 1 },
      maxIdentities: { type: "integer", minimum: 1 },
    }, ["perSecond"]),
    endStreamsOnExpiry: { type: "boolean" },
  }),
  description: "Who calls, whether they may, and what of it is written down. Default: whoever may connect may call.",
};
