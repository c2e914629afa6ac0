/**
 * Identities of JSON Web Tokens, which callers send as `authorization: Bearer …`. Signatures are verified by the
 * package `jose`, which is loaded on first use; what a token says wrong of itself is refused before that.
 *
 * Public keys alone: a secret that many verifiers know is no proof, and algorithms of secrets (HS256) beside those of
 * public keys are how forgers sign with the public key.
 */
import type * as JosePackage from "jose";
import {
  badOption, type Context, type FileSource, type Identity, numberOption, type Observer, RpcError, type Runtime,
  type Security,
} from "../core/index.ts";
import { type Authenticated, type Authenticator, type AuthenticatorMaker, NotAccepted } from "./authenticator.ts";
import { KeySet, type KeySetOptions, type KeySource, type PublicKey } from "./key-set.ts";
import { Lru } from "./lru.ts";
import { claimsProblem, type ClaimRules, readToken } from "./token-parts.ts";

export interface JwtOptions extends KeySetOptions {
  /** Who may issue tokens (`iss`). */
  readonly issuer: string | readonly string[];
  /** For whom they must be (`aud`): this service, not just any of the issuer's. */
  readonly audience: string | readonly string[];
  /** The issuer's public keys: where they are published, a file of them, or themselves. */
  readonly jwks: { readonly url: string } | { readonly file: string } | { readonly keys: readonly PublicKey[] };
  /** Algorithms of signatures (RFC 7518). Default: RS, PS and ES with 256, 384 and 512, and EdDSA. */
  readonly algorithms?: readonly string[] | undefined;
  /** How much the clocks of issuer and server may differ, in milliseconds. Default 5,000. */
  readonly clockToleranceMs?: number | undefined;
  /** How long after it was issued a token is accepted, whatever it says, in milliseconds. Default Infinity. */
  readonly maxAgeMs?: number | undefined;
  /** Longest token, in characters. Default 8,192. */
  readonly maxTokenChars?: number | undefined;
  /** Verified tokens that are remembered until they expire. Default 10,000. */
  readonly maxRemembered?: number | undefined;
  /** The claim that names the caller. Default `sub`. */
  readonly nameClaim?: string | undefined;
  /** The claim that says where the caller is. Default: none does. */
  readonly regionClaim?: string | undefined;
}

/** What the runtime lends. */
export interface JwtParts {
  /** For `https:`. */
  readonly secure: () => Security;
  readonly file: (path: string) => FileSource;
}

const defaultAlgorithms = [
  "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
];

/** How long a token that was refused is remembered as such, in milliseconds: keys may come that vouch for it. */
const refusedMs = 5_000;

type Jose = typeof JosePackage;
let loading: Promise<Jose> | undefined;

function load(): Promise<Jose> {
  return loading ??= import("jose").catch((error: unknown) => {
    loading = undefined;
    throw new RpcError("failed_precondition", "tokens need the package jose: npm install jose", { cause: error });
  });
}

interface Remembered {
  readonly found: Authenticated;
  /** Until when, in milliseconds since 1970. */
  readonly untilMs: number;
  /** Of the keys that it was verified with. */
  readonly version: number;
}

/** Knows callers by their tokens. */
export function jwtOn(parts: JwtParts, options: JwtOptions): AuthenticatorMaker {
  const checked = check(options);
  return (runtime, observer) => new JwtAuthenticator(runtime, observer, parts, checked);
}

type Checked = JwtOptions & ClaimRules & {
  readonly algorithms: readonly string[]; readonly maxTokenChars: number; readonly maxRemembered: number;
};

