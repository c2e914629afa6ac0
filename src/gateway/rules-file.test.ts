import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileSource, RpcError } from "../core/index.ts";
import { createRules, rulesFromFile } from "./index.ts";

/** A file that is a variable. */
function fileOf(first: string | undefined) {
  let text = first;
  let changed = (): void => undefined;
  const source: FileSource = {
    path: "rules.yaml",
    read: () => (text === undefined
      ? Promise.reject(new RpcError("not_found", "there is no file rules.yaml"))
      : Promise.resolve(text)),
    watch(tell) {
      changed = tell;
      return () => {
        changed = () => undefined;
      };
    },
  };
  const events: [string, Readonly<Record<string, unknown>>][] = [];
  const event = (name: string, fields: Readonly<Record<string, unknown>>): void => void events.push([name, fields]);
  return {
    source, events, observer: { event },
    async write(next: string | undefined) {
      text = next;
      changed();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const good = 'rules:\n  - name: eu\n    match: { routeKey: "eu-*" }\n    to: { regions: [eu-west] }\n';

test("a good file is put in force, a bad one refused by line and column, and the last good one stays", async () => {
  const file = fileOf(good);
  const rules = createRules();
  const reading = rulesFromFile(file.source, rules, file.observer);
  await reading.loaded;
  assert.deepEqual(file.events.pop(), ["rules.reloaded",
    { path: "rules.yaml", version: 1, rules: 1, added: ["eu"], removed: [], changed: [] }]);

  await file.write(good.replace("regions:", "region:"));
  assert.deepEqual(file.events.pop(), ["rules.refused", {
    path: "rules.yaml", version: 1,
    error: 'rules.yaml:4:11: rules[0].to: unknown key "region"; did you mean "regions"? (rule "eu")',
  }]);
  await file.write("rules: [");
  assert.match(String(file.events.pop()?.[1]["error"]), /^rules\.yaml:1:\d+: /);
  await file.write("");
  assert.equal(file.events.pop()?.[1]["error"], "rules.yaml:1:1: the file is empty; no rules are written `rules: []`");
  await file.write("ruels: []");
  assert.equal(file.events.pop()?.[1]["error"], 'rules.yaml:1:1: unknown key "ruels"; did you mean "rules"?');
  await file.write(undefined);
  assert.equal(file.events.pop()?.[1]["error"], "there is no file rules.yaml");
  assert.deepEqual(rules.current.map((rule) => rule.name), ["eu"]);

  await file.write(JSON.stringify({ rules: [{ name: "us", to: { regions: ["us-east"] } }] }));
  assert.deepEqual(file.events.pop()?.[1]["added"], ["us"]);
  reading.close();
  await file.write(good);
  assert.deepEqual(rules.current.map((rule) => rule.name), ["us"]);
  assert.equal(file.events.length, 0);
});

test("a first file that is wrong rejects, so that a program need not start with it", async () => {
  const { source, observer } = fileOf("rules:\n  - { name: a, to: { regions: [] } }\n");
  const reading = rulesFromFile(source, createRules(), observer);
  await assert.rejects(reading.loaded, { code: "invalid_argument", message:
    'rules.yaml:2:31: rules[0].to.regions: expected a list of 1 to 64 regions, found a list of 0 (rule "a")' });
  reading.close();
});

test("changes while a reading is under way end with the last one", async () => {
  let text = good;
  let tell = (): void => undefined;
  let reads = 0;
  const rules = createRules();
  const reading = rulesFromFile({
    path: "rules.yaml",
    async read() {
      reads++;
      const now = text;
      await new Promise((resolve) => setImmediate(resolve));
      return now;
    },
    watch(changed) {
      tell = changed;
      return () => undefined;
    },
  }, rules);
  for (const name of ["a", "b", "c"]) {
    text = `rules: [{ name: ${name}, to: {} }]`;
    tell();
  }
  await reading.loaded;
  assert.deepEqual(rules.current.map((rule) => rule.name), ["c"]);
  assert.equal(reads, 2);
});
