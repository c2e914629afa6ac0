/**
 * A Primary is a member's term as the leader: it makes changes, streams them to backups, and knows who is in sync.
 *
 * The algorithm is PacificA's (Lin et al., Microsoft Research 2008): those who may be promoted are on a list that the
 * engine keeps; a change is acknowledged once all on the list have it; a backup is struck off *before* its answer is no
 * longer waited for, and listed only after it has everything. The list is saved under the check that the term is still
 * the engine's own, so that a primary that was deposed can strike nobody off, whatever its clock says: what it cannot
 * replicate it cannot acknowledge.
 */
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import { pauseUnless } from "../discovery/pause.ts";
import type { Term } from "./election.ts";
import type { Change, Completion, Replica } from "./replica.ts";
import type { Batch, Progress } from "./replication.ts";
import type { StandbySettings } from "./settings.ts";

/** What the engine keeps for the leaders to come. */
export interface Membership {
  readonly leader: string;
  /** Who may be promoted. */
  readonly members: readonly string[];
}

export function readMembership(record: string | undefined): Membership | undefined {
  if (record === undefined) return undefined;
  try {
    const value = JSON.parse(record) as Partial<Membership> | null;
    if (typeof value?.leader === "string" && Array.isArray(value.members) &&
      value.members.every((one) => typeof one === "string")) return value as Membership;
  } catch {
    // Told below.
  }
  throw new RpcError("data_loss",
    `the election's record holds ${JSON.stringify(record.slice(0, 64))}, which no standby of ours wrote`);
}

export interface PrimaryParts {
  readonly runtime: Runtime;
  readonly settings: StandbySettings;
  readonly replica: Replica;
  readonly member: string;
  readonly term: Term;
  /** Somebody has seen a greater token: this term is over, whatever we know. */
  readonly fenced: (highest: bigint) => void;
}

interface Follower {
  readonly member: string;
  acked: number;
  /** When it last got on, or had nothing to get on with. */
  progressMs: number;
  wake: (() => void) | undefined;
}

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: RpcError) => void;
}

export interface BackupStatus {
  readonly member: string;
  readonly inSync: boolean;
  /** Changes that it has not confirmed. */
  readonly lagChanges: number;
}

const maxBatchChanges = 256;
const maxBatchBytes = 1 << 20;
const partBytes = 1 << 18;
const partKeys = 1_000;
const saveAgainMs = 50;
const maxFollowers = 100;
const nothing = new Uint8Array(0);

export class Primary {
  readonly #parts: PrimaryParts;
  readonly #followers = new Map<string, Follower>();
  /** Backups that may be on the engine's list: everybody that a change must reach. */
  #listed: Set<string>;
  #isOpen = false;
  #waiters: Waiter[] = [];
  #nextWaiter = 0;
  #committed = 0;
  /** The highest change that a caller was told of. */
  #acknowledged = 0;
  #reconciling: Promise<void> | undefined = undefined;
  /** When each listed member was last attached, or listed. */
  readonly #seenMs = new Map<string, number>();
  /** The last change that came from the primary before. */
  readonly promotedAt: number;