function check(options: JwtOptions): Checked {
  const { algorithms = defaultAlgorithms, jwks } = options;
  if (algorithms.length === 0) throw badOption("algorithms", "[]", "name at least one, e.g. RS256");
  for (const one of algorithms) {
    if (!defaultAlgorithms.includes(one)) {
      throw badOption("algorithms", one, one.startsWith("HS")
        ? "whoever verifies by a shared secret can forge: use a pair of keys, e.g. ES256"
        : `known are ${defaultAlgorithms.join(", ")}`);
    }
  }
  if ("url" in jwks && !jwks.url.startsWith("https://") && !isLoopback(jwks.url)) {
    throw badOption("jwks.url", jwks.url,
      "keys that come in the clear are anybody's: use https:// (http:// on loopback)");
  }
  const texts = (name: string, value: string | readonly string[]): readonly string[] => {
    const all = typeof value === "string" ? [value] : value;
    if (!Array.isArray(all) || all.length === 0 || all.some((one) => typeof one !== "string" || one === "")) {
      throw badOption(name, value, "expected a text, or a list of some");
    }
    return all;
  };
  const whole = { least: 1, most: 1_000_000, whole: true };
  return {
    ...options, algorithms,
    issuers: texts("issuer", options.issuer), audiences: texts("audience", options.audience),
    clockToleranceMs: numberOption("clockToleranceMs", options.clockToleranceMs ?? 5_000,
      { least: 0, most: 3_600_000, unit: "milliseconds" }),
    maxAgeMs: options.maxAgeMs === undefined || options.maxAgeMs === Infinity ? Infinity
      : numberOption("maxAgeMs", options.maxAgeMs, { least: 1, unit: "milliseconds" }),
    maxTokenChars: numberOption("maxTokenChars", options.maxTokenChars ?? 8_192, { ...whole, unit: "characters" }),
    maxRemembered: numberOption("maxRemembered", options.maxRemembered ?? 10_000, { ...whole, unit: "tokens" }),
  };
}

function isLoopback(url: string): boolean {
  return /^http:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:\/|$)/.test(url);
}

/** What is kept of a connection: its callers mostly send one token again and again. */
class LastToken {
  token = "";
  remembered: Remembered | undefined = undefined;
}

class JwtAuthenticator implements Authenticator {
  readonly kind = "jwt";
  readonly of = "message";
  readonly #runtime: Runtime;
  readonly #options: Checked;
  readonly #keys: KeySet;
  /** By the hash of the token: what is in memory is nobody's credential. */
  readonly #remembered: Lru<Remembered>;
  readonly #verifying = new Map<string, Promise<Authenticated>>();
  readonly #lasts = new WeakMap<object, LastToken>();
  #local: { readonly version: number; readonly resolve: JosePackage.JWTVerifyGetKey } | undefined = undefined;

