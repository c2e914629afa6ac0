/**
 * Moving a shard out: copy while calls go on, send what changed meanwhile, fence, send the rest, switch the map.
 *
 * The source drives it, since all there is of the shard is there. Until the map's epoch is changed it can be given up
 * without a trace; while nobody knows whether it was changed, neither side serves. Nothing is lost: what was
 * acknowledged before the fence is sent before the switch. Nothing is doubled: completion records move along.
 * (Pre-copy migration, Clark et al., NSDI 2005; fencing by epoch.)
 */
import type { Client } from "../contract/index.ts";
import { expected, type Observer, RpcError, type Runtime } from "../core/index.ts";
import type { ShardAuthority } from "./shard-authority.ts";
import type { ShardHosts } from "./shard-contract.ts";
import { ownerOf, type ShardMap, withOwner } from "./shard-map.ts";
import type { MoveId, Slot } from "./shard-slot.ts";

export interface MoveSettings {
  /** Most entries, and about how many characters, of one piece. */
  readonly batchEntries: number;
  readonly batchChars: number;
  /** Longest wait for calls under way at the fence, in milliseconds; then the move is given up. */
  readonly fenceTimeoutMs: number;
  /** Rounds of sending what changed before the fence comes all the same. */
  readonly maxRounds: number;
}

export interface Mover {
  readonly runtime: Runtime;
  readonly self: string;
  readonly slot: Slot;
  readonly move: MoveId;
  readonly authority: ShardAuthority;
  readonly peer: Client<typeof ShardHosts>;
  readonly settings: MoveSettings;
  readonly observer: Observer;
  /** The newest map that is known here, and how a newer one becomes known. */
  map(): ShardMap;
  learn(map: ShardMap): void;
  isClosed(): boolean;
}

/** Moves the slot's shard to `to`. Rejects if it was given up, and stays; resolves with the map once it has moved. */
export async function moveOut(mover: Mover, to: string): Promise<ShardMap> {
  const { slot, runtime, observer, self } = mover;
  const startedMs = runtime.clock.now();
  const sending = new Sending(mover);
  slot.state = { kind: "owned", moving: new Set() };
  let fencedAtMs = startedMs;
  try {
    await sending.begin();
    await sending.send(slot.keys());
    for (let round = 0; round < mover.settings.maxRounds; round++) {
      const changed = takeChanged(slot);
      await sending.send(changed);
      // What is left fits one piece: the fence will be short.
      if (changed.length <= mover.settings.batchEntries) break;
    }
    fencedAtMs = runtime.clock.now();
    if (isAway(slot)) throw expected("aborted", "the map gave the shard to another meanwhile");
    slot.become({ kind: "fenced", moving: takeSet(slot) });
    await slot.drain(runtime, mover.settings.fenceTimeoutMs);
    await sending.send(takeChanged(slot));
    await sending.complete();
  } catch (error) {
    if (!isAway(slot)) stay(slot);
    throw givenUp(mover, to, error);
  }
  if (!await switched(mover, to, sending)) {
    stay(slot);
    throw givenUp(mover, to, expected("aborted", `${to} no longer has what was sent to it`));
  }
  const entries = slot.size;
  slot.become({ kind: "away", arriving: undefined });
  slot.clear();
  const map = mover.map();
  const nowMs = runtime.clock.now();
  observer.event?.("shard.moved", {
    shard: slot.shard, from: self, to, epoch: map.epoch, entries, pieces: sending.pieces,
    fencedMs: nowMs - fencedAtMs, tookMs: nowMs - startedMs, why: "asked to",
  });
  // It looks by itself when the first call comes; telling it spares that call the wait.
  mover.peer.activate({}).catch(() => undefined);
  return map;
}

/** Whether it was taken away from us meanwhile, by whoever changed the map by hand. */
function isAway({ state }: Slot): boolean {
  return state.kind === "away";
}

function stay(slot: Slot): void {
  slot.become({ kind: "owned", moving: undefined });
}

