/**
 * A Standby is a service's state with a warm copy elsewhere: one member leads and makes changes, the others follow
 * them, and when the leader dies one that has everything goes on.
 */
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Server } from "../server/server.ts";
import { Backup, type Heard } from "./backup.ts";
import type { Candidacy, Leader, Term } from "./election.ts";
import { createFence } from "./fence.ts";
import { type BackupStatus, Primary, readMembership } from "./primary.ts";
import { Replica } from "./replica.ts";
import { type Batch, type Progress, Replication } from "./replication.ts";
import { resolveStandbyOptions, type StandbyOptions, type StandbySettings } from "./settings.ts";

/** What a member's last promotion cost. */
export interface Recovery {
  readonly token: bigint;
  /**
   * The recovery point: changes of the primary before that it said it had made, and that this member never got. In the
   * semi-synchronous mode none of them was acknowledged. If that primary comes back as a backup, `standby.lost` tells
   * how many acknowledged ones are gone.
   */
  readonly missedChanges: number;
  /** From the last sign of life of the primary before to our promotion; undefined without one before. */
  readonly promotedAfterMs: number | undefined;
  /** The recovery time: from that sign of life to the first change that was acknowledged here; undefined until then. */
  readonly recoveredAfterMs: number | undefined;
}

export interface StandbyStatus {
  readonly role: "primary" | "opening" | "backup" | "waiting" | "closed";
  /** This member among the others: its id, and a text that no other life of it has. */
  readonly member: string;
  readonly leader: Leader | undefined;
  /** The greatest fencing token heard of. */
  readonly token: bigint;
  /** The last change here, and as the primary the last that is acknowledged. */
  readonly sequence: number;
  readonly committed: number;
  /** As a backup: whether it may be promoted; how many changes it is behind; how long ago the primary was heard of. */
  readonly inSync: boolean;
  readonly lagChanges: number;
  readonly silentMs: number | undefined;
  /** As the primary. */
  readonly backups: readonly BackupStatus[];
  readonly recovery: Recovery | undefined;
}

export interface ChangeOptions {
  /** The call on whose behalf it is made: its idempotency key, its cancellation; it is told where the primary is. */
  readonly context?: Context | undefined;
  /** By which a repeat is known. Default: the call's idempotency key; without either a repeat is another change. */
  readonly key?: string | undefined;
}

export interface Standby extends AsyncDisposable {
  /** Lets `server` serve the contract by which members follow each other; it must listen at the address given here. */
  implementOn(server: Server): void;
  /**
   * Makes a change, on the primary alone, and resolves with what `apply` answered once it is safe (see StandbyMode).
   * Rejects with `unavailable`, reason `NotPrimary`, certainly not begun, on any other member; the call's trailer
   * `meridian-primary` has the primary's address then ({@link toPrimary} follows it). Rejects with `OutcomeUnknown` if
   * it was deposed meanwhile: a repeat with the same key is answered by its successor, and never made twice.
   */
  change(change: Uint8Array, options?: ChangeOptions): Promise<Uint8Array>;
  /**
   * Reads the state, on the primary alone: what `view` returns, once nothing of it can be lost any more, and if the
   * lease still holds then. On backups {@link peek} reads what may be old.
   */
  read<T>(view: () => T, options?: Pick<ChangeOptions, "context">): Promise<T>;
  /** Whether this member leads at this moment. */
  readonly isPrimary: boolean;
  status(): StandbyStatus;
  /** Leaves: resigns, so that another goes on at once, and follows nobody. */
  close(): Promise<void>;
}

const stepBackMs = { first: 500, most: 5_000 };

/** Makes a member on `runtime`. Throws `invalid_argument` for options that cannot be meant. */
export function createStandbyOn(runtime: Runtime, options: StandbyOptions): Standby {
  return new Member(runtime, options);
}

class Member implements Standby {
  readonly #runtime: Runtime;
  readonly #options: StandbyOptions;
  readonly #settings: StandbySettings;
  readonly #replica: Replica;
  readonly #member: string;
  readonly #fence = createFence();
  readonly #unobserve: () => void;
  #candidacy: Candidacy | undefined = undefined;
  #leader: Leader | undefined = undefined;
  #primary: Primary | undefined = undefined;
  #backup: Backup | undefined = undefined;
  /** The last sign of life of the primary before, whichever it was. */
  #heard: Heard | undefined = undefined;
  #recovery: Recovery | undefined = undefined;
  #acknowledged = 0;
  #stepsBack = 0;
  #closing: Promise<void> | undefined = undefined;

