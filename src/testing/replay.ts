/**
 * The compliance suite of ReplayStore: what every store of completion records must do.
 *
 * It knows no test runner: each case is a name and a function that rejects when the store is wrong.
 */
import type { Claim, ClaimAnswer, ReplayCall, ReplayStore } from "../replay/index.ts";
import { check, suite, type SuiteCase, type TestCase } from "./suite.ts";

/** A store of its own that is empty and has known of all calls for an hour, and a counter beside it. */
export interface ReplayStoreHarness {
  readonly store: ReplayStore;
  /** The time of the store's clock, in milliseconds since 1970. */
  nowMs(): number;
  /** Lets so much time pass, for the store. */
  advance(ms: number): Promise<void>;
  /** Adds one to the counter and records the outcome, both or neither, as a handler does. */
  write(claim: Claim | undefined, outcome: Uint8Array): Promise<void>;
  /** What the counter says. */
  written(): Promise<number>;
  close?(): void | Promise<void>;
}

export type ReplayStoreCase = TestCase;

/**
 * All cases. `create` is called once for each.
 *
 * @example
 * for (const { name, run } of replayStoreCases(create)) test(name, { timeout: 30_000 }, run);
 */
export function replayStoreCases(
  create: () => ReplayStoreHarness | Promise<ReplayStoreHarness>,
): readonly ReplayStoreCase[] {
  return suite(cases, create);
}

let lastKey = 0;

function callOf(harness: ReplayStoreHarness, fields: Partial<ReplayCall> = {}): ReplayCall {
  return {
    key: `key-${++lastKey}`, stampMs: harness.nowMs(), isFirst: true, method: "bank.v1.Bank/pay", fingerprint: "abc",
    nowMs: harness.nowMs(), leaseMs: 60_000, retentionMs: 600_000, clockSkewMs: 1_000, takesOver: false, ...fields,
  };
}

const later = (harness: ReplayStoreHarness, call: ReplayCall, fields: Partial<ReplayCall> = {}): ReplayCall =>
  ({ ...call, isFirst: false, nowMs: harness.nowMs(), ...fields });

const outcome = Uint8Array.from([1, 2, 3]);
const allBytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);

const basicCases: readonly SuiteCase<ReplayStoreHarness>[] = [
  {
    name: "lets one run, and tells the others that it runs, and then how it ended",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness);
      const claim = await claimed(store, call);
      await expectAnswer(store, later(harness, call), "running");
      check(await store.complete(claim, outcome), "the holder of the claim could not complete");
      const done = await expectAnswer(store, later(harness, call), "done");
      check(done.kind === "done" && sameBytes(done.outcome, outcome), "the outcome came back as another");
      check(!await store.complete(claim, allBytes), "a call was completed twice");
      const again = await expectAnswer(store, later(harness, call), "done");
      check(again.kind === "done" && sameBytes(again.outcome, outcome), "the outcome changed");
    },
  },
  {
    name: "gives one of twenty claims at once",
    async body(harness) {
      for (let round = 0; round < 10; round++) {
        const call = callOf(harness, round % 2 === 0 ? {} : { stampMs: undefined });
        const answers = await Promise.all(Array.from({ length: 20 }, async () => harness.store.claim(call)));
        const kinds = answers.map(({ kind }) => kind).toSorted().join();
        check(kinds === `claimed${",running".repeat(19)}`, `twenty claims at once gave ${kinds}`);
      }
    },
  },
  {
    name: "keeps keys and outcomes apart, whatever is in them",
    async body(harness) {
      const { store } = harness;
      const keys = ["a'b\"c", "ключ 🔑", "x".repeat(1_000), "{tag}:1", "a b", "a\\b", "%25", "key", "key "];
      for (const [i, key] of keys.entries()) {
        const claim = await claimed(store, callOf(harness, { key, stampMs: undefined }));
        check(await store.complete(claim, i === 0 ? allBytes : Uint8Array.of(i)), `${key} could not be completed`);
      }
      for (const [i, key] of keys.entries()) {
        const done = await expectAnswer(store, callOf(harness, { key, stampMs: undefined }), "done");
        const wanted = i === 0 ? allBytes : Uint8Array.of(i);
        check(done.kind === "done" && sameBytes(done.outcome, wanted), `the outcome of ${key} is another`);
      }
    },
  },
  {
    name: "refuses a key that was used for another request or method",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness);
      const claim = await claimed(store, call);
      for (const step of ["while it runs", "after it ended"]) {
        for (const other of [{ fingerprint: "other" }, { method: "bank.v1.Bank/refund" }]) {
          const answer = await store.claim(later(harness, call, { ...other, takesOver: true }));
          check(answer.kind === "reused" && answer.method === call.method, `${step} it answered ${answer.kind}`);
        }
        await store.complete(claim, outcome);
      }
    },
  },
  {
    name: "lets a call run that gave its claim back, and not one that ended",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness);
      await store.release(await claimed(store, call));
      const second = await claimed(store, later(harness, call, { isFirst: true }));
      await store.complete(second, outcome);
      await store.release(second);
      await expectAnswer(store, later(harness, call), "done");
    },
  },
];

