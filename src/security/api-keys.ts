/** Identities of API keys, of which the server's file has hashes alone: who reads it can call nobody. */
import {
  badOption, type Context, type FileSource, type Identity, type Observer, RpcError, type Runtime, type Sealing,
} from "../core/index.ts";
import { readDocument } from "../discovery/file-format.ts";
import type { Place, Refuse } from "../discovery/services.ts";
import { type Authenticated, type Authenticator, type AuthenticatorMaker, NotAccepted } from "./authenticator.ts";
import { sameBytes } from "./compare.ts";
import { readGroup, readNamed, readText } from "./read-rules.ts";

export interface ApiKeysOptions {
  /**
   * A file of YAML or JSON: `keys:` with a list of `{ name, sha256, region, claims, expires }`. Read again when it
   * changes; one that is wrong is refused, and the keys of before stay.
   */
  readonly file: string;
  /** The metadata in which callers show their key. Default `x-api-key`. */
  readonly metadata?: string | undefined;
}

interface ApiKey {
  readonly digest: Uint8Array;
  readonly identity: Identity;
}

/** Largest file, most keys, and the longest key that is looked at. */
const [maxFileBytes, maxKeys, maxKeyChars] = [4_194_304, 10_000, 1_024];

/** Knows callers by their API keys. */
export function apiKeysOn(file: (path: string) => FileSource, options: ApiKeysOptions): AuthenticatorMaker {
  const name = options.metadata ?? "x-api-key";
  if (!/^[0-9a-z_.-]{1,128}$/.test(name)) throw badOption("metadata", name, "expected a name of a-z 0-9 _ . -");
  return (runtime, observer) => new ApiKeyAuthenticator(runtime, observer, file(options.file), name);
}

class ApiKeyAuthenticator implements Authenticator {
  readonly kind = "apiKey";
  readonly of = "message";
  readonly #runtime: Runtime;
  readonly #sealing: Sealing;
  readonly #observer: Observer;
  readonly #source: FileSource;
  readonly #name: string;
  readonly #stop: () => void;
  #keys: ReadonlyMap<string, ApiKey> | undefined = undefined;
  #loading: Promise<void>;

  constructor(runtime: Runtime, observer: Observer, source: FileSource, name: string) {
    const { sealing } = runtime;
    if (sealing === undefined) throw badOption("apiKeys", source.path, "this runtime has no hashes");
    this.#runtime = runtime;
    this.#sealing = sealing;
    this.#observer = observer;
    this.#source = source;
    this.#name = name;
    this.#stop = source.watch(() => {
      this.#loading = this.#load();
    });
    this.#loading = this.#load();
  }

  async #load(): Promise<void> {
    const { path } = this.#source;
    try {
      const text = await this.#source.read(maxFileBytes);
      const document = {
        text, path, key: "keys", expected: "a list below it", empty: "no keys are written `keys: []`",
      };
      this.#keys = readDocument(document, (value, refuse) => readKeys(value, ["keys"], refuse));
      this.#observer.event?.("auth.keys", { from: path, keys: this.#keys.size });
    } catch (error) {
      this.#observer.event?.("auth.keys.failed", {
        from: path, error: RpcError.from(error, "unavailable").message, kept: this.#keys?.size ?? 0,
        why: "the keys of before stay",
      });
    }
  }

  identify({ metadata }: Context): Authenticated | Promise<Authenticated> | undefined {
    const key = metadata[this.#name];
    if (key === undefined) return undefined;
    return this.#keys === undefined ? this.#loading.then(() => this.#find(key)) : this.#find(key);
  }

  #find(key: string): Authenticated {
    const keys = this.#keys;
    if (keys === undefined) {
      return new NotAccepted(`${this.#source.path} cannot be read`, "keys cannot be verified now", "unavailable");
    }
    if (key.length > maxKeyChars) return new NotAccepted(`the key has more than ${maxKeyChars} characters`);
    const digest = this.#sealing.digest(new TextEncoder().encode(key));
    // Who guesses at keys chooses no digests; the place in the map tells of the digest, which nobody has.
    const found = keys.get(hexOf(digest));
    if (found === undefined || !sameBytes(found.digest, digest)) return new NotAccepted("the key is not known");
    const { expiresAtMs } = found.identity;
    if (expiresAtMs !== undefined && this.#runtime.clock.wallMs() >= expiresAtMs) {
      return new NotAccepted(`the key ${JSON.stringify(found.identity.name)} has expired`, "the key has expired");
    }
    return found.identity;
  }

  close(): void {
    this.#stop();
  }
}

function readKeys(value: unknown, place: Place, refuse: Refuse): ReadonlyMap<string, ApiKey> {
  if (!Array.isArray(value)) return refuse(place, "expected a list of keys");
  if (value.length > maxKeys) refuse(place, `there are ${value.length} keys, more than ${maxKeys}`);
  const keys = new Map<string, ApiKey>();
  const names = new Set<string>();
  value.forEach((one: unknown, index) => {
    const here = [...place, index];
    const { name, sha256, region, claims = {}, expires } = readGroup(one, here, refuse, {
      what: "a key", readers: keyReaders, required: ["name", "sha256"],
    }) as { name: string; sha256: string; region?: string; claims?: Record<string, unknown>; expires?: number };
    if (names.has(name)) refuse([...here, "name"], `${JSON.stringify(name)} is the name of another key already`);
    if (keys.has(sha256)) refuse([...here, "sha256"], "this is the hash of another key already");
    names.add(name);
    keys.set(sha256, {
      digest: Uint8Array.from(sha256.match(/../g) ?? [], (pair) => parseInt(pair, 16)),
      identity: Object.freeze({ kind: "apiKey", name, region, claims, expiresAtMs: expires }),
    });
  });
  return keys;
}

const keyReaders = {
  name: readText,
  sha256: (value: unknown, place: Place, refuse: Refuse) =>
    (typeof value === "string" && /^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase()
      // Never repeated: a key itself may have been put where its hash belongs.
      : refuse(place, "expected the SHA-256 of the key in 64 hexadecimal digits")),
  region: readText,
  claims: (value: unknown, place: Place, refuse: Refuse) => readNamed(value, place, refuse, (entry, at) => {
    const isPlain = ["string", "number", "boolean"].includes(typeof entry) ||
      (Array.isArray(entry) && entry.every((one) => typeof one === "string"));
    return isPlain ? entry : refuse(at, "expected a text, a number, true or false, or a list of texts");
  }),
  expires: (value: unknown, place: Place, refuse: Refuse) => {
    const atMs = typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
    return Number.isNaN(atMs) ? refuse(place, "expected a time, e.g. 2027-01-31T00:00:00Z") : atMs;
  },
};

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** What the file has of a key. */
export function hashApiKey(sealing: Sealing, key: string): string {
  return hexOf(sealing.digest(new TextEncoder().encode(key)));
}
