/** What an installation opens that is started as the documents say: nothing beside what they name, and on loopback. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer as createTcp, connect } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const skip = !existsSync("/proc/self/net/tcp") && "sockets are looked up in /proc";

/** Addresses at which a process listens: every socket that it has, whatever its port, as the system knows them. */
function listening(pid: number): string[] {
  const inodes = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((one) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${one}`))?.[1] ?? [];
    } catch {
      return [];
    }
  }));
  const found: string[] = [];
  for (const [table, state] of [["tcp", "0A"], ["tcp6", "0A"], ["udp", "07"], ["udp6", "07"]] as const) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1)) {
      const [, local = "", , status, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (status !== state || !inodes.has(inode)) continue;
      const [host = "", port = ""] = local.split(":");
      found.push(`${table} ${addressOf(host)}:${parseInt(port, 16)}`);
    }
  }
  return found.toSorted();
}

function addressOf(hex: string): string {
  return hex.length === 8 ? (hex.match(/../g) ?? []).toReversed().map((one) => parseInt(one, 16)).join(".") : hex;
}

async function said(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const bytes of child.stdout as AsyncIterable<Buffer>) {
    text += bytes.toString();
    if (text.includes("\n")) return text.trim();
  }
  throw new Error(`it ended: ${text}`);
}

test("server, gateway and registry listen at their own addresses on loopback, and nowhere else", { skip }, async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./installation.ts", import.meta.url))],
    { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const named = (JSON.parse(await said(child)) as string[]).map((one) => `tcp ${one}`).toSorted();
    assert.equal(named.length, 3);
    assert.deepEqual(listening(child.pid as number), named);
    for (const one of named) assert.match(one, /^tcp 127\.0\.0\.1:\d+$/);
  } finally {
    child.kill();
    await once(child, "exit");
  }
});

test("the scan sees what is open", { skip }, async () => {
  const server = createTcp().listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  assert.ok(listening(process.pid).includes(`tcp 0.0.0.0:${port}`));
  connect(port).on("error", () => undefined).destroy();
  server.close();
});
