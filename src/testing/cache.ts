/** The compliance suite of CacheStore: what every store of cached answers must do. It knows no test runner. */
import type { CacheStore } from "../cache/index.ts";
import { check, suite, type SuiteCase, type TestCase } from "./suite.ts";

export interface CacheStoreHarness {
  /** An empty store, or one whose keys nobody else uses. */
  readonly store: CacheStore;
  /** Lets so much time pass, for the store. */
  advance(ms: number): Promise<void>;
  close?(): void | Promise<void>;
}

export type CacheStoreCase = TestCase;

/**
 * All cases. `create` is called once for each.
 *
 * @example
 * for (const { name, run } of cacheStoreCases(create)) test(name, { timeout: 30_000 }, run);
 */
export function cacheStoreCases(
  create: () => CacheStoreHarness | Promise<CacheStoreHarness>,
): readonly CacheStoreCase[] {
  return suite(cases, create);
}

const minuteMs = 60_000;
const texts = ["", "a", "line\r\nEND\r\nbreak", "ключ 🔑 \u0000", "x".repeat(300_000), '{"$":["Date","x"]}'];

const cases: readonly SuiteCase<CacheStoreHarness>[] = [
  {
    name: "gives back what was set, whatever is in it, and nothing for what was not",
    async body({ store }) {
      for (const [i, text] of texts.entries()) await store.set(`text-${i}`, text, minuteMs);
      const found = await store.get([...texts.map((_, i) => `text-${i}`), "text-none"]);
      check(found.length === texts.length + 1, `${found.length} answers to ${texts.length + 1} keys`);
      for (const [i, text] of texts.entries()) check(found[i] === text, `text ${i} came back as another`);
      check(found[texts.length] === undefined, "there was something under a key that was never set");
    },
  },
  {
    name: "takes keys of every printable character, as long as they may be",
    async body({ store }) {
      const all = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");
      const keys = [all, "k".repeat(200), "k".repeat(199), "#", "tag:a|b[\"c\"]"];
      for (const key of keys) await store.set(key, key, minuteMs);
      const found = await store.get(keys);
      for (const [i, key] of keys.entries()) check(found[i] === key, `the key ${key} has ${found[i]}`);
    },
  },
  {
    name: "replaces, and deletes what is there or not",
    async body({ store }) {
      await store.set("a", "1", minuteMs);
      await store.set("a", "22", minuteMs);
      check((await store.get(["a"]))[0] === "22", "a text was not replaced");
      await store.delete("a");
      await store.delete("a");
      check((await store.get(["a"]))[0] === undefined, "a text was not deleted");
    },
  },
  {
    name: "forgets what has expired",
    async body({ store, advance }) {
      await store.set("short", "1", 1_000);
      await store.set("long", "2", minuteMs);
      check((await store.get(["short"]))[0] === "1", "it was gone at once");
      await advance(3_000);
      const [short, long] = await store.get(["short", "long"]);
      check(short === undefined, "it was there after its time");
      check(long === "2", "another was gone with it");
    },
  },
  {
    name: "answers many at once, each its own",
    async body({ store }) {
      await Promise.all(Array.from({ length: 200 }, async (_, i) => store.set(`n${i}`, `v${i}`, minuteMs)));
      const found = await Promise.all(Array.from({ length: 200 }, async (_, i) => store.get([`n${i}`, `n${199 - i}`])));
      for (const [i, pair] of found.entries()) {
        check(pair[0] === `v${i}` && pair[1] === `v${199 - i}`, `reading ${i} was answered with ${pair.join()}`);
      }
    },
  },
];
