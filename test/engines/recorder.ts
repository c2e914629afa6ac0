/** What a test hears of a name and of a driver: sets, failures and events; and how it waits for what it wants. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Discovery } from "../../src/core/discovery.ts";
import type { EndpointAddress } from "../../src/core/endpoint.ts";
import type { Observer } from "../../src/core/observer.ts";

export interface Recorded {
  last: readonly EndpointAddress[] | undefined;
  /** Every set that was told, by ids. */
  readonly told: string[][];
  readonly failures: string[];
  stop(): void;
}

export function record(discovery: Discovery, name: string): Recorded {
  const recorded: Recorded = { last: undefined, told: [], failures: [], stop: () => undefined };
  recorded.stop = discovery.watch(name, {
    snapshot(endpoints) {
      recorded.last = endpoints;
      recorded.told.push(endpoints.map(({ id }) => id));
    },
    failed: ({ message }) => void recorded.failures.push(message),
  });
  return recorded;
}

export interface Events extends Observer {
  readonly all: { readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[];
  count(name: string): number;
}

export function recordEvents(): Events {
  const all: Events["all"] = [];
  return {
    all,
    event: (name, fields) => void all.push({ name, fields }),
    count: (name) => all.filter((one) => one.name === name).length,
  };
}

/** Resolves once `condition` holds; a test's own timeout is its limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** The ids of the last set. */
export function ids({ last }: Recorded): string | undefined {
  return last?.map(({ id }) => id).join(" ");
}
