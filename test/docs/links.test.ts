// Every relative link in a document leads to a file that is there, and to a heading that is there.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { root } from "./snippets.ts";

const documents = globSync(["*.md", "docs/**/*.md", "examples/**/*.md", "bench/**/*.md"], { cwd: root })
  .filter((path) => !path.includes("node_modules"));

/** The text without code, in which brackets are no links. */
function prose(document: string): string {
  return readFileSync(join(root, document), "utf8")
    .replaceAll(/^(`{3,})[^\n]*\n.*?^\1$/gms, "").replaceAll(/`[^`\n]*`/g, "");
}

/** GitHub's anchors: lower case, spaces as hyphens, nothing else but letters, digits, _ and -. */
function anchors(document: string): Set<string> {
  const text = readFileSync(join(root, document), "utf8").replaceAll(/^```[^\n]*\n.*?^```$/gms, "");
  return new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")));
}

for (const document of documents) {
  test(`${document}: no broken link`, () => {
    const broken = [...prose(document).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? document : relative(root, join(root, dirname(document), path));
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && file.endsWith(".md") && !anchors(file).has(anchor);
      });
    assert.deepEqual(broken, []);
  });
}
