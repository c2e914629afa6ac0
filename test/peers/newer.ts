/**
 * Peers that are newer than Debian's, or not of Debian's at all, in a folder of the project's own:
 *
 *     node test/peers/newer.ts
 *
 * installs PyPI's thrift and avro, builds ./go-thrift with Thrift's module for Go, and ./java with Avro's of Maven's,
 * and fetches avro-tools of Maven's.
 * Tests use them where they are, and are skipped by name where not. Each takes less than a minute.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lacking, outputOf, python } from "./programs.ts";
import { peersIdl } from "./thrift/idl.ts";

const packages = ["thrift==0.25.0", "avro==1.12.2"];
const avroVersion = "1.12.1";
const copyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
const cache = fileURLToPath(new URL("../../node_modules/.cache/meridian-peers", import.meta.url));
const sources = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const timeoutMs = 300_000;

interface Peer {
  readonly name: string;
  /** Programs that it is made with. */
  readonly needs: readonly string[];
  /** Where it is, by what it is made of. */
  readonly folder: string;
  make(folder: string): Promise<void>;
}

const pypi: Peer = {
  name: "thrift and avro of PyPI", needs: [], folder: join(cache, `python-${packages.join("-").replaceAll("==", "")}`),
  async make(folder) {
    await outputOf(python, ["-m", "pip", "install", "--quiet", "--no-compile", "--target", folder, ...packages],
      { timeoutMs });
  },
};

const goThrift: Peer = {
  name: "thrift of Go", needs: ["go", "thrift"], folder: join(cache, `go-thrift-${hashOf("go-thrift", peersIdl)}`),
  async make(folder) {
    cpSync(sources("go-thrift"), folder, { recursive: true });
    mkdirSync(join(folder, "gen"));
    const language = "go:package_prefix=meridian.example/peers/gen/";
    await outputOf("thrift", ["--gen", language, "-out", join(folder, "gen"), peersIdl]);
    await outputOf("go", ["build", "-buildvcs=false", "-o", "peer", "."], { cwd: folder, timeoutMs });
  },
};

const javaAvro: Peer = {
  name: "avro of Maven", needs: ["mvn", "javac"], folder: join(cache, `java-${hashOf("java")}`),
  async make(folder) {
    cpSync(sources("java"), folder, { recursive: true });
    await outputOf("mvn", ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
      { cwd: folder, timeoutMs });
    await outputOf("javac", ["-cp", "lib/*", "-d", "classes", "AvroPeer.java"], { cwd: folder, timeoutMs });
  },
};

/** What its own users judge files of Avro by: reads IDL, compiles protocols and schemas. */
const avroTools: Peer = {
  name: "avro-tools of Maven", needs: ["mvn", "java"], folder: join(cache, `avro-tools-${avroVersion}`),
  async make(folder) {
    mkdirSync(folder);
    const artifact = `org.apache.avro:avro-tools:${avroVersion}`;
    await outputOf("mvn", ["-q", "-B", `${copyPlugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`,
      "-Dmdep.stripVersion=true"], { cwd: folder, timeoutMs });
  },
};

/** The folder that Python finds the newer packages in; undefined where they are not installed. */
export const newerPython = (): string | undefined => madeFolder(pypi);

/** The program of ./go-thrift; undefined where it is not built. */
export function goThriftPeer(): string | undefined {
  const folder = madeFolder(goThrift);
  return folder === undefined ? undefined : join(folder, "peer");
}

/** The class path of ./java; undefined where it is not built. */
export function javaAvroPath(): string | undefined {
  const folder = madeFolder(javaAvro);
  return folder === undefined ? undefined : `${folder}/classes:${folder}/lib/*`;
}

/** The file that `java -jar` runs; undefined where it cannot be had. */
export function avroToolsJar(): string | undefined {
  const folder = madeFolder(avroTools);
  return folder === undefined ? undefined : join(folder, "avro-tools.jar");
}

/** Why a test that needs it cannot run: what `skip` takes. */
export function lackingNewer(name: "pypi" | "goThrift" | "javaAvro" | "avroTools"): string | false {
  const peer = { pypi, goThrift, javaAvro, avroTools }[name];
  return madeFolder(peer) === undefined && `not installed: ${peer.name}`;
}

function madeFolder({ folder }: Peer): string | undefined {
  return existsSync(folder) ? folder : undefined;
}

function hashOf(folder: string, ...others: readonly string[]): string {
  const hash = createHash("sha256");
  const files = readdirSync(sources(folder)).sort().map((name) => join(sources(folder), name));
  for (const file of [...files, ...others]) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

async function install(peer: Peer): Promise<void> {
  const { folder, name, needs } = peer;
  const why = lacking(...needs);
  if (existsSync(folder) || why !== false) {
    console.log(`${name}: ${why === false ? "is there" : why}`);
    return;
  }
  mkdirSync(cache, { recursive: true });
  const making = `${folder}.${process.pid}`;
  try {
    await peer.make(making);
    // Two runs may install at once; whoever comes second has its equal already.
    if (!existsSync(folder)) renameSync(making, folder);
    console.log(`${name}: made`);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  for (const peer of [pypi, goThrift, javaAvro, avroTools]) {
    try {
      await install(peer);
    } catch (error) {
      // One that cannot be had keeps nobody from the others; its tests are skipped.
      console.error(`${peer.name}: ${String(error)}`);
      process.exitCode = 1;
    }
  }
}
