// The greeter is called from Python's official client as its README promises, and from TypeScript.
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

const here = import.meta.dirname;
const run = promisify(execFile);
/** Debian's own: another Python first on the path has no grpcio. */
const python = "/usr/bin/python3";
const hasPython = spawnSync(python, ["-c", "import grpc, grpc_tools.protoc, google.protobuf"]).status === 0;
const promised = /^```text\n(.*?)^```$/ms.exec(readFileSync(join(here, "README.md"), "utf8"))?.[1] ?? "";

describe("the greeter", () => {
  const server = spawn(process.execPath, [join(here, "server.ts"), "0"], { stdio: ["pipe", "pipe", "inherit"] });
  let address = "";
  before(async () => {
    const [line] = await once(server.stdout, "data") as [Buffer];
    address = line.toString().trim();
  });
  after(async () => {
    server.stdin.end();
    if (server.exitCode === null) await once(server, "exit");
  });

  test("answers the official client in Python", {
    skip: hasPython || process.env["MERIDIAN_REQUIRE"] === "all" ? false : "not installed: grpcio, grpcio-tools",
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-greeter-"));
    try {
      await run(python, ["-m", "grpc_tools.protoc", "-I.", `--python_out=${folder}`, `--grpc_python_out=${folder}`,
        "helloworld.proto"], { cwd: here, timeout: 60_000 });
      const env = { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" };
      const { stdout } = await run(python, [join(here, "client.py"), address], { env, timeout: 60_000 });
      assert.equal(stdout, promised);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("answers a client in TypeScript", async () => {
    const { stdout } = await run(process.execPath, ["client.ts", address], { cwd: here, timeout: 60_000 });
    assert.equal(stdout, promised.replaceAll("Python", "TypeScript"));
  });
});