const crashCases: readonly SuiteCase<ReplayStoreHarness>[] = [
  {
    name: "does not run again what was claimed and not heard of since, unless it is told to",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness, { leaseMs: 500 });
      const first = await claimed(store, call);
      await expectAnswer(store, later(harness, call, { takesOver: true }), "running");
      await harness.advance(700);
      await expectAnswer(store, later(harness, call), "abandoned");
      const second = await claimed(store, later(harness, call, { takesOver: true, leaseMs: 60_000 }));
      check(second.fence > first.fence, `the fence went from ${first.fence} to ${second.fence}`);
      await expectAnswer(store, later(harness, call, { takesOver: true }), "running");
      check(!await store.complete(first, Uint8Array.of(9)), "a superseded claim could complete");
      await store.release(first);
      await expectAnswer(store, later(harness, call), "running");
      check(await store.complete(second, outcome), "the claim that took over could not complete");
      const done = await expectAnswer(store, later(harness, call), "done");
      check(done.kind === "done" && sameBytes(done.outcome, outcome), "the outcome is that of the superseded claim");
    },
  },
  {
    name: "lets whoever only stood still complete, while nobody has taken over",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness, { leaseMs: 300 });
      const claim = await claimed(store, call);
      await harness.advance(500);
      await expectAnswer(store, later(harness, call), "abandoned");
      check(await store.complete(claim, outcome), "the claim could not complete");
      await expectAnswer(store, later(harness, call), "done");
    },
  },
  {
    name: "prolongs a claim that is renewed, and no other",
    async body(harness) {
      const { store } = harness;
      if (store.renew === undefined) return;
      const call = callOf(harness, { leaseMs: 1_000 });
      const claim = await claimed(store, call);
      for (let i = 0; i < 4; i++) {
        await harness.advance(400);
        check(await store.renew(claim, harness.nowMs()), "a claim that is held could not be renewed");
      }
      await expectAnswer(store, later(harness, call), "running");
      await harness.advance(1_200);
      const second = await claimed(store, later(harness, call, { takesOver: true }));
      check(!await store.renew(claim, harness.nowMs()), "a superseded claim could be renewed");
      await store.complete(second, outcome);
      check(!await store.renew(second, harness.nowMs()), "an ended claim could be renewed");
    },
  },
  {
    name: "records with the effect: both, or neither where the claim is lost",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness, { leaseMs: 300 });
      const first = await claimed(store, call);
      await harness.advance(500);
      const second = await claimed(store, later(harness, call, { takesOver: true }));
      const refusal = await harness.write(first, Uint8Array.of(9)).then(() => undefined, (error: unknown) => error);
      check((refusal as { code?: string } | undefined)?.code === "aborted",
        `a lost claim was recorded, or refused with ${String(refusal)}`);
      check(await harness.written() === 0, "the effect of a lost claim came about");
      await harness.write(second, outcome);
      check(await harness.written() === 1, "the effect did not come about");
      const done = await expectAnswer(store, later(harness, call), "done");
      check(done.kind === "done" && sameBytes(done.outcome, outcome), "the outcome is another");
      check(!await store.complete(second, Uint8Array.of(7)), "what was recorded could be completed once more");
      const twice = await harness.write(second, outcome).then(() => true, () => false);
      check(!twice && await harness.written() === 1, "the effect came about twice");
      await harness.write(undefined, outcome);
      check(await harness.written() === 2, "without a claim the effect did not come about");
    },
  },
];

const expiryCases: readonly SuiteCase<ReplayStoreHarness>[] = [
  {
    name: "never runs a call again whose key says that it is older than what is kept",
    async body(harness) {
      const { store } = harness;
      const old = callOf(harness, { stampMs: harness.nowMs() - 5 * 3_600_000, isFirst: false });
      await expectAnswer(store, old, "forgotten");
      await expectAnswer(store, { ...old, takesOver: true }, "forgotten");
      const call = callOf(harness, { retentionMs: 1_000, clockSkewMs: 0 });
      await store.complete(await claimed(store, call), outcome);
      await harness.advance(1_300);
      await store.sweep?.(harness.nowMs());
      const { kind } = await store.claim(later(harness, call));
      check(kind === "forgotten" || kind === "done", `a repeat of an expired call was answered with ${kind}`);
    },
  },
  {
    name: "takes a key without a stamp for new once its record has expired, and not before",
    async body(harness) {
      const { store } = harness;
      const call = callOf(harness, { stampMs: undefined, retentionMs: 1_500 });
      await store.complete(await claimed(store, call), outcome);
      await harness.advance(300);
      await expectAnswer(store, later(harness, call), "done");
      await harness.advance(1_500);
      const again = await claimed(store, later(harness, call, { method: "bank.v1.Bank/other" }));
      check(await store.complete(again, allBytes), "it could not be completed again");
    },
  },
  {
    name: "refuses a key from the future",
    async body(harness) {
      const call = callOf(harness, { stampMs: harness.nowMs() + 30_000 });
      const answer = await expectAnswer(harness.store, call, "ahead");
      check(answer.kind === "ahead" && answer.byMs > 20_000 && answer.byMs <= 31_000, "it is ahead by another span");
      await claimed(harness.store, callOf(harness, { stampMs: harness.nowMs() + 500, clockSkewMs: 5_000 }));
    },
  },
];

const cases: readonly SuiteCase<ReplayStoreHarness>[] = [...basicCases, ...crashCases, ...expiryCases];

async function claimed(store: ReplayStore, call: ReplayCall): Promise<Claim> {
  const answer = await expectAnswer(store, call, "claimed");
  return { call, fence: answer.kind === "claimed" ? answer.fence : Number.NaN };
}

async function expectAnswer(
  store: ReplayStore, call: ReplayCall, kind: ClaimAnswer["kind"],
): Promise<ClaimAnswer> {
  const answer = await store.claim(call);
  check(answer.kind === kind, `a claim was answered with ${answer.kind}, expected ${kind}`);
  return answer;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