  constructor(runtime: Runtime, observer: Observer, parts: JwtParts, options: Checked) {
    this.#runtime = runtime;
    this.#options = options;
    const { jwks } = options;
    const source: KeySource = "file" in jwks ? { file: parts.file(jwks.file) } : jwks;
    this.#keys = new KeySet(runtime, observer, source, {
      ...options, secure: "url" in jwks && jwks.url.startsWith("https:") ? parts.secure() : undefined,
    });
    this.#remembered = new Lru(options.maxRemembered);
  }

  identify({ metadata, peer }: Context): Authenticated | Promise<Authenticated> | undefined {
    const header = metadata["authorization"];
    if (header === undefined || !/^bearer /i.test(header)) return undefined;
    const wallMs = this.#runtime.clock.wallMs();
    if (this.#remembered.size > 0) this.#keys.keepFresh(wallMs);
    const last = peer === undefined ? undefined : this.#lastOf(peer);
    if (last?.token === header && this.#isGood(last.remembered, wallMs)) return last.remembered.found;
    const token = header.slice(7).trim();
    const { maxTokenChars } = this.#options;
    if (token.length > maxTokenChars) {
      return new NotAccepted(`the token has ${token.length} characters, more than ${maxTokenChars} (maxTokenChars)`);
    }
    const key = this.#hash(token);
    const known = this.#remembered.get(key);
    if (this.#isGood(known, wallMs)) {
      if (last !== undefined) Object.assign(last, { token: header, remembered: known });
      return known.found;
    }
    return this.#look(token, key, wallMs);
  }

  #lastOf(peer: object): LastToken {
    let last = this.#lasts.get(peer);
    if (last === undefined) this.#lasts.set(peer, last = new LastToken());
    return last;
  }

  #isGood(remembered: Remembered | undefined, wallMs: number): remembered is Remembered {
    return remembered !== undefined && wallMs < remembered.untilMs && remembered.version === this.#keys.version;
  }

  #hash(token: string): string {
    const { sealing } = this.#runtime;
    // Where there is no cryptography at hand, nobody but the simulator is there to read memory.
    if (sealing === undefined) return token;
    return String.fromCharCode(...sealing.digest(new TextEncoder().encode(token)));
  }

  #look(token: string, key: string, wallMs: number): Authenticated | Promise<Authenticated> {
    const parts = readToken(token);
    if (typeof parts === "string") return new NotAccepted(`the token is none: ${parts}`);
    if (!this.#options.algorithms.includes(parts.alg)) {
      return new NotAccepted(`the token is signed by ${JSON.stringify(parts.alg.slice(0, 32))}, expected ` +
        this.#options.algorithms.join(", "));
    }
    const problem = claimsProblem(parts.claims, this.#options, wallMs);
    if (problem !== undefined) {
      return new NotAccepted(`the token: ${problem.reason}`,
        problem.hasExpired === true ? "the token has expired" : undefined);
    }
    let verifying = this.#verifying.get(key);
    if (verifying === undefined) {
      verifying = this.#verify(token, key, parts.kid).finally(() => this.#verifying.delete(key));
      this.#verifying.set(key, verifying);
    }
    return verifying;
  }

  async #verify(token: string, key: string, kid: string | undefined): Promise<Authenticated> {
    try {
      const [jose, keys] = await Promise.all([load(), this.#keys.keysFor(kid)]);
      if (keys === undefined) {
        return new NotAccepted("the issuer's keys cannot be had", "tokens cannot be verified now", "unavailable");
      }
      const found = await this.#verified(jose, keys, token, kid);
      const wallMs = this.#runtime.clock.wallMs();
      const untilMs = found instanceof NotAccepted ? wallMs + refusedMs : found.expiresAtMs ?? wallMs + refusedMs;
      this.#remembered.set(key, { found, untilMs, version: this.#keys.version });
      return found;
    } catch (error) {
      return new NotAccepted(RpcError.from(error, "internal").message, "tokens cannot be verified now", "unavailable");
    }
  }

  async #verified(
    jose: Jose, keys: readonly PublicKey[], token: string, kid: string | undefined,
  ): Promise<Authenticated> {
    const { issuers, audiences, algorithms, clockToleranceMs } = this.#options;
    const { version } = this.#keys;
    if (this.#local?.version !== version) {
      this.#local = { version, resolve: jose.createLocalJWKSet({ keys: keys as JosePackage.JWK[] }) };
    }
    const settings: JosePackage.JWTVerifyOptions = {
      issuer: [...issuers], audience: [...audiences], algorithms: [...algorithms],
      clockTolerance: clockToleranceMs / 1_000, currentDate: new Date(this.#runtime.clock.wallMs()),
      requiredClaims: ["exp"],
    };
    try {
      const { payload } = await jose.jwtVerify(token, this.#local.resolve, settings);
      return this.#identity(payload);
    } catch (error) {
      const several = error as { readonly code?: unknown } & Partial<AsyncIterable<JosePackage.CryptoKey>>;
      if (several.code === "ERR_JWKS_MULTIPLE_MATCHING_KEYS" && several[Symbol.asyncIterator] !== undefined) {
        for await (const one of several as AsyncIterable<JosePackage.CryptoKey>) {
          const done = await jose.jwtVerify(token, one, settings).catch(() => undefined);
          if (done !== undefined) return this.#identity(done.payload);
        }
      }
      return new NotAccepted(`the token: ${reasonOf(error, kid)}`);
    }
  }

  #identity(claims: Readonly<Record<string, unknown>>): Authenticated {
    const { nameClaim = "sub", regionClaim, clockToleranceMs } = this.#options;
    const name = claims[nameClaim];
    if (typeof name !== "string" || name === "") return new NotAccepted(`the token names nobody (${nameClaim})`);
    const region = regionClaim === undefined ? undefined : claims[regionClaim];
    const identity: Identity = {
      kind: "jwt", name, trustDomain: claims["iss"] as string, claims,
      region: typeof region === "string" ? region : undefined,
      expiresAtMs: claims["exp"] as number * 1_000 + clockToleranceMs,
    };
    return identity;
  }

  close(): void {
    this.#keys.close();
  }
}

/** jose's codes in words. */
function reasonOf(error: unknown, kid: string | undefined): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  switch (code) {
    case "ERR_JWS_SIGNATURE_VERIFICATION_FAILED": return "its signature is not the issuer's";
    case "ERR_JWKS_NO_MATCHING_KEY":
      return `its key ${kid === undefined ? "has no id, and" : JSON.stringify(kid.slice(0, 64))} is not among the ` +
        "issuer's";
    default: return String(message ?? code).slice(0, 200);
  }
}
