/**
 * One worker that takes `workMs` a call, one after the other, by timers instead of processor time: how much it can do
 * is the same on any machine. Timers are late by what the machine likes, so that what is due by the clock is done at
 * once: none of its capacity is lost to a late timer while somebody waits.
 */
export function timedWorker(workMs: number): { work(): Promise<{ done: boolean }>; readonly served: number } {
  const queue: ((answer: { done: boolean }) => void)[] = [];
  /** When the first of the queue is done, and when the one before was. */
  let [dueMs, doneMs, served] = [0, 0, 0];
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    timer = undefined;
    const nowMs = performance.now();
    while (queue.length > 0 && dueMs <= nowMs) {
      queue.shift()?.({ done: true });
      served++;
      doneMs = dueMs;
      dueMs += workMs;
    }
    if (queue.length > 0) timer = setTimeout(turn, Math.max(1, dueMs - nowMs));
  };
  return {
    work: () => new Promise((resolve) => {
      const nowMs = performance.now();
      if (queue.length === 0) dueMs = Math.max(doneMs, nowMs) + workMs;
      queue.push(resolve);
      timer ??= setTimeout(turn, Math.max(1, dueMs - nowMs));
    }),
    get served() {
      return served;
    },
  };
}
