/** What a server does for shards that come to it: takes pieces in order, says when it has all, and looks at the map. */
import type { Handlers } from "../contract/index.ts";
import { expected, type RpcError } from "../core/index.ts";
import type { ShardHosts } from "./shard-contract.ts";
import { type ShardMap, writeShardMap } from "./shard-map.ts";
import { type Arriving, committed, isLater, type MoveId, type ShardLog, type Slot } from "./shard-slot.ts";

export interface Arrivals {
  readonly handlers: Handlers<typeof ShardHosts>;
}

export interface ArrivalsHost {
  readonly log: ShardLog | undefined;
  slot(shard: number): Slot;
  map(): ShardMap | undefined;
  refresh(): Promise<void>;
  move(shard: number, to: string): Promise<ShardMap>;
}

interface MoveMessage {
  readonly shard: number;
  readonly epoch: bigint | number;
  readonly sequence: number;
  readonly from: string;
}

export function arrivals(host: ArrivalsHost): Arrivals {
  /** The slot's arriving shard, if it is this move's. */
  const arriving = (message: MoveMessage): { slot: Slot; came: Arriving } => {
    const slot = checkedSlot(host, message.shard);
    const { state } = slot;
    const move = idOf(message);
    const came = state.kind === "away" ? state.arriving : undefined;
    if (came === undefined || !isSame(came.move, move)) throw obsolete(message);
    return { slot, came };
  };
  return { handlers: {
    begin: async ({ move: message }) => {
      const slot = checkedSlot(host, message.shard);
      const move = idOf(message);
      if (slot.state.kind !== "away") throw obsolete(message);
      if (slot.lastMove !== undefined && !isLater(move, slot.lastMove)) {
        if (isSame(move, slot.lastMove)) return {};
        throw obsolete(message);
      }
      slot.lastMove = move;
      slot.state = { kind: "away", arriving: undefined };
      slot.clear();
      await host.log?.drop(slot.shard);
      // A later move may have begun meanwhile.
      if (isSame(slot.lastMove, move)) {
        slot.state = { kind: "away", arriving: { move, pieces: 0, complete: false, work: Promise.resolve() } };
      }
      return {};
    },
    entries: async ({ move: message, number, entries }) => {
      const { slot, came } = arriving(message);
      if (number > came.pieces || (came.complete && number === came.pieces)) throw obsolete(message);
      if (number === came.pieces) {
        came.pieces++;
        came.work = came.work.then(() => committed(host.log, slot,
          entries.map(({ key, value, removed }) => [key, removed ? undefined : value])));
      }
      await came.work;
      return {};
    },
    complete: async ({ move: message, pieces, count }) => {
      const slot = checkedSlot(host, message.shard);
      const { state } = slot;
      const came = state.kind === "away" ? state.arriving : undefined;
      if (came === undefined || !isSame(came.move, idOf(message))) return { complete: false };
      await came.work;
      came.complete = came.pieces === pieces && slot.size === count;
      return { complete: came.complete };
    },
    activate: async () => {
      await host.refresh();
      return { epoch: BigInt(host.map()?.epoch ?? 0) };
    },
    move: async ({ shard, to }) => ({ map: writeShardMap(await host.move(shard, to)) }),
    map: () => {
      const map = host.map();
      if (map === undefined) throw expected("unavailable", "this server has no map yet", { neverStarted: true });
      return { map: writeShardMap(map) };
    },
  } };
}

function checkedSlot(host: ArrivalsHost, shard: number): Slot {
  const map = host.map();
  if (map === undefined) {
    throw expected("unavailable", "this server has not claimed its shards yet", { neverStarted: true });
  }
  if (shard < map.shards.length) return host.slot(shard);
  throw expected("invalid_argument", `shard is ${shard}: there are ${map.shards.length}`);
}

function idOf({ epoch, sequence }: MoveMessage): MoveId {
  return { epoch: Number(epoch), sequence };
}

function isSame(one: MoveId, other: MoveId): boolean {
  return one.epoch === other.epoch && one.sequence === other.sequence;
}

function obsolete({ shard, from, epoch, sequence }: MoveMessage): RpcError {
  return expected("failed_precondition",
    `move ${epoch}.${sequence} of shard ${shard} from ${from} is not under way here (any more)`);
}
