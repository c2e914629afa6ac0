/**
 * Following a name in etcd: all of it at one revision, page by page, and from there on what changes.
 *
 * Each session begins with a complete reading. Going on from the last revision would be less, but a store that was
 * wiped, or restored from a copy, counts its revisions anew, and would tell nothing of what was lost.
 */
import { RpcError } from "../../core/error.ts";
import type { Clock } from "../../core/runtime.ts";
import type { KeyValue } from "./contract.ts";
import { isCompacted } from "./failure.ts";
import { compareKeys, keyAfter, type KeyRange } from "./keys.ts";
import type { Link } from "./link.ts";
import type { NameSet } from "./name-set.ts";
import type { Session } from "./session.ts";

export interface Followed {
  readonly range: KeyRange;
  readonly set: NameSet;
  readonly link: Link;
  readonly clock: Clock;
  readonly pageEntries: number;
  readonly maxEndpoints: number;
}

/** Times that a reading, or a watch, is begun anew because etcd has forgotten the revision, before it is a failure. */
const maxCompactions = 5;

/** Follows until `signal` aborts. Rejects when no member is left that answers. */
export async function followName(followed: Followed, signal: AbortSignal): Promise<void> {
  const { link } = followed;
  for (let lost = 0; !signal.aborted;) {
    const session = await link.session();
    if (signal.aborted) return;
    const startedMs = followed.clock.now();
    try {
      await followOn(session, followed, signal);
    } catch (error) {
      // What a member said of this name is an answer; what became of the member is no news while there are others.
      if (!session.signal.aborted || link.members === 1) throw error;
      lost = followed.clock.now() - startedMs > goodSessionMs ? 1 : lost + 1;
      if (lost > link.members) throw error;
    }
  }
}

/** A session that lasted so long was no false start. */
const goodSessionMs = 5_000;

async function followOn(session: Session, followed: Followed, signal: AbortSignal): Promise<void> {
  for (let compactions = 0; compactions <= maxCompactions; compactions++) {
    const { kvs, revision } = await readAll(session, followed);
    if (signal.aborted) return;
    followed.set.replace(kvs);
    const end = await watchFrom(session, followed, revision + 1n, signal);
    if (end === "left") return;
  }
  throw new RpcError("unavailable", `etcd at ${session.address} forgets revisions faster than they can be watched: ` +
    "compact less often, or keep more", { phase: "resolve" });
}

interface Reading {
  readonly kvs: readonly KeyValue[];
  readonly revision: bigint;
}

async function readAll(session: Session, followed: Followed): Promise<Reading> {
  for (let compactions = 0; ; compactions++) {
    try {
      return await readPages(session, followed);
    } catch (error) {
      if (!isCompacted(RpcError.from(error)) || compactions >= maxCompactions) throw error;
    }
  }
}

async function readPages(session: Session, { range, pageEntries, maxEndpoints }: Followed): Promise<Reading> {
  const kvs: KeyValue[] = [];
  let start = range.start;
  let limit = pageEntries;
  let revision = 0n;
  for (;;) {
    let page;
    try {
      page = await session.page({ start, end: range.end }, limit, revision);
    } catch (error) {
      // A page of huge values is read in smaller ones.
      if (RpcError.from(error).code !== "resource_exhausted" || limit === 1) throw error;
      limit = Math.ceil(limit / 4);
      continue;
    }
    if (revision === 0n) ({ revision } = page.header);
    for (const one of page.kvs) kvs.push(one);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { kvs, revision };
    if (kvs.length > maxEndpoints) throw tooMany(page.count, maxEndpoints);
    if (compareKeys(last.key, start) < 0) {
      throw new RpcError("unavailable", `etcd at ${session.address} lists keys that it was not asked for`);
    }
    start = keyAfter(last.key);
  }
}

function tooMany(count: bigint, maxEndpoints: number): RpcError {
  return new RpcError("resource_exhausted", `etcd lists more than ${maxEndpoints} endpoints (maxEndpoints), ` +
    `${count} behind those that were read`, { phase: "resolve" });
}

/** Resolves when the follower has left, or etcd no longer keeps what was asked for. */
async function watchFrom(
  session: Session, { range, set }: Followed, revision: bigint, signal: AbortSignal,
): Promise<"left" | "compacted"> {
  const ended = Promise.withResolvers<"left" | "compacted">();
  const left = (): void => ended.resolve("left");
  const lost = (): void => ended.reject(session.signal.reason as RpcError);
  const stop = await session.watch(range, revision, {
    changed(events) {
      try {
        set.change(events);
      } catch (error) {
        ended.reject(RpcError.from(error));
      }
    },
    canceled: (error, compacted) => (compacted ? ended.resolve("compacted") : ended.reject(error)),
  });
  signal.addEventListener("abort", left, { once: true });
  session.signal.addEventListener("abort", lost, { once: true });
  if (signal.aborted) left();
  if (session.signal.aborted) lost();
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener("abort", left);
    session.signal.removeEventListener("abort", lost);
    stop();
  }
}
