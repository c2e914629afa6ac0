/**
 * Holds one entry: an ephemeral node that ends with our session, so that a process that dies leaves none behind.
 *
 * A lost connection loses nothing as long as the session is taken up again in time; the entry is looked at then. Who
 * enters an id takes over from whoever had it (a former life of the same server, mostly); who was taken over from waits
 * until that one is gone. An entry that vanished, or whose session expired, ends this: it is entered again.
 */
import { RpcError } from "../../core/error.ts";
import { superseded } from "../engine.ts";
import type { Link } from "./link.ts";
import { create, type NewNode, readStatOf, remove, replace, setData, sync } from "./nodes.ts";
import { type Acl, faults, isFault } from "./records.ts";
import { parentsOf } from "./paths.ts";
import { abortable, type Session } from "./session.ts";

export interface Held {
  readonly path: string;
  readonly data: Uint8Array;
  readonly acl: Acl;
}

/** Rounds until an entry that others change all the time is given up for now. */
const maxRounds = 20;

/**
 * Holds until `signal` aborts, and withdraws then; rejects when the entry is lost. `isOurs` says that nobody in this
 * process entered the same since.
 */
export async function holdNode(
  session: Session, node: Held, isOurs: () => boolean, held: () => void, signal: AbortSignal,
): Promise<void> {
  /** The session under which the entry may stand. */
  let owner: bigint | undefined;
  while (!signal.aborted) {
    const link = await abortable(attachedFor(session, owner !== undefined), signal);
    if (link === undefined) break;
    if (owner !== undefined && link.session.sessionId !== owner) {
      throw new RpcError("unavailable", "the session with ZooKeeper has expired, and what it held with it");
    }
    try {
      const isNew = owner === undefined;
      owner = link.session.sessionId;
      if (isNew) await enter(link, node, signal);
      else await sync(link, node.path);
      await keep(link, node, signal, held);
    } catch (error) {
      // What was sent before the link broke may have been done: the next link shows.
      if (!link.lost.aborted) throw error;
    }
  }
  if (owner !== undefined && signal.reason !== superseded) await withdraw(session, owner, node.path, isOurs);
}

/** The next link. Whoever holds something waits through failures until that must be taken for lost. */
async function attachedFor(session: Session, isHolding: boolean): Promise<Link> {
  for (;;) {
    try {
      return await session.attached();
    } catch (error) {
      if (!isHolding || session.isClosed || session.isOverdue) throw error;
    }
  }
}

async function enter(link: Link, held: Held, signal: AbortSignal): Promise<void> {
  const node: NewNode = { ...held, isEphemeral: true };
  let refusal: unknown;
  for (let round = 0; round < maxRounds; round++) {
    if (signal.aborted) return;
    try {
      return await create(link, node);
    } catch (error) {
      if (signal.aborted) return;
      if (isFault(error, faults.noNode)) {
        if (refusal !== undefined) throw refusal;
        refusal = await createParents(link, node);
      } else if (!isFault(error, faults.nodeExists)) throw error;
      else if (await takeOver(link, node, signal)) return;
    }
  }
  throw new RpcError("unavailable", `others keep changing ${held.path} in ZooKeeper`);
}

/** Why one of them could not be made, which matters if it is not there. */
async function createParents(link: Link, { path, acl }: NewNode): Promise<unknown> {
  let refusal: unknown;
  for (const parent of parentsOf(path)) {
    try {
      await create(link, { path: parent, acl, data: new Uint8Array(0), isEphemeral: false });
    } catch (error) {
      // Somebody else made it; or it is there, in a node that is not for us to add to.
      if (isFault(error, faults.noAuth)) refusal = error;
      else if (!isFault(error, faults.nodeExists)) throw error;
    }
  }
  return refusal;
}

/** Whether the node that is there already became ours. */
async function takeOver(link: Link, node: NewNode, signal: AbortSignal): Promise<boolean> {
  const stat = await readStatOf(link, node.path, false);
  if (stat === undefined || signal.aborted) return signal.aborted;
  try {
    if (stat.owner === link.session.sessionId) await setData(link, node.path, node.data);
    else await replace(link, node, stat.version);
    return true;
  } catch (error) {
    const isRace = [faults.noNode, faults.badVersion, faults.nodeExists].some((fault) => isFault(error, fault));
    if (isRace) return false;
    throw error;
  }
}

/** Watches the entry until it is gone or `signal` aborts; ends by itself only with the latter. */
async function keep(link: Link, { path }: Held, signal: AbortSignal, held: () => void): Promise<void> {
  const ended = AbortSignal.any([signal, link.lost]);
  let fired = Promise.withResolvers<void>();
  const stop = link.listen(path, () => fired.resolve());
  const end = (): void => fired.resolve();
  ended.addEventListener("abort", end);
  try {
    let isTold = false;
    while (!ended.aborted) {
      fired = Promise.withResolvers();
      const stat = await readStatOf(link, path, true);
      if (ended.aborted) return;
      if (stat === undefined) throw new RpcError("unavailable", `somebody took ${path} out of ZooKeeper`);
      // Another's by now: it stands for this id as well, until it goes.
      if (!isTold) held();
      isTold = true;
      await fired.promise;
    }
  } finally {
    ended.removeEventListener("abort", end);
    stop();
    if (signal.aborted) link.forget(path);
  }
}

/** Takes out the entry, if it is still ours, and tries for as long as the session that holds it may live. */
async function withdraw(session: Session, owner: bigint, path: string, isOurs: () => boolean): Promise<void> {
  while (!session.isClosed && isOurs()) {
    let link: Link;
    try {
      link = await attachedFor(session, true);
    } catch {
      return;
    }
    if (link.session.sessionId !== owner) return;
    try {
      const stat = await readStatOf(link, path, false);
      if (stat?.owner === owner && isOurs()) await remove(link, path, stat.version);
      return;
    } catch (error) {
      if (link.lost.aborted || isFault(error, faults.badVersion)) continue;
      if (isFault(error, faults.noNode)) return;
      throw error;
    }
  }
}
