import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemNameServers } from "./index.ts";
import { nameServersIn } from "./name-servers.ts";

test("nameserver lines count, three of them, and nothing else", () => {
  assert.deepEqual(nameServersIn("# nameserver 1.1.1.1\nsearch a.test\nnameserver 10.0.0.2\n" +
    " nameserver\t2001:db8::53 # x\n" +
    "options ndots:5\nnameserver fe80::1%eth0\nnameserver 10.0.0.3\nnameserver ns.test\n"),
  ["10.0.0.2:53", "[2001:db8::53]:53", "[fe80::1%eth0]:53"]);
  assert.deepEqual(nameServersIn(""), ["127.0.0.1:53"]);
});

test("the file is read again once it has changed, and its absence is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "meridian-"));
  const file = join(folder, "resolv.conf");
  const servers = systemNameServers(file);
  await assert.rejects(servers(), { code: "failed_precondition", message: /resolv\.conf: ENOENT; name them yourself/ });
  writeFileSync(file, "nameserver 10.0.0.1\n");
  assert.deepEqual(await servers(), ["10.0.0.1:53"]);
  writeFileSync(file, "nameserver 10.0.0.2\n");
  utimesSync(file, 1, 1);
  assert.deepEqual(await servers(), ["10.0.0.2:53"]);
  rmSync(folder, { recursive: true });
});
