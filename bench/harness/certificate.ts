// A certificate for 127.0.0.1 that vouches for itself, for benchmarks over TLS.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Paths of PEM files. Whoever trusts `certificate` as an authority trusts its bearer. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Tells a measured process in which directory its certificate is. */
export const certificatesVariable = "MERIDIAN_BENCH_CERTIFICATES";

let directory: string | undefined;

/** The directory of this process's certificate, made on first use and gone when the process ends. */
export function certificateDirectory(): string {
  if (directory !== undefined) return directory;
  const made = mkdtempSync(join(tmpdir(), "meridian-bench-tls-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  const { certificate, key } = certificateIn(made);
  // P-256, as most servers have today: RSA would measure handshakes, which happen once here.
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    "-keyout", key, "-out", certificate,
  ], { stdio: "ignore" });
  return directory = made;
}

export function certificateIn(made: string): Certificate {
  return { certificate: join(made, "certificate.pem"), key: join(made, "key.pem") };
}
