/**
 * Elections in ZooKeeper: each candidate has an ephemeral sequential node, and the one with the lowest number leads.
 *
 * The token is the id of the transaction that created the node (czxid), which grows over all of them, and so from
 * leader to leader, since the order of numbers is that of creation. Each node's name holds a text of its own, by which
 * its maker finds it again after an answer that was lost. Of the session's time a quarter is given away: a server tells
 * the ensemble's leader of its sessions' life twice a tick, and a session has two ticks at the least, so that what it
 * heard last may be lost with it.
 * https://zookeeper.apache.org/doc/r3.8.0/recipes.html#sc_leaderElection
 */
import { RpcError } from "../../core/error.ts";
import type { Clock, Runtime } from "../../core/runtime.ts";
import { encodeCandidate, readLeader } from "../../leadership/candidate.ts";
import { type Election, type ElectionOptions, electionOver, type Leader } from "../../leadership/election.ts";
import type { Ballot, ElectionEngine } from "../../leadership/engine.ts";
import { readText } from "../../wire/text.ts";
import { pauseUnless } from "../pause.ts";
import { openZooKeeper, type ZooKeeperAccess, type ZooKeeperOptions } from "./driver.ts";
import type { JuteReader } from "./jute.ts";
import type { Link } from "./link.ts";
import { create, readChildren, readData, readStatOf, remove, sync } from "./nodes.ts";
import { faults, isFault, writeMultiHead, ZooKeeperFault } from "./records.ts";
import { parentsOf } from "./paths.ts";
import { abortable } from "./session.ts";

/** `ttlMs` is the session's time, of which leases have three quarters. */
export interface ZooKeeperElectionOptions extends ElectionOptions, ZooKeeperOptions {}

/** What of the session's time a lease has, and how much of that passes between renewals. */
const leaseShare = 0.75;
const renewals = 4;
const withdrawMs = 1_000;
const againMs = 100;
const ephemeralSequential = 3;
const nodePattern = /^c-[0-9a-f]{32}-(-?\d{10})$/;

/** The same as `zookeeperElection` on another runtime. Throws `invalid_argument` for options that cannot be meant. */
export function zookeeperElectionOn(runtime: Runtime, options: ZooKeeperElectionOptions = {}): Election {
  const { ttlMs = 4_000 } = options;
  const access = openZooKeeper(runtime, options);
  return electionOver(runtime, new ZooKeeperElections(runtime, access), ttlMs * leaseShare, options);
}

class ZooKeeperElections implements ElectionEngine {
  readonly name: string;
  readonly #runtime: Runtime;
  readonly #access: ZooKeeperAccess;
  /** Marks of nodes that could not be taken out, with the session that keeps them: it may live on. */
  readonly #left = new Map<string, bigint>();

  constructor(runtime: Runtime, access: ZooKeeperAccess) {
    this.name = `ZooKeeper at ${access.servers.join(",")}`;
    this.#runtime = runtime;
    this.#access = access;
  }