function givenUp({ slot, observer, self }: Mover, to: string, cause: unknown): RpcError {
  const error = RpcError.from(cause);
  observer.event?.("shard.move.given-up", { shard: slot.shard, from: self, to, why: error.message });
  return expected("aborted", `shard ${slot.shard} stays with ${self}: ${error.message}`,
    { cause: error, retryable: true });
}

function takeSet(slot: Slot): Set<string> {
  return (slot.state.kind === "away" ? undefined : slot.state.moving) ?? new Set();
}

/** What changed since it was last asked. */
function takeChanged(slot: Slot): string[] {
  const moving = takeSet(slot);
  const changed = [...moving];
  moving.clear();
  return changed;
}

/** The receiver's side of a move, as the source sees it: pieces in order, one at a time. */
class Sending {
  pieces = 0;
  readonly #mover: Mover;
  readonly #id: { shard: number; epoch: bigint; sequence: number; from: string };

  constructor(mover: Mover) {
    const { slot, move: { epoch, sequence }, self } = mover;
    this.#mover = mover;
    this.#id = { shard: slot.shard, epoch: BigInt(epoch), sequence, from: self };
  }

  async begin(): Promise<void> {
    await this.#mover.peer.begin({ move: this.#id });
  }

  async send(keys: readonly string[]): Promise<void> {
    const { slot, peer, settings: { batchEntries, batchChars } } = this.#mover;
    for (let next = 0; next < keys.length;) {
      const entries = [];
      for (let chars = 0; next < keys.length && entries.length < batchEntries && chars < batchChars; next++) {
        const key = keys[next] as string;
        // As it is now: what it becomes later is among the keys that changed.
        const value = slot.valueOf(key);
        entries.push({ key, value: value ?? "", removed: value === undefined });
        chars += key.length + (value?.length ?? 0);
      }
      await peer.entries({ move: this.#id, number: this.pieces++, entries });
    }
  }

  async complete(): Promise<void> {
    if (await this.isComplete()) return;
    throw expected("aborted", "the receiver has not as many entries as were sent");
  }

  /** Whether the receiver has everything still: one that was started anew has forgotten. */
  async isComplete(): Promise<boolean> {
    const { slot, peer } = this.#mover;
    const { complete } = await peer.complete({ move: this.#id, pieces: this.pieces, count: slot.size });
    return complete;
  }
}

/**
 * Changes the map, whatever it takes to learn whether it was changed. False when the shard certainly stays: the
 * receiver has forgotten it, and no attempt of ours to change the map can take effect any more.
 */
async function switched(mover: Mover, to: string, sending: Sending): Promise<boolean> {
  const { slot: { shard }, self, authority, runtime } = mover;
  let stays = false;
  /** The greatest epoch that an attempt of ours compares with: above it, none of them can succeed. */
  let attempted = 0;
  for (let attempt = 0; !mover.isClosed(); attempt++) {
    const map = mover.map();
    if (ownerOf(map, shard) !== self) return true;
    if (stays && map.epoch > attempted) return false;
    const next = stays ? { ...map, epoch: map.epoch + 1 } : withOwner(map, shard, to);
    try {
      attempted = Math.max(attempted, map.epoch);
      const result = await authority.replace(map.epoch, next);
      mover.learn(result.map);
      if (result.replaced) return !stays;
    } catch {
      await new Promise<void>((resolve) => void runtime.clock.after(pauseMs(attempt, runtime), resolve));
      try {
        mover.learn(await authority.read());
      } catch {
        continue;
      }
    }
    if (ownerOf(mover.map(), shard) === self && !stays) {
      stays = !await sending.isComplete().catch(() => false);
    }
  }
  throw expected("unavailable", `the server closed before it knew whether shard ${shard} had moved to ${to}`);
}

/** Ten milliseconds and more, doubled up to a second, with jitter. */
export function pauseMs(attempt: number, { random }: Pick<Runtime, "random">): number {
  return Math.min(1_000, 10 * 2 ** Math.min(attempt, 10)) * (0.5 + random.next());
}
