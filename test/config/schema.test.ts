// One schema, four faces: checker, JSON Schema, documents and types say the same.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { pagePath, pageText, schemaPath, schemaText } from "../../scripts/config-docs.ts";
import { check } from "../../src/config/check.ts";
import { configJsonSchema, configSchema, defineConfig, readConfig } from "../../src/config/index.ts";
import { Faults } from "../../src/config/fault.ts";
import { createSeededRandom } from "../../src/runtime/sim/index.ts";
import { engines, mutated, secured, valid } from "./corpus.ts";

const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true, strict: false }).compile(configJsonSchema());

/** What the checker says of a value by itself: neither the environment nor whether its parts fit together. */
function structural(value: unknown): readonly string[] {
  const faults = new Faults({ source: "x", locate: () => undefined });
  check(configSchema, value, [], faults);
  return faults.list.map(({ path, why }) => `${path}: ${why}`);
}

test("editors and the checker take the same files", () => {
  const texts = [...valid, ...engines, secured, "{}"];
  for (const text of texts) {
    assert.deepEqual(structural(parse(text)), [], text);
    assert.ok(validate(parse(text)), JSON.stringify(validate.errors));
    const reading = readConfig(text);
    assert.ok(reading.ok, reading.ok ? "" : reading.faults.map(({ why }) => why).join());
  }
  const random = createSeededRandom(7);
  let [refused, taken] = [0, 0];
  for (let i = 0; i < 1_000; i++) {
    const { text, how } = mutated(random);
    let value: unknown;
    try {
      value = parse(text, { stringKeys: true, logLevel: "silent", maxAliasCount: 20 });
    } catch {
      continue;
    }
    const ours = structural(value).filter((line) => !line.includes(".rules"));
    const theirs = validate(value) ? [] : (validate.errors ?? []).filter((one) => !one.instancePath.includes("/rules"));
    assert.equal(ours.length === 0, theirs.length === 0,
      `${i} (${how}): ${JSON.stringify(ours)} and ${JSON.stringify(theirs.slice(0, 3))}`);
    if (ours.length === 0) taken++;
    else refused++;
  }
  assert.ok(refused > 100 && taken > 30, `${refused} refused, ${taken} taken`);
});

test("the published JSON Schema and the page's tables are what follows from the schema", () => {
  const hint = "run node scripts/config-docs.ts";
  assert.equal(readFileSync(schemaPath, "utf8"), schemaText(), hint);
  const page = readFileSync(pagePath, "utf8");
  assert.equal(page, pageText(page), hint);
});

test("types are those of the schema", () => {
  const config = defineConfig({
    region: "eu-west", client: { timeoutMs: 500, retry: false, picker: { peakEwma: { decayMs: 5 } } },
    servers: { a: { module: "./a.ts", tls: { certFile: "c", keyFile: "k" } } },
    residency: [{ routeKey: "eu-*", regions: ["eu-west"] }],
  });
  assert.deepEqual(structural(config), []);
  // @ts-expect-error the key is misspelt
  assert.equal(structural(defineConfig({ client: { timeotMs: 500 } })).length, 1);
  // @ts-expect-error a certificate needs its key
  assert.equal(structural(defineConfig({ server: { tls: { certFile: "c" } } })).length, 1);
  // @ts-expect-error no such picker
  assert.equal(structural(defineConfig({ client: { picker: "nearestish" } })).length, 1);
});
