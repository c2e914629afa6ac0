/** Key locks let one call at a time at a key; calls at other keys go on. */

export interface KeyLocks {
  /** Takes all of them, in an order that cannot dead-lock; answers what gives them back. */
  take(keys: readonly string[]): Promise<() => void>;
}

export function keyLocks(): KeyLocks {
  /** The end of the last holder's turn, by key; gone when nobody waits. */
  const last = new Map<string, Promise<void>>();
  return {
    async take(keys) {
      const held: (() => void)[] = [];
      for (const key of [...new Set(keys)].sort()) {
        const before = last.get(key);
        const { promise, resolve } = Promise.withResolvers<void>();
        last.set(key, promise);
        held.push(() => {
          if (last.get(key) === promise) last.delete(key);
          resolve();
        });
        if (before !== undefined) await before;
      }
      return () => {
        for (const release of held) release();
      };
    },
  };
}
