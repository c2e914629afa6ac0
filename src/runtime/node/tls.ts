/**
 * TLS on Node: who we are, whom we trust, and the certificates renewed while connections go on.
 *
 * What is read from files is looked at again, at most once a second, when somebody connects: a certificate renewed
 * on disk is used from the next connection on, without a restart and without a watcher that must be closed.
 */
import { readFileSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createSecureContext, type SecureContext, type SecureContextOptions, type SecureVersion } from "node:tls";
import { RpcError } from "../../core/error.ts";
import type { Security } from "../../core/runtime.ts";

/** PEM text or bytes, or the file they are in. */
export type Pem = string | Uint8Array | { readonly file: string };

export interface TlsOptions {
  /** Our certificate and those between it and the authority, and its key. Servers need both; clients for mutual TLS. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  /** The authorities that vouch for the peer. Default: those that Node trusts. */
  readonly ca?: Pem | undefined;
  /**
   * Servers: whether clients show a certificate. `none` (default) asks for none; `request` asks, and refuses one that
   * does not verify; `require` refuses who shows none.
   */
  readonly clientCertificate?: "none" | "request" | "require" | undefined;
  /** Clients: the name that the server's certificate must be for. Default: the host of its address. */
  readonly serverName?: string | undefined;
  /** Clients: `false` accepts any certificate, which hides nothing from whoever sits in between. Default true. */
  readonly verify?: boolean | undefined;
  /** Oldest version. Default `TLSv1.2`. */
  readonly minVersion?: SecureVersion | undefined;
  /** Hears why renewed files could not be used; the former ones stay. Default: nobody. */
  readonly reloadFailed?: ((error: Error) => void) | undefined;
}

/** How often files are looked at again, at most, in milliseconds. */
const reloadIntervalMs = 1_000;

/** The TLS of a server or a client. Throws `invalid_argument` for certificates and keys that cannot be used. */
export function tls(options: TlsOptions): NodeSecurity {
  const certificates = new Certificates(options);
  return new NodeSecurity(options, certificates, []);
}

export class NodeSecurity implements Security {
  readonly kind = "tls";
  readonly options: TlsOptions;
  readonly protocols: readonly string[];
  readonly #certificates: Certificates;

  constructor(options: TlsOptions, certificates: Certificates, protocols: Security["protocols"]) {
    this.options = options;
    this.#certificates = certificates;
    this.protocols = protocols;
  }

  offering(protocols: readonly string[]): NodeSecurity {
    return new NodeSecurity(this.options, this.#certificates, protocols);
  }

  /** The certificates as they are now. Renewed files take effect with a call after the one that noticed them. */
  get material(): Material {
    return this.#certificates.current();
  }
}

/** A Security of another runtime would be ignored silently. */
export function nodeSecurity(security: Security): NodeSecurity {
  if (security instanceof NodeSecurity) return security;
  throw new RpcError("invalid_argument", `security of kind "${security.kind}" was not made by tls() of this runtime`);
}

/** What is read of files, and the context made of it: another object after each renewal. */
export interface Material {
  readonly pem: SecureContextOptions;
  readonly context: SecureContext;
}

class Certificates {
  readonly #options: TlsOptions;
  #material: Material;
  #stamp: string;
  #lookedMs = -Infinity;
  #looking = false;

  constructor(options: TlsOptions) {
    this.#options = options;
    if ((options.cert === undefined) !== (options.key === undefined)) {
      throw new RpcError("invalid_argument",
        `tls: ${options.cert === undefined ? "key without cert" : "cert without key"}; give both`);
    }
    this.#stamp = this.#files().map((file) => stampOf(file, () => statSync(file))).join();
    this.#material = this.#make();
  }

  current(): Material {
    const nowMs = performance.now();
    if (!this.#looking && nowMs - this.#lookedMs >= reloadIntervalMs && this.#files().length > 0) {
      this.#lookedMs = nowMs;
      void this.#look();
    }
    return this.#material;
  }

  #files(): string[] {
    const { cert, key, ca } = this.#options;
    return [cert, key, ca].flatMap((pem) => (isFile(pem) ? [pem.file] : []));
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      const found = await Promise.all(this.#files().map((file) => stat(file)));
      const stamp = found.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join();
      if (stamp === this.#stamp) return;
      this.#material = this.#make();
      this.#stamp = stamp;
    } catch (error) {
      // Half of a renewal may be on disk: certificate and key are written one after the other.
      this.#options.reloadFailed?.(error as Error);
    } finally {
      this.#looking = false;
    }
  }

  #make(): Material {
    const { cert, key, ca, minVersion = "TLSv1.2" } = this.#options;
    try {
      const pem = { minVersion, ...given("cert", cert), ...given("key", key), ...given("ca", ca) };
      return { pem, context: createSecureContext(pem) };
    } catch (error) {
      if (RpcError.is(error)) throw error;
      throw new RpcError("invalid_argument", `tls: the certificate or key cannot be used: ${(error as Error).message}`,
        { cause: error });
    }
  }
}

function given(name: "cert" | "key" | "ca", pem: Pem | undefined): { [name: string]: string | Buffer } {
  if (pem === undefined) return {};
  const text = isFile(pem) ? read(name, pem.file) : typeof pem === "string" ? pem : Buffer.from(pem);
  if (!text.includes("-----BEGIN")) {
    const where = isFile(pem) ? `the file ${pem.file}` : name;
    throw new RpcError("invalid_argument",
      `tls: ${where} is no PEM (-----BEGIN ...); for a path write ${name}: { file: "..." }`);
  }
  return { [name]: text };
}

function read(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(name, error);
  }
}

function stampOf(file: string, look: () => { mtimeMs: number; size: number; ino: number }): string {
  try {
    const { mtimeMs, size, ino } = look();
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(what: string, cause: unknown): RpcError {
  return new RpcError("invalid_argument", `tls: ${what} cannot be read: ${(cause as Error).message}`, { cause });
}

function isFile(pem: Pem | undefined): pem is { readonly file: string } {
  return typeof pem === "object" && "file" in pem;
}
