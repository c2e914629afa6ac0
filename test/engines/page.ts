/** The code of a driver's page: it compiles as strictly as ours, and prints over a real engine what the page says. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { record, until } from "./recorder.ts";
import { readSnippets, root, runnable, type Snippets } from "../docs/snippets.ts";
import type { EngineServer, EngineUnderTest } from "./harness.ts";

/** Whether an engine holds the entry of an address where the page says that it does. */
export type Holds = (server: EngineServer, address: string) => Promise<boolean>;

/** Tests the page `document`, whose programs find the engine at `documentedAddress`. */
export function testPage(
  engine: EngineUnderTest, document: string, documentedAddress: string, holds?: Holds,
): void {
  const skip = engine.missing ?? false;
  const started: ChildProcess[] = [];
  let server: EngineServer | undefined;
  let snippets: Snippets;
  let folder = "";

  before(async () => {
    mkdirSync(join(root, "test/.tmp"), { recursive: true });
    folder = mkdtempSync(join(root, "test/.tmp", `discovery-${engine.name}-`));
    if (skip === false) server = await engine.start();
    snippets = await runnable(readSnippets(document));
    for (const [name, text] of snippets.files) {
      writeFileSync(join(folder, name), text.replaceAll(documentedAddress, server?.address ?? documentedAddress));
    }
  });
  after(async () => {
    for (const one of started) if (one.exitCode === null) one.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    await server?.stop();
  });

  test("the page's code passes the strictest compiler", () => {
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
      extends: relative(folder, join(root, "tsconfig.json")), include: ["*.ts"], exclude: [],
    }));
    const { stdout, error } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    assert.equal(error, undefined);
    // What is wrong with the sources themselves is told by the stage that checks those.
    assert.deepEqual(stdout.split("\n").filter((line) => line !== "" && !line.startsWith("src/")), []);
  });

  test("a server registers, a client finds it, and the entry goes with it", { skip, timeout: 120_000 }, async () => {
    const discovery = engine.discovery(server as EngineServer);
    const seen = record(discovery, "geo.v1.Cities");
    const serving = run("server.ts");
    await printed(serving, "server.ts");
    await until(() => seen.last?.length === 1);
    const [entered] = seen.last ?? [];
    assert.equal(entered?.weight, 10);
    const isHeld = (): Promise<boolean> | undefined => holds?.(server as EngineServer, entered.address);
    assert.notEqual(await isHeld(), false);
    const calling = run("client.ts");
    const exited = once(calling, "exit");
    await printed(calling, "client.ts");
    assert.deepEqual(await exited, [0, null]);
    const left = once(serving, "exit");
    serving.kill("SIGTERM");
    assert.deepEqual(await left, [0, null]);
    await until(() => seen.last?.length === 0);
    assert.notEqual(await isHeld(), true);
    await discovery.close();
  });

  function run(name: string): ChildProcess {
    const child = spawn(process.execPath, [join(folder, name)], { stdio: ["ignore", "pipe", "inherit"] });
    started.push(child);
    return child;
  }

  /** Resolves once the program has printed what the page says. */
  async function printed(child: ChildProcess, name: string): Promise<void> {
    const wanted = snippets.outputs.get(name) ?? "";
    let text = "";
    for await (const chunk of child.stdout ?? []) {
      text += String(chunk);
      if (text.length >= wanted.length) break;
    }
    assert.equal(text, wanted);
  }
}
