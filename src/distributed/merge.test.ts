import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeOrdered, mergeUnordered } from "./index.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);

/** A stream that counts what was asked of it, and whether it was ended. */
function counted<T>(items: readonly T[], failAt = Infinity) {
  const seen = { asked: 0, ended: false };
  const stream: AsyncIterable<T> = {
    [Symbol.asyncIterator]: () => {
      let next = 0;
      return {
        next: async () => {
          seen.asked++;
          // Streams are uneven: some items come at once, some turns later.
          for (let i = (next * 7) % 3; i > 0; i--) await Promise.resolve();
          if (next === failAt) throw new RangeError("broken");
          return next < items.length ? { done: false, value: items[next++] as T } : { done: true, value: undefined };
        },
        return: () => {
          seen.ended = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
  return { stream, seen };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const lists = fc.array(fc.array(fc.integer({ min: 0, max: 30 })), { maxLength: 12 });

test("an ordered merge has everything, in order, and equal items in the order of their streams", async () => {
  await fc.assert(fc.asyncProperty(lists, async (all) => {
    const sorted = all.map((list, from) => list.toSorted((a, b) => a - b).map((n) => ({ n, from })));
    const merged = await collect(mergeOrdered(sorted.map((list) => counted(list).stream), (a, b) => a.n - b.n));
    assert.deepEqual(merged, sorted.flat().toSorted((a, b) => a.n - b.n || a.from - b.from));
  }), { seed: 1, numRuns });
});

test("an unordered merge has everything once, each stream in its own order", async () => {
  await fc.assert(fc.asyncProperty(lists, async (all) => {
    const tagged = all.map((list, from) => list.map((n) => ({ n, from })));
    const merged = await collect(mergeUnordered(tagged.map((list) => counted(list).stream)));
    tagged.forEach((list, from) => assert.deepEqual(merged.filter((one) => one.from === from), list));
    assert.equal(merged.length, tagged.flat().length);
  }), { seed: 2, numRuns });
});

test("of each stream one item is asked for ahead, and no more until it is taken", async () => {
  for (const merge of [
    (streams: AsyncIterable<number>[]) => mergeOrdered(streams, (a, b) => a - b),
    (streams: AsyncIterable<number>[]) => mergeUnordered(streams),
  ]) {
    const sources = [counted([1, 4, 7, 10]), counted([2, 5, 8, 11]), counted([3, 6, 9, 12])];
    const merged = merge(sources.map(({ stream }) => stream))[Symbol.asyncIterator]();
    for (let taken = 1; taken <= 6; taken++) {
      await merged.next();
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const asked = sources.reduce((sum, { seen }) => sum + seen.asked, 0);
      assert.ok(asked <= taken + 3, `${asked} asked for after ${taken} were taken`);
    }
    await merged.return?.(undefined);
    assert.deepEqual(sources.map(({ seen }) => seen.ended), [true, true, true]);
  }
});

test("the first failure ends a merge, and the other streams with it", async () => {
  for (const ordered of [true, false]) {
    const sources = [counted([1, 2, 3], 2), counted([1, 2, 3, 4, 5, 6, 7, 8, 9])];
    const streams = sources.map(({ stream }) => stream);
    const merged = ordered ? mergeOrdered(streams, (a, b) => a - b) : mergeUnordered(streams);
    await assert.rejects(collect(merged), { name: "RangeError", message: "broken" });
    assert.equal(sources[1]?.seen.ended, true);
  }
  assert.deepEqual(await collect(mergeOrdered<number>([], (a, b) => a - b)), []);
});