  constructor(parts: PrimaryParts, before: Membership | undefined) {
    this.#parts = parts;
    // What came from the primary before is acknowledged again only when whoever is listed is known to have it.
    this.promotedAt = parts.replica.last.sequence;
    // Whoever was in sync stays so for now; the leader that was must come back as a backup first.
    const others = (before?.members ?? []).filter((one) => one !== parts.member && one !== before?.leader);
    this.#listed = new Set(others);
    const nowMs = parts.runtime.clock.now();
    for (const one of others) this.#seenMs.set(one, nowMs);
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get term(): Term {
    return this.#parts.term;
  }

  /** Opens, and looks after the list until the term is over. */
  async run(): Promise<void> {
    const { term, runtime: { clock }, settings: { tickMs } } = this.#parts;
    while (!term.signal.aborted && !await this.#save(this.#listed)) await pauseUnless(clock, saveAgainMs, term.signal);
    if (term.signal.aborted) return;
    this.#isOpen = true;
    this.#advance();
    while (!term.signal.aborted) {
      await this.#reconcile();
      await pauseUnless(clock, tickMs, term.signal);
    }
  }

  /** The term is over: nobody is answered any more. */
  end(): void {
    this.#isOpen = false;
    const waiters = this.#waiters.slice(this.#nextWaiter);
    this.#waiters = [];
    this.#nextWaiter = 0;
    for (const { reject } of waiters) {
      reject(new RpcError("unavailable", "the primary was deposed before its backups confirmed the change: " +
        "its outcome is unknown here", { retryable: true, reason: "OutcomeUnknown" }));
    }
    for (const one of this.#followers.values()) one.wake?.();
  }

  backups(): readonly BackupStatus[] {
    const { sequence } = this.#parts.replica.last;
    const all = new Set([...this.#followers.keys(), ...this.#listed]);
    return [...all].map((member) => ({
      member, inSync: this.#listed.has(member), lagChanges: sequence - (this.#followers.get(member)?.acked ?? 0),
    }));
  }

  get committed(): number {
    return this.#committed;
  }

  /** Makes a change; resolves once it may be acknowledged. A repeat of a key gets the answer of the first. */
  async change(change: Uint8Array, key: string, context: Context | undefined): Promise<Uint8Array> {
    const { replica, term } = this.#parts;
    let done: Completion | Change | undefined = key === "" ? undefined : replica.completion(key);
    if (done === undefined) {
      this.#admit();
      done = replica.change(term.token, key, change);
      for (const one of this.#followers.values()) one.wake?.();
      this.#advance();
    }
    const { sequence, answer } = done;
    if (sequence > this.#committed) await this.#commit(sequence, context);
    if (sequence > this.#acknowledged) this.#acknowledged = sequence;
    return answer;
  }

  /** Resolves when everything that was changed so far may be told. */
  async settled(context: Context | undefined): Promise<void> {
    const { sequence } = this.#parts.replica.last;
    if (sequence > this.#committed) await this.#commit(sequence, context);
  }

  #admit(): void {
    const { backups, alone, maxWaiting, isSynchronous } = this.#parts.settings;
    if (isSynchronous && !alone && this.#listed.size < backups) {
      throw expected("unavailable", `${this.#listed.size} backups are in sync, and ${backups} must be`,
        { neverStarted: true, reason: "TooFewBackups", retryAfterMs: 50 });
    }
    if (this.#waiters.length - this.#nextWaiter < maxWaiting) return;
    throw expected("resource_exhausted", `${maxWaiting} changes wait for backups (maxWaiting)`,
      { neverStarted: true, retryAfterMs: 50 });
  }

  #commit(sequence: number, context: Context | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        sequence,
        resolve: () => {
          context?.offCancel(cancellable);
          resolve();
        },
        reject: (error) => {
          context?.offCancel(cancellable);
          reject(error);
        },
      };
      // Whoever gives up waits no more; the change stays.
      const cancellable = { cancelled: (reason: RpcError) => {
        const index = this.#waiters.indexOf(waiter, this.#nextWaiter);
        if (index !== -1) this.#waiters.splice(index, 1);
        reject(reason);
      } };
      context?.onCancel(cancellable);
      // Repeats wait for changes that were made before: they are few, and go behind whoever waits for the same.
      let at = this.#waiters.length;
      while (at > this.#nextWaiter && (this.#waiters[at - 1] as Waiter).sequence > sequence) at--;
      this.#waiters.splice(at, 0, waiter);
    });
  }

  /** Acknowledges what all who are listed have. */
  #advance(): void {
    const { settings: { isSynchronous, backups, alone }, replica } = this.#parts;
    if (!this.#isOpen) return;
    if (isSynchronous) {
      if (!alone && this.#listed.size < backups) return;
      let least = replica.last.sequence;
      for (const member of this.#listed) least = Math.min(least, this.#followers.get(member)?.acked ?? 0);
      if (least <= this.#committed) return;
      this.#committed = least;
    } else this.#committed = replica.last.sequence;
    while (this.#nextWaiter < this.#waiters.length) {
      const waiter = this.#waiters[this.#nextWaiter] as Waiter;
      if (waiter.sequence > this.#committed) break;
      this.#nextWaiter++;
      waiter.resolve();
    }
    if (this.#nextWaiter > 1_024 || this.#nextWaiter === this.#waiters.length) {
      this.#waiters.splice(0, this.#nextWaiter);
      this.#nextWaiter = 0;
    }
  }

  #reconcile(): Promise<void> {
    return this.#reconciling ??= this.#bringUpToDate().finally(() => {
      this.#reconciling = undefined;
    });
  }

  /** Lists who has everything, and strikes off who does not get on. */
  async #bringUpToDate(): Promise<void> {
    const { settings: { dropAfterMs }, replica, runtime: { clock } } = this.#parts;
    const nowMs = clock.now();
    const wanted = new Set<string>();
    for (const [member, { acked, progressMs }] of this.#followers) {
      const isBehind = acked < replica.last.sequence;
      this.#seenMs.set(member, isBehind ? progressMs : nowMs);
      const isStuck = isBehind && nowMs - progressMs > dropAfterMs;
      const hasAll = this.#listed.has(member) || acked >= this.#caughtUp();
      if (!isStuck && hasAll) wanted.add(member);
    }
    for (const member of this.#listed) {
      if (!this.#followers.has(member) && nowMs - (this.#seenMs.get(member) ?? 0) <= dropAfterMs) wanted.add(member);
    }
    if (wanted.size === this.#listed.size && [...wanted].every((one) => this.#listed.has(one))) return;
    const before = this.#listed;
    // From now on changes wait for the new ones too; for those struck off, until it is sure that they are.
    this.#listed = new Set([...before, ...wanted]);
    if (!await this.#save(wanted)) return;
    this.#listed = wanted;
    this.#parts.settings.observer.event?.("standby.in-sync", {
      name: this.term.name, token: this.term.token, members: [...wanted],
      why: [...wanted].some((one) => !before.has(one)) ? "a backup has caught up" : "a backup was silent for too long",
    });
    this.#advance();
  }

  /** What a backup must have to be listed. Where callers do not wait for backups, these may lack a batch. */
  #caughtUp(): number {
    const { settings: { isSynchronous }, replica } = this.#parts;
    return isSynchronous ? Math.max(this.#committed, this.promotedAt) : replica.last.sequence - maxBatchChanges;
  }

  async #save(members: ReadonlySet<string>): Promise<boolean> {
    const { term, member } = this.#parts;
    try {
      await term.save(JSON.stringify({ leader: member, members: [member, ...members] } satisfies Membership));
      return true;
    } catch (caught) {
      const error = RpcError.from(caught);
      // The engine knows another leader: only our clock does not.
      if (error.code === "aborted" && !term.signal.aborted) this.#parts.fenced(term.token);
      return false;
    }
  }

  /** Serves one backup's stream. */
  async *serve(hello: Progress, rest: AsyncIterator<Progress>, context: Context): AsyncGenerator<Batch> {
    const { replica, runtime: { clock }, settings: { tickMs } } = this.#parts;
    if (this.#followers.size >= maxFollowers && !this.#followers.has(hello.member)) {
      throw new RpcError("resource_exhausted", `${maxFollowers} backups follow already`, { neverStarted: true });
    }
    const isContinued = replica.continues(hello.sequence, hello.token);
    const nowMs = clock.now();
    const follower: Follower = {
      member: hello.member, acked: isContinued ? hello.sequence : 0, progressMs: nowMs, wake: undefined,
    };
    this.#followers.get(hello.member)?.wake?.();
    this.#followers.set(hello.member, follower);
    void this.#listen(follower, rest);
    const isPresent = (): boolean => this.#followers.get(hello.member) === follower && this.term.holds() &&
      context.cancelReason === undefined;
    let cursor = isContinued ? hello.sequence : -1;
    try {
      this.#advance();
      while (isPresent()) {
        const changes = cursor < 0 ? undefined : replica.after(cursor, maxBatchChanges, maxBatchBytes);
        if (changes === undefined) {
          const snapshot = replica.snapshot();
          cursor = snapshot.sequence;
          yield* this.#snapshot(follower, snapshot);
          continue;
        }
        yield { ...this.#head(follower), kind: "changes", sequence: cursor, changes: [...changes] };
        cursor += changes.length;
        if (replica.last.sequence === cursor) await this.#somethingNew(follower, cursor, tickMs);
      }
    } finally {
      if (this.#followers.get(hello.member) === follower) this.#followers.delete(hello.member);
    }
    throw expected("unavailable", "this member is no primary any more", { reason: "NotPrimary", neverStarted: true });
  }

  #head({ member }: Follower): Batch {
    return {
      token: this.term.token, kind: "changes", sequence: 0, stateToken: 0n, state: nothing, completions: [],
      changes: [], latest: this.#parts.replica.last.sequence, committed: this.#committed,
      inSync: this.#listed.has(member),
    };
  }

  *#snapshot(follower: Follower, snapshot: ReturnType<Replica["snapshot"]>): Generator<Batch> {
    const { clock } = this.#parts.runtime;
    const { state, sequence, token, completions } = snapshot;
    this.#parts.settings.observer.event?.("standby.snapshot",
      { name: this.term.name, member: follower.member, bytes: state.length, keys: completions.length, sequence });
    const nowMs = clock.now();
    for (let at = 0; at < completions.length; at += partKeys) {
      const part = completions.slice(at, at + partKeys);
      yield { ...this.#head(follower), kind: "state", sequence, stateToken: token, completions: part.map(([key, one]) =>
        ({ key, sequence: one.sequence, answer: one.answer, ageMs: nowMs - one.atMs })) };
    }
    for (let at = 0; at + partBytes < state.length; at += partBytes) {
      follower.progressMs = clock.now();
      const part = state.subarray(at, at + partBytes);
      yield { ...this.#head(follower), kind: "state", sequence, stateToken: token, state: part };
    }
    const rest = state.subarray(Math.max(0, Math.ceil(state.length / partBytes) - 1) * partBytes);
    yield { ...this.#head(follower), kind: "last", sequence, stateToken: token, state: rest };
  }

  #somethingNew(follower: Follower, cursor: number, tickMs: number): Promise<void> {
    if (this.#parts.replica.last.sequence > cursor || !this.term.holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        follower.wake = undefined;
        resolve();
      };
      const timer = this.#parts.runtime.clock.after(tickMs, end).unref();
      follower.wake = end;
    });
  }

  async #listen(follower: Follower, rest: AsyncIterator<Progress>): Promise<void> {
    const { runtime: { clock }, replica } = this.#parts;
    try {
      for (;;) {
        const step = await rest.next();
        if (step.done === true) break;
        const { sequence, highest, token } = step.value;
        if (highest > this.term.token) this.#parts.fenced(highest);
        // What it says it has must be what we have.
        if (sequence < follower.acked || !replica.continues(sequence, token)) continue;
        if (sequence > follower.acked || sequence === replica.last.sequence) follower.progressMs = clock.now();
        follower.acked = sequence;
        this.#advance();
        if (this.#isOpen && !this.#listed.has(follower.member)) void this.#reconcile();
      }
    } catch {
      // The stream's other half says why it ended.
    }
    if (this.#followers.get(follower.member) === follower) this.#followers.delete(follower.member);
    follower.wake?.();
  }
}
