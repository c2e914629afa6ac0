/** What a JSON Web Token says of itself, before anybody has verified that it is true (RFC 7519, RFC 7515). */
import { fromAnyBase64 } from "../wire/base64.ts";

export interface TokenParts {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Reads header and claims, or says what is wrong. */
export function readToken(token: string): TokenParts | string {
  const parts = token.split(".");
  if (parts.length !== 3) {
    return `it has ${parts.length} part${parts.length === 1 ? "" : "s"}, where a signed token has 3`;
  }
  const header = jsonOf(parts[0] as string);
  if (header === undefined) return "its header is no JSON";
  const claims = jsonOf(parts[1] as string);
  if (claims === undefined) return "its claims are no JSON";
  const { alg, kid, crit } = header;
  if (typeof alg !== "string") return "its header names no algorithm";
  if (kid !== undefined && typeof kid !== "string") return "its key id is no text";
  if (crit !== undefined) return "its header has extensions that must be understood (crit)";
  return { alg, kid, claims };
}

function jsonOf(part: string): Record<string, unknown> | undefined {
  const bytes = fromAnyBase64(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

export interface ClaimRules {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  readonly clockToleranceMs: number;
  readonly maxAgeMs: number;
}

/** What is wrong with the claims at `wallMs`: the reason, and whether it is only that the token has run out. */
export function claimsProblem(
  claims: TokenParts["claims"], rules: ClaimRules, wallMs: number,
): { readonly reason: string; readonly hasExpired?: boolean } | undefined {
  const { iss, aud, exp, nbf, iat } = claims;
  if (typeof iss !== "string" || !rules.issuers.includes(iss)) {
    return { reason: `its issuer is ${quoted(iss)}, expected ${listed(rules.issuers)}` };
  }
  const audiences = Array.isArray(aud) ? aud as unknown[] : [aud];
  if (!audiences.some((one) => typeof one === "string" && rules.audiences.includes(one))) {
    return { reason: `its audience is ${audiences.map(quoted).join(", ")}, expected ${listed(rules.audiences)}` };
  }
  if (typeof exp !== "number") return { reason: "it does not say when it expires (exp)" };
  const lateMs = wallMs - exp * 1_000;
  if (lateMs >= rules.clockToleranceMs) {
    return { reason: `it expired ${Math.round(lateMs / 1_000)} s ago`, hasExpired: true };
  }
  if (nbf !== undefined && (typeof nbf !== "number" || nbf * 1_000 > wallMs + rules.clockToleranceMs)) {
    return { reason: `it is not valid yet (nbf ${quoted(nbf)})` };
  }
  if (iat !== undefined && typeof iat !== "number") return { reason: "when it was issued is no number (iat)" };
  if (rules.maxAgeMs < Infinity && (typeof iat !== "number" || wallMs - iat * 1_000 > rules.maxAgeMs)) {
    return { reason: `it was issued more than ${rules.maxAgeMs / 1_000} s ago, or does not say when (iat)` };
  }
  return undefined;
}

/** For the audit log: what a forged token says is text of a stranger's. */
function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? "absent").slice(0, 128);
}

function listed(values: readonly string[]): string {
  return values.map(quoted).join(" or ");
}
