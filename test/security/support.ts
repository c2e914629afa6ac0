/** What the tests of security stand on: an authority, certificates, a contract, and servers on real sockets. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { RpcError } from "../../src/core/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { createClient } from "../../src/client/index.ts";
import type { ClientOptions } from "../../src/client/create-client.ts";
import { createServer } from "../../src/server/index.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import { tls, type TlsOptions } from "../../src/runtime/node/index.ts";

export const Ledger = service("ledger.v1.Ledger", {
  read: rpc({ input: z.object({ account: z.string() }), output: z.object({ balance: z.int32() }), idempotent: true }),
  write: rpc({ input: z.object({ account: z.string() }), output: z.object({ balance: z.int32() }) }),
  watch: rpc({
    kind: "server_stream", input: z.object({ account: z.string() }), output: z.object({ balance: z.int32() }),
  }),
});

export interface CertificateOptions {
  /** As OpenSSL takes them. Default `DNS:localhost,IP:127.0.0.1`. */
  readonly names?: string;
  /** The authority that signs. Default `ca`. */
  readonly by?: string;
  readonly isExpired?: boolean;
}

/** A folder of keys and certificates, gone when it is closed. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), "meridian-security-"));

  constructor() {
    this.authority("ca");
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }

  authority(name: string): void {
    this.#openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
  }

  certify(name: string, options: CertificateOptions = {}): void {
    const { names = "DNS:localhost,IP:127.0.0.1", by = "ca", isExpired = false } = options;
    this.#openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(this.file("names"), `subjectAltName=${names}`);
    // Until yesterday: OpenSSL counts days from now.
    this.#openssl("x509", "-req", "-in", `${name}.csr`, "-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial",
      "-days", isExpired ? "-1" : "2", "-out", `${name}.crt`, "-extfile", "names");
  }

  pem(name: string): TlsOptions {
    return { cert: { file: this.file(`${name}.crt`) }, key: { file: this.file(`${name}.key`) } };
  }

  /** TLS of a server that asks for certificates. */
  serving(name: string, clientCertificate: "none" | "request" | "require" = "request"): ReturnType<typeof tls> {
    return tls({ ...this.pem(name), ca: { file: this.file("ca.crt") }, clientCertificate });
  }

  /** TLS of a client, with a certificate where one is named. */
  calling(name?: string): ReturnType<typeof tls> {
    return tls({ ...(name === undefined ? undefined : this.pem(name)), ca: { file: this.file("ca.crt") } });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Heard {
  readonly events: { readonly name: string; readonly [field: string]: unknown }[];
}

/** A server of {@link Ledger} that notes who calls, and what its observer heard. */
export async function serveLedger(options: ServerOptions & { readonly listen?: { path?: string } } = {}) {
  const events: Record<string, unknown>[] = [];
  const callers: { kind: string; name: string; address: string; isSecured: boolean; region: string | undefined }[] = [];
  const server = createServer({
    metrics: false, load: false, ...options,
    observer: { ...options.observer, event: (name, fields) => void events.push({ event: name, ...fields }) },
  });
  server.implement(Ledger, {
    read({ account }, { identity, peer }) {
      callers.push({
        kind: identity?.kind ?? "none", name: identity?.name ?? "", address: peer?.address ?? "",
        isSecured: peer?.isSecured ?? false, region: identity?.region,
      });
      return { balance: account.length };
    },
    write: () => ({ balance: 1 }),
    async *watch({ account }, { signal }) {
      yield { balance: account.length };
      if (account === "endless") {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      }
    },
  });
  const address = await server.listen(options.listen);
  return { server, address, events, callers };
}

/** One call of a client of its own: the answer, or the error it ended with. */
export async function callOnce(
  address: string, options: Omit<ClientOptions, "address"> = {}, metadata: Record<string, string> = {},
  method: "read" | "write" = "read",
): Promise<{ balance?: number; error?: RpcError }> {
  using client = createClient(Ledger, {
    address, retry: false, hedge: false, timeoutMs: 20_000, metrics: false, ...options,
  });
  try {
    return await client[method]({ account: "abc" }, { metadata });
  } catch (error) {
    return { error: RpcError.from(error) };
  }
}
