/** Counting the words of chapters: one stream of words in alphabetical order, with their counts. */
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

export const Words = service("demo.v1.Words", {
  count: rpc({
    kind: "server_stream", idempotent: true,
    // Words up to `after` have been told before.
    input: z.object({ chapters: z.array(z.string()), after: z.string() }),
    output: z.object({ word: z.string(), count: z.int32() }),
  }),
});

export const chapters = Array.from({ length: 48 }, (_, i) => `chapter ${i + 1}`);

const syllables = ["ba", "co", "di", "fu", "ga", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "za", "we"];

/** A chapter as a library that every node reads would give it: 2,000 words, few of them often, many rarely. */
export function textOf(chapter: string): string[] {
  let state = 7;
  for (let i = 0; i < chapter.length; i++) state = (state * 31 + chapter.charCodeAt(i)) >>> 0;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: 2_000 }, () => {
    let rank = Math.floor(4_096 ** next());
    let word = "";
    for (; rank > 0; rank >>= 4) word += syllables[rank & 15];
    return word;
  });
}

export function countWords(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) for (const word of textOf(name)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
