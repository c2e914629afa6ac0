/** Holds one entry: entered with a time to live, renewed at a third of it, entered again when it is gone, withdrawn. */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { superseded } from "../engine.ts";
import type { Link, Links } from "./link.ts";
import { enterScript, leaveScript, renewScript } from "./scripts.ts";

export interface Held {
  /** The index of the name, which is its channel too. */
  readonly key: string;
  readonly id: string;
  /** The entry, with the registrant in it: by the value we know our own. */
  readonly value: string;
  readonly ttlMs: number;
}

/** Holds until `signal` aborts, and withdraws then; rejects when Redis was away for longer than the entry lives. */
export async function holdEntry(
  { clock }: Runtime, links: Links, entry: Held, held: () => void, signal: AbortSignal,
): Promise<void> {
  const { ttlMs } = entry;
  /** Until when the entry may stand without another word of ours; undefined before the first. */
  let untilMs: number | undefined;
  const isOverdue = (): boolean => untilMs === undefined || clock.now() > untilMs;
  while (!signal.aborted) {
    const link = await attachedFor(links, isOverdue, signal);
    if (link === undefined) break;
    const isNew = untilMs === undefined;
    untilMs = clock.now() + ttlMs;
    try {
      const answer = await run(link, isNew ? enterScript : renewScript, entry);
      if (signal.aborted) break;
      if (answer === "entered") held();
      else if (isNew || (answer !== "renewed" && answer !== "taken")) throw strange(entry);
      await rest(clock, ttlMs / 3, [signal, link.lost]);
    } catch (error) {
      if (!link.lost.aborted) throw error;
    }
  }
  if (untilMs !== undefined && signal.reason !== superseded) await withdraw(links, entry, isOverdue);
}

function strange({ key }: Held): RpcError {
  return new RpcError("unavailable", `Redis answered the script that enters ${key} with something else; is what is ` +
    "connected to a Redis of version 6 or later?");
}

function run(link: Link, script: string, { key, id, value, ttlMs }: Held): Promise<unknown> {
  return link.run(script, [key, `${key}:${id}`], [id, value, String(ttlMs), key]);
}

/** The next link, or undefined at the end. Whoever holds something tries for as long as that may stand. */
async function attachedFor(links: Links, isOverdue: () => boolean, signal: AbortSignal): Promise<Link | undefined> {
  for (;;) {
    try {
      return await unlessAborted(links.attached(), signal);
    } catch (error) {
      if (links.isClosed || isOverdue()) throw error;
    }
  }
}

async function withdraw(links: Links, entry: Held, isOverdue: () => boolean): Promise<void> {
  while (!links.isClosed && !isOverdue()) {
    let link: Link | undefined;
    try {
      link = await links.attached();
      await run(link, leaveScript, entry);
      return;
    } catch (error) {
      if (link !== undefined && !link.lost.aborted) throw error;
    }
  }
}

/** Waits, for as long as nothing of `ends` aborts. */
function rest(clock: Runtime["clock"], delayMs: number, ends: readonly AbortSignal[]): Promise<void> {
  const ended = AbortSignal.any([...ends]);
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      ended.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(delayMs, end).unref();
    if (ended.aborted) end();
    else ended.addEventListener("abort", end);
  });
}

/** What `promise` gives, or undefined if `signal` aborts first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}

/** The entry as text, with who entered it. */
export function withRegistrant(encoded: string, registrant: string): string {
  const value = JSON.parse(encoded) as Record<string, unknown>;
  if (value["registrant"] !== undefined) throw new RpcError("internal", "an entry has a registrant already");
  return JSON.stringify({ ...value, registrant });
}
