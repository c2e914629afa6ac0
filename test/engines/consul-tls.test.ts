// A real Consul agent behind TLS that asks for our certificate: who is let in, and what the others are told.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tls } from "../../src/runtime/node/index.ts";
import { lacking } from "../peers/programs.ts";
import { consul, discoveryAt, startConsul } from "./consul.ts";
import { ids, record, until } from "./recorder.ts";

const skip = consul.missing ?? lacking("openssl");
const timeout = 120_000;

test("Consul by TLS: both sides show certificates, and a refusal says whose is wrong", { skip, timeout }, async () => {
  await using things = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "meridian-consul-tls-"));
  things.defer(() => rmSync(folder, { recursive: true, force: true }));
  certify(folder);
  const pem = (name: string): { file: string } => ({ file: join(folder, name) });
  const present = (name: string): void => {
    for (const kind of ["crt", "key"]) copyFileSync(join(folder, `${name}.${kind}`), join(folder, `agent.${kind}`));
  };
  present("one");
  const agent = await startConsul({ certificates: folder });
  things.defer(() => agent.stop());
  const port = agent.port + 4;
  const [ours, ca] = [{ cert: pem("us.crt"), key: pem("us.key") }, pem("ca.crt")];
  const entry = { address: "10.0.0.1:7001" };

  const known = things.use(discoveryAt(`localhost:${port}`, { tls: tls({ ca, ...ours }) }));
  await known.register("tls.v1.Web", entry).registered;
  const seen = record(known, "tls.v1.Web");
  await until(() => ids(seen) === "10.0.0.1:7001");
  const byNumber = things.use(discoveryAt(`127.0.0.1:${port}`, { tls: tls({ ca, ...ours, serverName: "localhost" }) }));
  const bySame = record(byNumber, "tls.v1.Web");
  await until(() => ids(bySame) === "10.0.0.1:7001");

  for (const [address, security, message] of [
    ["localhost", { ca: pem("stranger.crt"), ...ours }, /no authority .* vouches .* give the one that does: tls\(/],
    ["127.0.0.1", { ca, ...ours }, /127\.0\.0\.1 is not in the cert's list; connect by a name .* tls\(\{ serverName/],
    ["localhost", { ca }, /it asks for a certificate of ours .* tls\(\{ cert, key \}\)/],
    ["localhost", { ca, cert: pem("stranger.crt"), key: pem("stranger.key") }, /it asks for a certificate of ours/],
    ["localhost", undefined, /an HTTPS server\.; give the option `tls`$/],
  ] as const) {
    await using refused = discoveryAt(`${address}:${port}`, security === undefined ? {} : { tls: tls(security) });
    const heard = record(refused, "tls.v1.Web");
    await until(() => heard.failures.some((failure) => message.test(failure)));
    assert.deepEqual(heard.told, []);
  }

  // Somebody else at the agent's place takes nobody out.
  present("stranger");
  await agent.restart();
  await until(() => seen.failures.some((failure) => failure.includes("vouches for its certificate")));
  assert.deepEqual(seen.told, [["10.0.0.1:7001"]]);
  present("one");
  await agent.restart();
  await known.register("tls.v1.Web", { address: "10.0.0.2:7001" }).registered;
  await until(() => seen.last?.length === 2);
});

/** An authority; what it signed for `localhost` and for us; and one that nobody trusts. */
function certify(folder: string): void {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["ca", "stranger"]) {
    openssl("req", "-x509", ...key, "-days", "2", "-keyout", `${name}.key`, "-out", `${name}.crt`,
      "-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost");
  }
  writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost");
  for (const name of ["one", "us"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
      "-out", `${name}.crt`, "-extfile", "names");
  }
}
