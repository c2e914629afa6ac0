// Writes what follows from the configuration's schema: meridian.schema.json for editors, the tables of the page.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configJsonSchema, configTables } from "../src/config/index.ts";

const root = join(import.meta.dirname, "..");
export const schemaPath = join(root, "meridian.schema.json");
export const pagePath = join(root, "docs/configuration.md");
const [begin, end] = ["<!-- keys: from the schema -->", "<!-- end of keys -->"];

/** The JSON Schema as it is published. */
export function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(), undefined, 1)}\n`;
}

/** The page with its tables as they follow from the schema. */
export function pageText(page: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${pagePath} lacks ${begin} … ${end}`);
  return `${before}${begin}\n\n${configTables()}\n${end}${after}`;
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(schemaPath, schemaText());
  writeFileSync(pagePath, pageText(readFileSync(pagePath, "utf8")));
}
