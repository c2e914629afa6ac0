// The code of the guide on pickers runs as it stands there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const root = new URL("../../", import.meta.url);

test("docs/guides/write-a-picker.md: its code runs, and its assertions hold", async () => {
  const text = readFileSync(new URL("docs/guides/write-a-picker.md", root), "utf8");
  const code = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block).join("\n")
    .replaceAll(/"meridian-rpc\/(\w+)"/g, (_, folder: string) => `"${new URL(`src/${folder}/index.ts`, root).href}"`);
  const directory = mkdtempSync(join(tmpdir(), "meridian-guide-"));
  try {
    const file = join(directory, "guide.ts");
    writeFileSync(file, code);
    writeFileSync(join(directory, "package.json"), `{ "type": "module" }`);
    await import(pathToFileURL(file).href);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
