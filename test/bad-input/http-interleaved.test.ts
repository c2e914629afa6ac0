/** Good and bad calls mixed on one connection, cut anywhere: each good one gets its own answer, each bad its error. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RawClient } from "../conformance/raw-exchange.ts";
import { type Harness, inSimulator } from "./harness.ts";
import { assertFailure, type BadCase, casesOf } from "./http-cases.ts";
import {
  begin, connectRaw, connectSpoken, grpcSpoken, serving, type Spoken, webSpoken, webTextSpoken,
} from "./http-harness.ts";
import { join, run } from "./raw-peer.ts";

const runs = { seed: 20261121, numRuns: Math.ceil(Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150) / 10) };

const mixture = fc.array(fc.record({
  /** Below the number of bad cases a bad call; otherwise a good one. */
  which: fc.nat(120), cuts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
  /** What becomes of it half way. */
  fate: fc.constantFrom("end", "end", "end", "end", "reset"),
}), { minLength: 5, maxLength: 30 });

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  // What is larger than this is cut in few pieces: there is nothing to be found between.
  const unit = bytes.length > 2_000 ? 1_000 : 1;
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = (cuts[turn % cuts.length] as number) * unit;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const messageOf = (n: number): Uint8Array => join([8], n, [18], run(`number ${n}`));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

type Mixture = typeof mixture extends fc.Arbitrary<infer T> ? T : never;

/** Makes the calls, a piece of one after a piece of another, as `turn` says. */
async function mix(
  harness: Harness, raw: RawClient, [spoken, cases]: readonly [Spoken, readonly BadCase[]], calls: Mixture,
  turn: () => number,
): Promise<void> {
  const open = calls.map(({ which, cuts, fate }, i) => {
    const bad: BadCase | undefined = cases[which];
    const body = cut(join(...(bad === undefined ? [spoken.frame(messageOf(i + 1))] : bad.call.body ?? [])), cuts);
    const asking = begin(raw, spoken, { ...bad?.call, body: [], isOpen: true });
    return { i, bad, asking, fate, body, isOpen: bad?.call.isOpen === true };
  });
  let left = open.filter(({ body, isOpen }) => body.length > 0 || !isOpen);
  while (left.length > 0) {
    const one = left[turn() % left.length] as (typeof left)[0];
    const piece = one.body.shift() ?? new Uint8Array(0);
    const isLast = one.body.length === 0;
    if (isLast) left = left.filter((other) => other !== one);
    if (one.fate === "reset" && isLast) one.asking.reset("cancel");
    else one.asking.send(piece, isLast && !one.isOpen);
    if (one.i % 3 === 0) await harness.sleep(1);
  }
  for (const { i, bad, asking, fate } of open) {
    if (fate === "reset") continue;
    const answer = await asking.ended;
    assert.equal(answer.failure, undefined);
    const said = spoken.said(answer);
    if (bad !== undefined) assertFailure(said, bad.code, bad.says);
    else assert.deepEqual([said.code, ...said.messages.map(hex)], ["ok", hex(messageOf(i + 1))]);
  }
}

function mixed(spoken: Spoken, version: 1 | 2): void {
  const cases = casesOf(spoken);
  test(`${spoken.name} over HTTP/${version}`, () => fc.assert(
    fc.asyncProperty(mixture, fc.infiniteStream(fc.nat(1_000)), (calls, order) =>
      inSimulator(serving, async (harness) => {
        const raw = await connectRaw(harness, version);
        await mix(harness, raw, [spoken, cases], calls, () => order.next().value ?? 0);
        await harness.sleep(30);
        assert.equal(harness.server.inFlight, 0, "no call is forgotten");
        raw.connection.close(0);
      })), runs));
}

mixed(grpcSpoken, 2);
mixed(webSpoken, 2);
mixed(webTextSpoken, 2);
mixed(connectSpoken, 2);
mixed(connectSpoken, 1);
