/** What a process holds when nothing is going on. */

export interface Held {
  /** Heap and memory outside it after collection, in bytes. */
  readonly heapBytes: number;
  readonly outsideBytes: number;
  /** Kinds of handles that keep the event loop busy, each with how many there are. */
  readonly resources: Readonly<Record<string, number>>;
}

/** Collects garbage (needs --expose-gc) and looks. Finalisers and closing handles get a few turns first. */
export async function measure(): Promise<Held> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("run with --expose-gc");
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    gc();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { heapBytes: heapUsed, outsideBytes: arrayBuffers, resources };
}
