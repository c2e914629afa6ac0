/**
 * The compliance suite of Election: what every place where elections are held must do.
 *
 * It knows no test runner: each case is a name and a function that rejects when the driver is wrong. Cases wait for
 * what they expect without a limit of their own, so give them a timeout. All candidates of a case share one clock, by
 * which no two terms may hold at one time.
 */
import { RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import type { Candidacy, Election, Leader, Term } from "../leadership/election.ts";

export interface ElectionHarness {
  readonly clock: Clock;
  /** Another process' worth of elections, in the same engine. */
  elections(): Election;
  /** Stops the engine so that it answers nobody, and lets it go on with what it knows. */
  stop?(): void | Promise<void>;
  start?(): void | Promise<void>;
  /** Takes away what the case left; elections are closed already. */
  close?(): void | Promise<void>;
}

export interface ElectionSuiteOptions {
  /** Whether harnesses have `stop` and `start`. Default false. */
  readonly failures?: boolean;
}

export interface ElectionCase {
  readonly name: string;
  /** Resolves if the driver behaves; rejects with what it did instead. */
  readonly run: () => Promise<void>;
}

/**
 * All cases that the options allow. `create` is called once for each.
 *
 * @example
 * for (const { name, run } of electionCases(create)) test(name, { timeout: 60_000 }, run);
 */
export function electionCases(
  create: () => ElectionHarness | Promise<ElectionHarness>, options: ElectionSuiteOptions = {},
): readonly ElectionCase[] {
  return [...cases, ...(options.failures === true ? failureCases : [])].map(({ name, body }) => ({
    name,
    async run() {
      const harness = await create();
      const place = new Place(harness);
      try {
        await body(place);
        place.check();
      } finally {
        await place.close();
        await harness.close?.();
      }
    },
  }));
}

interface SuiteCase {
  readonly name: string;
  readonly body: (place: Place) => Promise<void>;
}

const cases: readonly SuiteCase[] = [
  {
    name: "elects the only candidate, and tells everybody who it is",
    async body(place) {
      const one = place.candidate("one");
      const term = await one.elected();
      demand(term.token > 0n, `a token above 0, not ${term.token}`);
      demand(term.record === undefined, "no record at first");
      const watcher = place.watcher();
      const leader = await watcher.until((seen) => seen?.id === "one");
      demand(leader?.token === term.token, `the leader's token ${term.token}, not ${leader?.token}`);
      demand(leader?.address === "10.0.0.1:7001" && leader.attributes["zone"] === "a", "address and attributes");
    },
  },
  {
    name: "has one leader at a time, and the next at once when it resigns, with a greater token",
    async body(place) {
      const all = ["one", "two", "three"].map((id) => place.candidate(id));
      const watcher = place.watcher();
      const tokens: bigint[] = [];
      for (let round = 0; round < all.length; round++) {
        const leader = await place.any();
        const term = leader.terms.at(-1) as Term;
        tokens.push(term.token);
        demand(all.filter(({ candidacy }) => candidacy.term !== undefined).length === 1, "one leader");
        await watcher.until((seen) => seen?.token === term.token);
        await leader.candidacy.resign();
        demand(!term.holds() && term.signal.aborted, "a term that is over once it is resigned");
      }
      await watcher.until((seen) => seen === undefined);
      demand(new Set(tokens).size === tokens.length, "a token for each term");
    },
  },
  {
    name: "keeps a term for as long as its leader lives",
    async body(place) {
      const one = place.candidate("one");
      const term = await one.elected();
      const endsAtMs = term.endsAtMs;
      const two = place.candidate("two");
      await place.until(() => place.clock.now() > endsAtMs);
      demand(term.holds() && one.terms.length === 1 && two.terms.length === 0, "the same term after its first lease");
    },
  },
  {
    name: "hands the record from leader to leader, and takes none of a leader that was",
    async body(place) {
      const one = place.candidate("one");
      const first = await one.elected();
      await first.save("first");
      await first.save('{"text":"zweite Fassung: größer","n":2}');
      const two = place.candidate("two");
      await one.candidacy.resign();
      const second = await two.elected();
      demand(second.record === '{"text":"zweite Fassung: größer","n":2}', `what was saved, not ${second.record}`);
      await rejects(() => first.save("third"), "a record of a leader that was");
      await two.candidacy.resign();
      const third = await place.candidate("three").elected();
      demand(third.record === second.record, "the record as it was");
    },
  },
  {
    name: "holds elections of several names apart",
    async body(place) {
      const [a, b] = [place.candidate("one", "a"), place.candidate("one", "b")];
      const [first, second] = [await a.elected(), await b.elected()];
      await first.save("of a");
      await a.candidacy.resign();
      demand(second.holds() && b.terms.length === 1, "the other name's term to go on");
      const again = await place.candidate("two", "a").elected();
      demand(again.record === "of a", "the record of its own name");
    },
  },
  {
    name: "gives up the seats of whoever closes",
    async body(place) {
      const elections = place.elections();
      const candidacy = elections.campaign("closing", { id: "one" }, { elected: () => undefined });
      await place.until(() => candidacy.term !== undefined);
      const term = candidacy.term;
      await elections.close();
      demand(term?.holds() === false, "a term that is over");
      const next = await place.candidate("two", "closing").elected();
      demand(term !== undefined && next.token > term.token, "a greater token");
    },
  },
  {
    name: "refuses names and candidates that engines do not take",
    async body(place) {
      const elections = place.elections();
      const listener = { elected: () => undefined };
      for (const name of ["", "a/b", "..", "x".repeat(201)]) {
        throwsInvalid(() => elections.campaign(name, { id: "one" }, listener), `the name ${name}`);
      }
      throwsInvalid(() => elections.campaign("a", { id: "" }, listener), "an empty id");
      const attributes = { text: "x".repeat(5_000) };
      throwsInvalid(() => elections.campaign("a", { id: "one", attributes }, listener), "a candidate of 5,000 bytes");
    },
  },
];

const failureCases: readonly SuiteCase[] = [
  {
    name: "steps down in time while the engine is away, and elects again when it is back",
    async body(place) {
      const [one, two] = [place.candidate("one"), place.candidate("two")];
      const leader = await place.any();
      const term = leader.terms[0] as Term;
      await place.harness.stop?.();
      try {
        await place.until(() => !term.holds());
        await place.until(() => leader.ends.length === 1);
        demand(leader.ends[0] !== undefined && leader.ends[0] >= term.endsAtMs, "a term no shorter than its lease");
        demand(one.candidacy.term === undefined && two.candidacy.term === undefined, "no leader while it is away");
      } finally {
        await place.harness.start?.();
      }
      await place.until(() => one.terms.length + two.terms.length === 2);
    },
  },
];

/** One case's candidates, and everything that must hold of all their terms. */
class Place {
  readonly harness: ElectionHarness;
  readonly clock: Clock;
  readonly #elections: Election[] = [];
  readonly #candidates: Standing[] = [];

  constructor(harness: ElectionHarness) {
    this.harness = harness;
    this.clock = harness.clock;
  }

  elections(): Election {
    const elections = this.harness.elections();
    this.#elections.push(elections);
    return elections;
  }

  candidate(id: string, name = "seat"): Standing {
    const standing = new Standing(this, this.elections(), id, name);
    this.#candidates.push(standing);
    return standing;
  }

  /** Waits until somebody leads. */
  async any(): Promise<Standing> {
    await this.until(() => this.#candidates.some(({ candidacy }) => candidacy.term !== undefined));
    return this.#candidates.find(({ candidacy }) => candidacy.term !== undefined) as Standing;
  }

  watcher(name = "seat"): Watcher {
    return new Watcher(this, this.elections(), name);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.check();
      await new Promise<void>((resolve) => void this.clock.after(5, resolve));
    }
  }

  /** At this moment, of each name, at most one term holds; and each term's token was greater than all before. */
  check(): void {
    for (const name of new Set(this.#candidates.map((one) => one.name))) {
      const holding = this.#candidates.filter((one) => one.name === name && one.candidacy.term !== undefined);
      demand(holding.length <= 1, `one leader at a time, not ${holding.map(({ id }) => id).join(" and ")}`);
      const terms = this.#candidates.filter((one) => one.name === name).flatMap((one) =>
        one.terms.map(({ token }, i) => ({ token, atMs: one.begins[i] as number }))).sort((a, b) => a.atMs - b.atMs);
      terms.forEach(({ token }, i) => {
        const before = terms[i - 1];
        demand(before === undefined || token > before.token, `a token above ${before?.token}, not ${token}`);
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#elections.map((one) => one.close()));
  }
}

class Standing {
  readonly id: string;
  readonly name: string;
  readonly terms: Term[] = [];
  /** When each term began and ended. */
  readonly begins: number[] = [];
  readonly ends: number[] = [];
  readonly candidacy: Candidacy;
  readonly #place: Place;

  constructor(place: Place, elections: Election, id: string, name: string) {
    this.#place = place;
    this.id = id;
    this.name = name;
    this.candidacy = elections.campaign(name, { id, address: "10.0.0.1:7001", attributes: { zone: "a" } }, {
      elected: (term) => {
        this.begins.push(place.clock.now());
        this.terms.push(term);
      },
      ended: () => void this.ends.push(place.clock.now()),
    });
  }

  async elected(): Promise<Term> {
    const known = this.terms.length;
    await this.#place.until(() => this.terms.length > known || this.candidacy.term !== undefined);
    return this.terms.at(-1) as Term;
  }
}

class Watcher {
  #last: Leader | undefined = undefined;
  readonly #place: Place;

  constructor(place: Place, elections: Election, name: string) {
    this.#place = place;
    elections.observe(name, (leader) => {
      this.#last = leader;
    });
  }

  async until(condition: (leader: Leader | undefined) => boolean): Promise<Leader | undefined> {
    await this.#place.until(() => condition(this.#last));
    return this.#last;
  }
}

function demand(holds: boolean, wanted: string): void {
  if (!holds) throw new Error(`expected ${wanted}`);
}

async function rejects(act: () => Promise<void>, what: string): Promise<void> {
  const outcome = await act().then(() => undefined, (error: unknown) => error);
  demand(RpcError.is(outcome), `${what} to be refused`);
}

function throwsInvalid(act: () => unknown, what: string): void {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  demand(RpcError.is(thrown) && thrown.code === "invalid_argument", `${what} to be refused`);
}
