// What the processes of bench/stack.ts have in common.

/** No process lasts longer, whatever becomes of the one that started it. */
const mostLifeMs = 900_000;

/** Processor time of this process so far, threads that collect and compile included, in nanoseconds. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

/** Ends this process when the one that started it lets go of it. */
export function endAlone(): void {
  process.once("disconnect", () => process.exit());
  setTimeout(() => process.exit(3), mostLifeMs).unref();
}
