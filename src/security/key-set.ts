/**
 * A KeySet has the public keys of an issuer of tokens (JWKS, RFC 7517), gets them anew before they are old, and keeps
 * the last good ones while the issuer cannot be reached.
 */
import { type FileSource, numberOption, type Observer, RpcError, type Runtime, type Security } from "../core/index.ts";
import { httpRequester, type HttpRequester } from "../http/request.ts";

/** A key of a set, as JSON. Public members alone are used. */
export interface PublicKey {
  readonly kty: string;
  readonly kid?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly [member: string]: unknown;
}

/** Where keys come from. */
export type KeySource =
  | { readonly url: string } | { readonly file: FileSource } | { readonly keys: readonly PublicKey[] };

export interface KeySetOptions {
  /** How old keys may become before they are asked for again, in milliseconds. Default 300,000. */
  readonly refreshMs?: number | undefined;
  /** How often, at most, they are asked for because a token names a key that is not among them. Default 30,000. */
  readonly cooldownMs?: number | undefined;
  /** How long keys serve on while new ones cannot be had, in milliseconds. Default 86,400,000: a day. */
  readonly maxStaleMs?: number | undefined;
}

/** With what connects by `https:`. */
export interface KeySetSettings extends KeySetOptions {
  readonly secure: Security | undefined;
}

/** Most keys of a set, and bytes of its text. */
const [maxKeys, maxBytes] = [100, 262_144];

export class KeySet {
  readonly #runtime: Runtime;
  readonly #observer: Observer;
  readonly #source: KeySource;
  readonly #secure: Security | undefined;
  readonly #refreshMs: number;
  readonly #cooldownMs: number;
  readonly #maxStaleMs: number;
  #requester: HttpRequester | undefined = undefined;
  #stopWatching: (() => void) | undefined = undefined;
  #keys: readonly PublicKey[] | undefined = undefined;
  /** Grows whenever other keys come. */
  version = 0;
  #gotMs = -Infinity;
  #askedMs = -Infinity;
  #asking: Promise<void> | undefined = undefined;
  /** When they are asked for next though no token needs it, on the wall's clock, which who asks has read. */
  #dueWallMs = -Infinity;
  #isClosed = false;

  constructor(
    runtime: Runtime, observer: Observer, source: KeySource,
    { refreshMs, cooldownMs, maxStaleMs, secure }: KeySetSettings,
  ) {
    this.#runtime = runtime;
    this.#observer = observer;
    this.#source = source;
    this.#secure = secure;
    const ms = { least: 0, most: 2_592_000_000, unit: "milliseconds" };
    this.#refreshMs = numberOption("refreshMs", refreshMs ?? 300_000, ms);
    this.#cooldownMs = numberOption("cooldownMs", cooldownMs ?? 30_000, ms);
    this.#maxStaleMs = numberOption("maxStaleMs", maxStaleMs ?? 86_400_000, ms);
    if ("keys" in source) this.#got(checkedKeys({ keys: source.keys }, "keys"));
  }

  /** Whether a key of this id is at hand; without an id, whether any is. */
  has(kid: string | undefined): boolean {
    return this.#usable?.some((key) => kid === undefined || key.kid === kid) === true;
  }

  get #usable(): readonly PublicKey[] | undefined {
    if ("keys" in this.#source) return this.#keys;
    return this.#runtime.clock.now() - this.#gotMs <= this.#refreshMs + this.#maxStaleMs ? this.#keys : undefined;
  }

