/**
 * The Connect conformance suite (connectrpc.com/conformance), run against our server and our client: gRPC, gRPC-Web and
 * Connect, over HTTP/1.1 and HTTP/2, with TLS and without. Every case must pass: no case is known to fail, or flaky.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";

/** How many cases version 1.0.7 of the suite has for what `configs/all.yaml` says; later versions have more. */
const leastCases = { server: 7_288, client: 8_978 };
const timeoutMs = 540_000;
const folder = import.meta.dirname;

/** Where the suite is: named, on the path, or where Go installs. */
function findSuite(): string | undefined {
  const named = process.env["MERIDIAN_CONNECTCONFORMANCE"];
  if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/go/bin"];
  for (const go of folders.map((one) => join(one, "go")).filter((file) => existsSync(file)).slice(0, 1)) {
    folders.push(join(execFileSync(go, ["env", "GOPATH"], { encoding: "utf8" }).trim(), "bin"));
  }
  return folders.map((one) => join(one, "connectconformance")).find((file) => existsSync(file));
}

async function run(t: TestContext, mode: "server" | "client"): Promise<void> {
  const suite = findSuite();
  if (suite === undefined) {
    const why = "connectconformance is not installed (go install " +
      "connectrpc.com/conformance/cmd/connectconformance@latest), and MERIDIAN_CONNECTCONFORMANCE does not name it";
    assert.notEqual(process.env["MERIDIAN_REQUIRE"], "all", why);
    t.skip(why);
    return;
  }
  const program = [process.execPath, join(folder, `${mode}.ts`)];
  const args = ["--conf", join(folder, "configs", "all.yaml"), "--mode", mode, "--max-servers", "2", "--", ...program];
  // Sixteen servers start, each within the suite's ten seconds: on a busy machine what they compile is worth keeping.
  const env = { ...process.env, NODE_COMPILE_CACHE: mkdtempSync(join(tmpdir(), "meridian-conformance-")) };
  const output = await new Promise<string>((resolve) => {
    execFile(suite, args, { timeout: timeoutMs, maxBuffer: 1 << 28, env }, (error, stdout, stderr) => {
      rmSync(env.NODE_COMPILE_CACHE, { recursive: true, force: true });
      resolve(`${stdout}${stderr}${error === null ? "" : `\n${error.message.slice(0, 200)}`}`);
    });
  });
  const [, passed, failed] = /(\d+) passed, (\d+) failed/.exec(output) ?? [];
  const failures = output.split("\n").filter((line) => !line.startsWith("Running")).slice(0, 60).join("\n");
  assert.equal(failed, "0", failures);
  assert.ok(Number(passed) >= leastCases[mode], `${passed} cases ran, expected at least ${leastCases[mode]}`);
  assert.doesNotMatch(output, /known (?:failures|flakes)/);
}

test("every case of the Connect conformance suite passes against our server", (t) => run(t, "server"));
test("every case of the Connect conformance suite passes against our client", (t) => run(t, "client"));
