import assert from "node:assert/strict";
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createFileStore, writeError } from "./file-store.ts";

const directory = mkdtempSync(join(tmpdir(), "meridian-store-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("a text is there again, whole, for its owner only; where there was none there is none", async () => {
  const path = join(directory, "cache");
  const store = createFileStore(path);
  assert.equal(await store.read(100), undefined);
  await store.write("first");
  await store.write("second äöü");
  assert.equal(await createFileStore(path).read(100), "second äöü");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(store.read(3), { code: "resource_exhausted" });
});

test("of many writes at once the last one stays, readers find whole texts, and nothing is left beside", async () => {
  const own = join(directory, "many");
  mkdirSync(own);
  const path = join(own, "cache");
  const store = createFileStore(path);
  const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(100_000)} ${i}`);
  const progress = { isDone: false };
  const all = Promise.all(texts.map((text) => store.write(text))).finally(() => void (progress.isDone = true));
  while (!progress.isDone) {
    if (existsSync(path)) assert.ok(texts.includes(readFileSync(path, "utf8")));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await all;
  assert.equal(readFileSync(path, "utf8"), texts.at(-1));
  assert.deepEqual(readdirSync(own), ["cache"]);
});

test("what a killed writer left is removed once it is old, and what another writes meanwhile is not", async () => {
  const own = join(directory, "left");
  mkdirSync(own);
  const [old, young] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
    .map((id) => join(own, `cache.${id}.tmp`)) as [string, string];
  writeFileSync(old, "half");
  writeFileSync(young, "half");
  utimesSync(old, 1, 1);
  await createFileStore(join(own, "cache")).write("text");
  assert.deepEqual(readdirSync(own).map((one) => join(own, one)).sort(), [join(own, "cache"), young].sort());
});

test("what keeps a text from being written is said, with what to do", async (context) => {
  await assert.rejects(createFileStore(join(directory, "none", "cache")).write("x"),
    { code: "failed_precondition", message: /directory does not exist; make it first/ });
  await assert.rejects(createFileStore(directory).write("x"), { message: /it is a directory|cannot write/ });
  // A disk that is full, or read-only, needs rights to make: here what the system says is put into words.
  const full = writeError("/x/cache", Object.assign(new Error("write"), { code: "ENOSPC" }));
  assert.equal(full.code, "resource_exhausted");
  assert.match(full.message, /cannot write \/x\/cache: the disk is full/);
  assert.match(writeError("/x", Object.assign(new Error("open"), { code: "EROFS" })).message, /read-only/);
  if (process.getuid?.() === 0) {
    context.diagnostic("permissions are not tested as root, who has them all");
    return;
  }
  const own = join(directory, "locked");
  mkdirSync(own);
  chmodSync(own, 0o500);
  await assert.rejects(createFileStore(join(own, "cache")).write("x"), { message: /permission was denied/ });
});