  async stand(ballot: Ballot, signal: AbortSignal): Promise<void> {
    const link = await abortable(this.#access.session.attached(), signal);
    if (link === undefined) return;
    const { sessionId } = link.session;
    for (const [mark, owner] of this.#left) if (owner !== sessionId) this.#left.delete(mark);
    const standing = new Standing(this.#runtime, this.#access, ballot, sessionId, this.#left);
    await standing.until(signal);
  }

  async follow(name: string, told: (leader: Leader | undefined) => void, signal: AbortSignal): Promise<void> {
    const link = await abortable(this.#access.session.attached(), signal);
    if (link === undefined) return;
    const base = `${this.#access.prefix}/.elections/${name}`;
    const ended = AbortSignal.any([signal, link.lost]);
    await sync(link, base);
    while (!ended.aborted) {
      const change = listen(link, base, ended);
      try {
        const children = await readChildren(link, base);
        if (children === undefined && await readStatOf(link, base, true) !== undefined) continue;
        const [first] = candidatesIn(children ?? []);
        const data = first === undefined ? undefined : await readData(link, `${base}/${first}`);
        const token = data === undefined ? undefined : await czxidOf(link, `${base}/${first}`);
        if (ended.aborted) break;
        // Gone since the list was read: its watch tells of it.
        if (first === undefined) told(undefined);
        else if (data !== undefined && token !== undefined) told(readLeader(readText(data, 0, data.length), token));
        await change.happened;
      } finally {
        change.stop();
      }
    }
    if (!signal.aborted) throw RpcError.from(link.lost.reason);
  }

  close(): Promise<void> {
    return this.#access.session.close();
  }
}

class Standing {
  readonly #clock: Clock;
  readonly #access: ZooKeeperAccess;
  readonly #ballot: Ballot;
  readonly #sessionId: bigint;
  readonly #base: string;
  readonly #mark: string;
  /** The name of our node, once it is known. */
  #node: string | undefined = undefined;
  #isElected = false;
  readonly #left: Map<string, bigint>;

  constructor(
    { clock, random }: Runtime, access: ZooKeeperAccess, ballot: Ballot, sessionId: bigint, left: Map<string, bigint>,
  ) {
    this.#left = left;
    this.#clock = clock;
    this.#access = access;
    this.#ballot = ballot;
    this.#sessionId = sessionId;
    this.#base = `${access.prefix}/.elections/${ballot.name}`;
    this.#mark = `c-${random.id()}-`;
  }

  async until(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await this.#renewNow();
      await Promise.all([this.#renew(either), this.#contend(either)].map((one) => one.finally(() => over.abort())));
    } finally {
      over.abort();
      await this.#withdraw();
    }
  }

  /** The present link, if it carries the session under which we stand. */
  async #link(): Promise<Link> {
    const link = await this.#access.session.attached();
    if (link.session.sessionId === this.#sessionId) return link;
    throw new RpcError("aborted", "the session with ZooKeeper has expired, and what it held with it");
  }

  /** Asks something that the ensemble's leader answers: the session was alive there after that was sent. */
  async #renewNow(): Promise<void> {
    const link = await this.#link();
    const sentMs = this.#clock.now();
    await sync(link, this.#base);
    this.#ballot.renewed(sentMs, link.session.timeoutMs * leaseShare);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { timeoutMs } = (await this.#whileLost(signal, () => this.#link()))?.session ?? { timeoutMs: 1_000 };
      await pauseUnless(this.#clock, timeoutMs * leaseShare / renewals, signal);
      await this.#whileLost(signal, () => this.#renewNow());
    }
  }

  /** Tries until it is done or `signal` aborts: connections that are lost are made again while the session lives. */
  async #whileLost<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T | undefined> {
    while (!signal.aborted) {
      try {
        return await act();
      } catch (error) {
        const { session } = this.#access;
        if (!isConnectionLost(error) || session.isClosed || session.isOverdue) throw error;
        await pauseUnless(this.#clock, againMs, signal);
      }
    }
    return undefined;
  }

  async #contend(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#whileLost(signal, async () => {
        const link = await this.#link();
        const change = listen(link, this.#base, AbortSignal.any([signal, link.lost]));
        try {
          if (await this.#look(link, signal)) await change.happened;
        } finally {
          change.stop();
        }
      });
    }
  }

  /** Reads the candidates; false if it is to be done again at once. */
  async #look(link: Link, signal: AbortSignal): Promise<boolean> {
    await sync(link, this.#base);
    const children = await readChildren(link, this.#base);
    if (signal.aborted) return false;
    if (children === undefined) {
      await createAll(link, this.#base, this.#access);
      return false;
    }
    const candidates = candidatesIn(children);
    for (const one of candidates) {
      const mark = markOf(one);
      if (this.#left.has(mark)) await remove(link, `${this.#base}/${one}`, -1);
      this.#left.delete(mark);
    }
    const own = candidates.find((one) => one.startsWith(this.#mark));
    if (own === undefined) {
      if (this.#node !== undefined) {
        throw new RpcError("aborted", "somebody took the candidate's node out of ZooKeeper");
      }
      await this.#enter(link);
      return false;
    }
    this.#node = own;
    if (own === candidates[0] && !this.#isElected) await this.#elected(link, `${this.#base}/${own}`, signal);
    return true;
  }

  async #enter(link: Link): Promise<void> {
    const data = new TextEncoder().encode(encodeCandidate(this.#ballot.candidate));
    const path = `${this.#base}/${this.#mark}`;
    await link.ask("create", path, (writer) => {
      writer.text(path).buffer(data).int(this.#access.acl.length);
      for (const { permissions, scheme, id } of this.#access.acl) writer.int(permissions).text(scheme).text(id);
      writer.int(ephemeralSequential);
    }, (reader) => reader.text());
  }

  async #elected(link: Link, path: string, signal: AbortSignal): Promise<void> {
    const token = await czxidOf(link, path);
    const recordPath = `${this.#access.prefix}/.elections/${this.#ballot.name}.record`;
    const data = await readData(link, recordPath);
    if (token === undefined || signal.aborted) return;
    this.#isElected = true;
    this.#ballot.elected({
      token, record: data === undefined ? undefined : readText(data, 0, data.length),
      save: async (record) => {
        const present = await this.#link();
        const bytes = new TextEncoder().encode(record);
        await save(present, path, recordPath, bytes, this.#access).catch((error: unknown) => {
          if (!isFault(error, faults.noNode)) throw error;
          throw new RpcError("aborted", `the term ${token} is over: ZooKeeper does not know its node any more`);
        });
      },
    });
  }

  async #withdraw(): Promise<void> {
    const { session } = this.#access;
    if (session.isClosed) return;
    const patience = new AbortController();
    // What is not taken out in time stands in the way of our own next standing, if the session lives on.
    this.#left.set(this.#mark, this.#sessionId);
    const withdrawn = (async () => {
      const link = await this.#link();
      const own = this.#node ?? (await readChildren(link, this.#base))?.find((one) => one.startsWith(this.#mark));
      if (own !== undefined) await remove(link, `${this.#base}/${own}`, -1);
      this.#left.delete(this.#mark);
    })().catch(() => undefined).finally(() => patience.abort());
    await Promise.race([withdrawn, pauseUnless(this.#clock, withdrawMs, patience.signal)]);
  }
}

/** Names of candidates' nodes, the first that was created first. */
function candidatesIn(children: readonly string[]): string[] {
  return children.filter((name) => nodePattern.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
}

/** What a name has before its number. */
function markOf(name: string): string {
  return name.slice(0, "c-".length + 32 + 1);
}

function numberOf(name: string): number {
  return Number(nodePattern.exec(name)?.[1]);
}

function isConnectionLost(error: unknown): boolean {
  return RpcError.is(error) && error.code === "unavailable" && !(error instanceof ZooKeeperFault);
}

function czxidOf(link: Link, path: string): Promise<bigint | undefined> {
  return link.ask("exists", path, (writer) => writer.text(path).boolean(false), (reader) => reader.long())
    .catch((error: unknown) => {
      if (isFault(error, faults.noNode)) return undefined;
      throw error;
    });
}

async function createAll(link: Link, path: string, { acl }: ZooKeeperAccess): Promise<void> {
  for (const one of [...parentsOf(path), path]) {
    await create(link, { path: one, acl, data: new Uint8Array(0), isEphemeral: false }).catch((error: unknown) => {
      const isThere = isFault(error, faults.nodeExists) || (isFault(error, faults.noAuth) && one !== path);
      if (!isThere) throw error;
    });
  }
}

/** Writes the record in one step with the check that the leader's node is still there. */
async function save(link: Link, seat: string, path: string, data: Uint8Array, access: ZooKeeperAccess): Promise<void> {
  if (await readStatOf(link, path, false) === undefined) await createAll(link, path, access);
  const fault = await link.ask("multi", path, (writer) => {
    writeMultiHead(writer, "check").text(seat).int(-1);
    writeMultiHead(writer, "setData").text(path).buffer(data).int(-1);
    writeMultiHead(writer, "end");
  }, faultOf);
  if (fault !== 0) throw new ZooKeeperFault(fault, "multi", seat);
}

/** Of a `multi` that failed every result is an error, of which those beside the one to blame say 0 or -2. */
function faultOf(reader: JuteReader): number {
  let fault = 0;
  for (let results = 0; results < 3; results++) {
    const type = reader.int();
    const isLast = reader.boolean();
    reader.int();
    if (isLast || type !== -1) return fault;
    const one = reader.int();
    if (fault === 0 || fault === -2) fault = one;
  }
  return fault;
}

/** Hears of the first change at a path, or of the end of waiting. Set up before the read that sets the watch. */
function listen(link: Link, path: string, ended: AbortSignal): { happened: Promise<void>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const stop = link.listen(path, end);
  ended.addEventListener("abort", end, { once: true });
  if (ended.aborted) end();
  return {
    happened: promise,
    stop() {
      stop();
      ended.removeEventListener("abort", end);
    },
  };
}
