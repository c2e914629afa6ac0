/** A suite is cases over a harness; it knows no test runner: a case is a name and what rejects if it does not hold. */

/** What a runner is given. */
export interface TestCase {
  readonly name: string;
  /** Resolves if what is tested behaves; rejects with what it did instead. */
  readonly run: () => Promise<void>;
}

/** What a suite is made of. */
export interface SuiteCase<Harness> {
  readonly name: string;
  readonly body: (harness: Harness) => Promise<void>;
}

/** The cases, each with a harness of its own, which is closed after it whatever came of it. */
export function suite<Harness extends { close?(): void | Promise<void> }>(
  cases: readonly SuiteCase<Harness>[], create: () => Harness | Promise<Harness>,
): readonly TestCase[] {
  return cases.map(({ name, body }) => ({
    name,
    async run() {
      const harness = await create();
      try {
        await body(harness);
      } finally {
        await harness.close?.();
      }
    },
  }));
}

/** Rejects a case with what was wrong. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}