  /** Asks for them anew in time, so that who was verified by a key that is gone is looked at again. */
  keepFresh(wallMs: number): void {
    if (wallMs >= this.#dueWallMs && !("keys" in this.#source)) void this.#ask();
  }

  /** All keys, once those that a token of key `kid` needs have been asked for; undefined where none can be had. */
  async keysFor(kid: string | undefined): Promise<readonly PublicKey[] | undefined> {
    const nowMs = this.#runtime.clock.now();
    const mayAsk = !("keys" in this.#source) && nowMs - this.#askedMs >= this.#cooldownMs;
    const isOld = nowMs - this.#gotMs > this.#refreshMs;
    if (this.#asking !== undefined && !this.has(kid)) await this.#asking;
    else if (mayAsk && !this.has(kid)) await this.#ask();
    // What is known goes on serving meanwhile.
    else if (mayAsk && isOld) void this.#ask();
    return this.#usable;
  }

  #ask(): Promise<void> {
    this.#askedMs = this.#runtime.clock.now();
    this.#dueWallMs = this.#runtime.clock.wallMs() + Math.max(this.#cooldownMs, 1_000);
    return this.#asking ??= this.#load().finally(() => {
      this.#asking = undefined;
    });
  }

  async #load(): Promise<void> {
    const where = this.#where;
    try {
      const text = await this.#text();
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new RpcError("invalid_argument", `${where} is no JSON`, { cause });
      }
      if (!this.#isClosed) this.#got(checkedKeys(value, where));
    } catch (error) {
      const { message } = RpcError.from(error, "unavailable");
      this.#observer.event?.("auth.keys.failed", {
        from: where, error: message, kept: this.#usable?.length ?? 0,
        why: "the keys of before serve on, while they are not too old (maxStaleMs)",
      });
    }
  }

  get #where(): string {
    const source = this.#source;
    return "url" in source ? source.url : "file" in source ? source.file.path : "keys";
  }

  async #text(): Promise<string> {
    const source = this.#source;
    if ("file" in source) {
      this.#stopWatching ??= source.file.watch(() => {
        this.#askedMs = -Infinity;
        this.#dueWallMs = -Infinity;
        void this.#ask();
      });
      return source.file.read(maxBytes);
    }
    if (!("url" in source)) return "";
    const url = new URL(source.url);
    const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
    this.#requester ??= httpRequester(this.#runtime, {
      address: `${url.hostname}:${port}`, authority: url.host, name: source.url, timeoutMs: 5_000, maxBytes,
      security: url.protocol === "https:" ? this.#secure?.offering(["http/1.1"]) : undefined, maxRequests: 2,
    });
    const answer = await this.#requester.request({
      method: "GET", path: url.pathname + url.search, fields: { accept: "application/jwk-set+json, application/json" },
    });
    if (answer.status !== 200) throw new RpcError("unavailable", `${source.url} answered with ${answer.status}`);
    return answer.text;
  }

  #got(keys: readonly PublicKey[]): void {
    this.#gotMs = this.#runtime.clock.now();
    this.#dueWallMs = this.#runtime.clock.wallMs() + this.#refreshMs;
    if (JSON.stringify(keys) === JSON.stringify(this.#keys)) return;
    this.#keys = keys;
    this.version++;
    this.#observer.event?.("auth.keys", { from: this.#where, keys: keys.map(({ kid }) => kid ?? "unnamed") });
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWatching?.();
    void this.#requester?.close();
  }
}

/** The public keys for signatures; what is of another use, or secret, is left out. */
function checkedKeys(value: unknown, where: string): PublicKey[] {
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) {
    throw new RpcError("invalid_argument", `${where} is no key set: expected { "keys": [...] }`);
  }
  if (keys.length > maxKeys) {
    throw new RpcError("invalid_argument", `${where} has ${keys.length} keys, more than ${maxKeys}`);
  }
  const usable = (keys as (PublicKey | null)[]).filter((key): key is PublicKey =>
    typeof key === "object" && key !== null && typeof key.kty === "string" && key.kty !== "oct" &&
    (key.use === undefined || key.use === "sig"));
  if (usable.length === 0) throw new RpcError("invalid_argument", `${where} has no public key for signatures`);
  return usable.map((key) => Object.fromEntries(Object.entries(key).filter(([name]) => !secretMembers.has(name)))) as
    PublicKey[];
}

/** Of RFC 7518, section 6: who verifies need not know them. */
const secretMembers = new Set(["d", "p", "q", "dp", "dq", "qi", "oth", "k"]);