  constructor(runtime: Runtime, options: StandbyOptions) {
    const settings = resolveStandbyOptions(options);
    this.#runtime = runtime;
    this.#options = options;
    this.#settings = settings;
    this.#replica = new Replica(runtime.clock, options.state, settings);
    // A process that died has forgotten what it had: its next life is another member.
    this.#member = `${settings.id}~${runtime.random.id().slice(0, 12)}`;
    this.#campaign();
    this.#unobserve = options.election.observe(settings.name, (leader) => this.#observed(leader));
  }

  #campaign(): void {
    const { name, address, attributes } = this.#settings;
    this.#candidacy = this.#options.election.campaign(name, { id: this.#member, address, attributes }, {
      elected: (term) => this.#elected(term),
      ended: (_term, why) => this.#deposed(why),
    });
  }

  #elected(term: Term): void {
    const { observer, name, unclean } = this.#settings;
    if (this.#closing !== undefined) return;
    this.#fence.admits(term.token);
    let before;
    try {
      before = readMembership(term.record);
    } catch (error) {
      return this.#stepBack(term, RpcError.from(error).message);
    }
    const mayLead = before === undefined || before.members.includes(this.#member);
    if (!mayLead && !unclean) return this.#stepBack(term, "it may lack acknowledged changes");
    this.#stepsBack = 0;
    const heard = this.#backup?.heard ?? this.#heard;
    this.#backup?.close();
    this.#backup = undefined;
    const missedChanges = Math.max(0, (heard?.latest ?? 0) - this.#replica.last.sequence);
    const promotedAfterMs = heard === undefined ? undefined : this.#runtime.clock.now() - heard.atMs;
    this.#recovery = { token: term.token, missedChanges, promotedAfterMs, recoveredAfterMs: undefined };
    observer.event?.("standby.promoted", {
      name, member: this.#member, token: term.token, sequence: this.#replica.last.sequence, missedChanges,
      promotedAfterMs,
      why: before === undefined ? "there was no primary before" : mayLead ? "it was in sync" : "the option unclean",
    });
    this.#heard = heard;
    const primary = this.#primary = new Primary({
      runtime: this.#runtime, settings: this.#settings, replica: this.#replica, member: this.#member, term,
      fenced: (highest) => this.#fenced(highest),
    }, before);
    void primary.run();
  }

  /** Leaves the lead to others, of whom one may have everything. */
  #stepBack(term: Term, why: string): void {
    const { observer, name } = this.#settings;
    observer.event?.("standby.ineligible", { name, member: this.#member, token: term.token, why });
    const pauseMs = Math.min(stepBackMs.most, stepBackMs.first * 2 ** Math.min(this.#stepsBack++, 10));
    this.#standAgain(pauseMs * (1 + this.#runtime.random.next()));
  }

  #fenced(highest: bigint): void {
    const { observer, name } = this.#settings;
    observer.event?.("standby.fenced", { name, member: this.#member, token: this.#primary?.term.token, highest });
    this.#fence.admits(highest);
    this.#standAgain(stepBackMs.first);
  }

  #standAgain(afterMs: number): void {
    const candidacy = this.#candidacy;
    this.#candidacy = undefined;
    void candidacy?.resign().then(() => {
      this.#runtime.clock.after(afterMs, () => {
        if (this.#closing === undefined && this.#candidacy === undefined) this.#campaign();
      }).unref();
    });
  }

  #deposed(why: string): void {
    const primary = this.#primary;
    if (primary === undefined) return;
    this.#primary = undefined;
    this.#acknowledged = Math.max(this.#acknowledged, primary.acknowledged);
    primary.end();
    this.#settings.observer.event?.("standby.demoted",
      { name: this.#settings.name, member: this.#member, token: primary.term.token, why });
    this.#follow(this.#leader);
  }

  #observed(leader: Leader | undefined): void {
    this.#leader = leader;
    // Nobody leads: what the last leader still says is taken all the same, until another is elected.
    if (leader === undefined || this.#primary !== undefined) return;
    this.#follow(leader);
  }

  #follow(leader: Leader | undefined): void {
    if (this.#closing !== undefined || leader === undefined || leader.id === this.#member) return;
    // An old word of a leader that has been replaced since.
    if (!this.#fence.admits(leader.token)) return;
    this.#heard = this.#backup?.heard ?? this.#heard;
    this.#backup?.close();
    this.#backup = new Backup({
      runtime: this.#runtime, settings: this.#settings, replica: this.#replica, member: this.#member,
      fence: this.#fence, acknowledged: () => this.#acknowledged,
    }, leader);
  }

  implementOn(server: Server): void {
    server.implement(Replication, { follow: (inputs, context) => this.#serve(inputs, context) });
  }

  async *#serve(inputs: AsyncIterable<Progress>, context: Context): AsyncGenerator<Batch> {
    const rest = inputs[Symbol.asyncIterator]();
    const first = await rest.next();
    if (first.done === true) return;
    const hello = first.value;
    const { name, observer } = this.#settings;
    if (hello.group !== name) {
      throw new RpcError("not_found", `the group "${hello.group.slice(0, 200)}" is not here, but "${name}"`);
    }
    const primary = this.#primary;
    if (primary === undefined || !primary.term.holds()) throw this.#notPrimary(context);
    if (hello.highest > primary.term.token) {
      this.#fenced(hello.highest);
      throw this.#notPrimary(context);
    }
    const lostChanges = hello.token < primary.term.token ? hello.acknowledged - primary.promotedAt : 0;
    if (lostChanges > 0 && hello.acknowledged > 0) {
      observer.event?.("standby.lost", { name, member: hello.member, acknowledgedChanges: lostChanges,
        why: "the primary before comes back with changes that it had acknowledged and this one never got" });
    }
    yield* primary.serve(hello, rest, context);
  }

  async change(change: Uint8Array, { context, key }: ChangeOptions = {}): Promise<Uint8Array> {
    const primary = this.#present(context);
    const answer = await primary.change(change, key ?? context?.idempotencyKey ?? "", context);
    if (this.#recovery !== undefined && this.#recovery.recoveredAfterMs === undefined) this.#recovered(this.#recovery);
    return answer;
  }

  #recovered(recovery: Recovery): void {
    const { name, observer } = this.#settings;
    if (this.#heard === undefined) return;
    const recoveredAfterMs = this.#runtime.clock.now() - this.#heard.atMs;
    this.#recovery = { ...recovery, recoveredAfterMs };
    observer.event?.("standby.recovered", { name, member: this.#member, ...this.#recovery });
  }

  async read<T>(view: () => T, { context }: Pick<ChangeOptions, "context"> = {}): Promise<T> {
    const primary = this.#present(context);
    const value = view();
    await primary.settled(context);
    // Another may have changed it meanwhile, were the lease over.
    if (!primary.term.holds()) throw this.#notPrimary(context);
    return value;
  }

  #present(context: Context | undefined): Primary {
    const primary = this.#primary;
    if (primary === undefined || !primary.isOpen || !primary.term.holds()) throw this.#notPrimary(context);
    return primary;
  }

  #notPrimary(context: Context | undefined): RpcError {
    const leader = this.#leader;
    const isOther = leader !== undefined && leader.id !== this.#member;
    if (isOther) context?.setTrailer("meridian-primary", leader.address);
    const who = isOther ? `${leader.id} at ${leader.address} is` : "nobody is known to be";
    return expected("unavailable", `this member of "${this.#settings.name}" is not the primary now; ${who}`,
      { neverStarted: true, reason: "NotPrimary", phase: "server" });
  }

  get isPrimary(): boolean {
    return this.#primary?.isOpen === true && this.#primary.term.holds();
  }

  status(): StandbyStatus {
    const primary = this.#primary;
    const heard = this.#backup?.heard;
    const { sequence } = this.#replica.last;
    return {
      role: this.#closing !== undefined ? "closed" : primary !== undefined ? (this.isPrimary ? "primary" : "opening")
        : heard === undefined ? "waiting" : "backup",
      member: this.#member, leader: this.#leader, token: this.#fence.highest, sequence,
      committed: primary?.committed ?? 0,
      inSync: heard?.inSync ?? false, lagChanges: Math.max(0, (heard?.latest ?? sequence) - sequence),
      silentMs: heard === undefined ? undefined : this.#runtime.clock.now() - heard.atMs,
      backups: primary?.backups() ?? [], recovery: this.#recovery,
    };
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.resolve();
    this.#unobserve();
    this.#backup?.close();
    await this.#candidacy?.resign();
    this.#primary?.end();
  }
}
