/**
 * A Backup follows one primary: applies its changes in order, confirms them, and takes nothing from a former leader.
 *
 * It calls the primary, so that who is behind a balancer or a firewall need not be reachable to be kept warm.
 */
import { createClientOn } from "../client/create-client.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import { Pauses } from "../discovery/pauses.ts";
import type { Leader } from "./election.ts";
import type { Fence } from "./fence.ts";
import type { Completion, Replica } from "./replica.ts";
import { type Batch, type Progress, Replication } from "./replication.ts";
import type { StandbySettings } from "./settings.ts";

export interface BackupParts {
  readonly runtime: Runtime;
  readonly settings: StandbySettings;
  readonly replica: Replica;
  readonly member: string;
  /** The tokens of leaders that this member has heard of. */
  readonly fence: Fence;
  /** How far this member had acknowledged changes when it led. */
  readonly acknowledged: () => number;
}

/** What a backup knows of its primary. */
export interface Heard {
  readonly token: bigint;
  /** The primary's last change, and when it said so, by our clock. */
  readonly latest: number;
  readonly atMs: number;
  readonly inSync: boolean;
}

/** Pauses between tries, in milliseconds: the recovery time has one of them. */
const pauseMs = { min: 20, max: 300 };

export class Backup {
  readonly #parts: BackupParts;
  readonly #leader: Leader;
  readonly #end = new AbortController();
  readonly #pauses: Pauses;
  #parcels: Uint8Array[] = [];
  #parcelBytes = 0;
  #completions: [string, Completion][] = [];
  #outlet: Outlet | undefined = undefined;
  heard: Heard | undefined = undefined;

  constructor(parts: BackupParts, leader: Leader) {
    this.#parts = parts;
    this.#leader = leader;
    this.#pauses = new Pauses(parts.runtime, pauseMs);
    void this.#run();
  }

  async #run(): Promise<void> {
    const { runtime, settings } = this.#parts;
    const client = createClientOn(runtime, Replication, {
      // A backup that was cut off is none until it follows again: no connection that hangs may keep it from the next.
      connectTimeoutMs: 1_000, reconnectMaxMs: 500,
      // Whom to call is the election's affair, and so is what to do when it does not answer.
      ...settings.client, address: this.#leader.address, retry: false, outliers: false, slowStart: false,
    });
    let failed = "";
    while (!this.#end.signal.aborted) {
      const outlet = this.#outlet = new Outlet();
      outlet.push(this.#progress());
      this.#forgetParcels();
      try {
        for await (const batch of client.follow(outlet, { signal: this.#end.signal })) {
          if (this.#end.signal.aborted) break;
          this.#take(batch);
          outlet.push(this.#progress());
          failed = "";
          this.#pauses.reset();
        }
      } catch (caught) {
        const { message } = RpcError.from(caught);
        if (failed === "" && !this.#end.signal.aborted) {
          settings.observer.event?.("standby.follow.failed",
            { name: settings.name, primary: this.#leader.id, address: this.#leader.address, why: message });
        }
        failed = message;
      }
      outlet.end();
      if (!this.#end.signal.aborted) await this.#pauses.next();
    }
    client.$.close(0);
  }

  #progress(): Progress {
    const { settings, member, fence, replica, acknowledged } = this.#parts;
    const { sequence, token } = replica.last;
    return { group: settings.name, member, highest: fence.highest, token, sequence, acknowledged: acknowledged() };
  }

  #take(batch: Batch): void {
    const { runtime: { clock }, replica, fence } = this.#parts;
    // A former leader that does not know it yet; our answer would have told it.
    fence.require(batch.token);
    switch (batch.kind) {
      case "state":
      case "last":
        this.#keep(batch);
        break;
      case "changes": {
        if (batch.changes.length > 0 && batch.sequence !== replica.last.sequence) {
          throw new RpcError("data_loss", `changes after ${batch.sequence} came to who has ${replica.last.sequence}`);
        }
        let { sequence } = batch;
        for (const one of batch.changes) replica.follow({ ...one, sequence: ++sequence });
        break;
      }
    }
    this.heard = { token: batch.token, latest: batch.latest, atMs: clock.now(), inSync: batch.inSync };
  }

  /** Keeps a part of a snapshot; with the last one the state is replaced. */
  #keep({ kind, state, sequence, stateToken, completions }: Batch): void {
    const { runtime: { clock }, replica, settings: { maxSnapshotBytes, maxKeys } } = this.#parts;
    this.#parcelBytes += state.length;
    if (this.#parcelBytes > maxSnapshotBytes || this.#completions.length + completions.length > maxKeys) {
      throw new RpcError("resource_exhausted", `the primary's snapshot is larger than ${maxSnapshotBytes} bytes ` +
        `(maxSnapshotBytes), or has more than ${maxKeys} keys (maxKeys)`);
    }
    this.#parcels.push(state);
    const nowMs = clock.now();
    for (const { key, sequence: at, answer, ageMs } of completions) {
      this.#completions.push([key, { sequence: at, answer, atMs: nowMs - ageMs }]);
    }
    if (kind !== "last") return;
    const whole = new Uint8Array(this.#parcelBytes);
    let at = 0;
    for (const one of this.#parcels) {
      whole.set(one, at);
      at += one.length;
    }
    replica.restore(whole, sequence, stateToken, this.#completions);
    this.#forgetParcels();
  }

  #forgetParcels(): void {
    this.#parcels = [];
    this.#parcelBytes = 0;
    this.#completions = [];
  }

  /** Follows no more: nothing is applied from now on. */
  close(): void {
    this.#end.abort(new RpcError("cancelled", "this member follows another leader now"));
    this.#outlet?.end();
    this.#pauses.skip();
  }
}

/** What a backup sends: of confirmations that wait to be read only the newest matters. */
class Outlet implements AsyncIterableIterator<Progress> {
  #next: Progress | undefined = undefined;
  #isEnded = false;
  #reader: ((step: IteratorResult<Progress>) => void) | undefined = undefined;

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(progress: Progress): void {
    if (this.#isEnded) return;
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#next = progress;
    else reader({ done: false, value: progress });
  }

  end(): void {
    this.#isEnded = true;
    this.#next = undefined;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Progress>> {
    const progress = this.#next;
    this.#next = undefined;
    if (progress !== undefined) return Promise.resolve({ done: false, value: progress });
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  return(): Promise<IteratorResult<Progress>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }
}
