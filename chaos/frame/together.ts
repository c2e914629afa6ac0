// Several streams of rows at once, in the order in which their rows come.

/** Yields what any of them yields. If one fails, or nobody wants more, all are ended before that is told. */
export async function *together<T>(streams: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = streams.map((one) => one[Symbol.asyncIterator]());
  const next = (index: number) => (iterators[index] as AsyncIterator<T>).next().then((step) => ({ index, step }));
  const waiting = new Map(iterators.map((_, index) => [index, next(index)]));
  try {
    while (waiting.size > 0) {
      const { index, step } = await Promise.race(waiting.values());
      if (step.done === true) {
        waiting.delete(index);
        continue;
      }
      waiting.set(index, next(index));
      yield step.value;
    }
  } finally {
    // One that is busy ends when it would yield next: what it started ends with it.
    await Promise.allSettled(iterators.map(async (one) => one.return?.()));
  }
}
