/**
 * Elections in etcd: the candidate whose transaction makes the seat's key leads, for as long as the lease under it
 * lasts.
 *
 * The token is the revision of the store in which the key came into being, which etcd counts over all its changes: it
 * can only grow. The record lies beside it without a lease, and is put by transactions that compare that revision.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { encodeCandidate, readLeader } from "../../leadership/candidate.ts";
import { type Election, type ElectionOptions, electionOver, type Leader } from "../../leadership/election.ts";
import type { Ballot, ElectionEngine } from "../../leadership/engine.ts";
import { grpc } from "../../protocol/grpc/index.ts";
import { pauseUnless } from "../pause.ts";
import { speaksAgainstMember } from "./failure.ts";
import { bytesOf, type KeyRange, textOf } from "./keys.ts";
import { Link } from "./link.ts";
import type { Session } from "./session.ts";
import { type EtcdOptions, type EtcdSettings, resolveEtcdOptions } from "./settings.ts";
import { Tokens } from "./tokens.ts";

export interface EtcdElectionOptions extends ElectionOptions, Pick<EtcdOptions,
  "address" | "tls" | "user" | "password" | "prefix" | "silenceMs" | "openTimeoutMs"> {
  /**
   * How long the seat outlives who holds it, in milliseconds: rounded up to whole seconds, of which etcd grants two at
   * the least. Default 5,000.
   */
  readonly ttlMs?: number | undefined;
}

/** How much of the lease passes between renewals. */
const renewals = 4;
/** Longest time that a withdrawal may take: the lease runs out by itself. */
const withdrawMs = 1_000;
const again = 100;

/** The same as `etcdElection` on another runtime. Throws `invalid_argument` for options that are out of bounds. */
export function etcdElectionOn(runtime: Runtime, options: EtcdElectionOptions = {}): Election {
  const settings = resolveEtcdOptions(options);
  return electionOver(runtime, new EtcdElections(runtime, settings), settings.ttlMs, options);
}

class EtcdElections implements ElectionEngine {
  readonly name: string;
  readonly #runtime: Runtime;
  readonly #settings: EtcdSettings;
  readonly #link: Link;

  constructor(runtime: Runtime, settings: EtcdSettings) {
    this.name = `etcd at ${settings.addresses.join(", ")}`;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#link = new Link({ runtime, settings, protocol: grpc(), tokens: new Tokens(settings) });
  }

  async stand(ballot: Ballot, signal: AbortSignal): Promise<void> {
    const { clock } = this.#runtime;
    const session = await this.#link.session();
    if (signal.aborted) return;
    const sentMs = clock.now();
    const lease = await session.grant(this.#settings.ttlMs);
    ballot.renewed(sentMs, lease.ttlMs);
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.all([
        this.#renew(ballot, lease, sentMs, either),
        this.#contend(ballot, lease.id, either),
      ].map((one) => one.finally(() => over.abort())));
    } finally {
      over.abort();
      await this.#withdraw(lease.id);
    }
  }

  /** Keeps the lease alive; rejects when it is gone, or must be. */
  async #renew(ballot: Ballot, lease: { id: bigint; ttlMs: number }, grantedMs: number, signal: AbortSignal) {
    const { clock } = this.#runtime;
    for (let renewedMs = grantedMs;;) {
      await pauseUnless(clock, lease.ttlMs / renewals, signal);
      for (;;) {
        if (signal.aborted) return;
        const sentMs = clock.now();
        if (sentMs > renewedMs + lease.ttlMs) {
          throw new RpcError("unavailable", "the lease could not be renewed in time");
        }
        try {
          const session = await this.#link.session();
          const askedMs = clock.now();
          if (!await session.keepAlive(lease.id)) {
            throw new RpcError("not_found", "the lease ran out, or etcd has forgotten it", { phase: "resolve" });
          }
          ballot.renewed(askedMs, lease.ttlMs);
          renewedMs = askedMs;
          break;
        } catch (caught) {
          const error = RpcError.from(caught);
          // A member that is lost takes no lease with it: the next one renews it.
          if (!speaksAgainstMember(error)) throw error;
          await pauseUnless(clock, again, signal);
        }
      }
    }
  }

  /** Takes the seat when it is free, and watches it from then on; rejects when it is another's again. */
  async #contend(ballot: Ballot, lease: bigint, signal: AbortSignal): Promise<void> {
    const { seat, record } = this.#keys(ballot.name);
    const value = bytesOf(encodeCandidate(ballot.candidate));
    let token: bigint | undefined;
    while (!signal.aborted) {
      let session: Session;
      try {
        session = await this.#link.session();
        if (signal.aborted) return;
        const { kvs: [entry], header } = await session.page(only(seat), 1, 0n);
        if (token !== undefined && entry?.lease !== lease) {
          throw new RpcError("aborted", "somebody took the leader's key out of etcd");
        }
        if (entry === undefined) {
          // What it answers is not needed: the next look shows whose it is, also after an answer that was lost.
          await session.claim(seat, value, lease);
          continue;
        }
        if (entry.lease === lease && token === undefined) {
          token = entry.modRevision;
          await this.#elected(ballot, session, record, token, signal);
        }
        await changed(session, seat, header.revision + 1n, signal);
      } catch (caught) {
        const error = RpcError.from(caught);
        if (!speaksAgainstMember(error)) throw error;
        await pauseUnless(this.#runtime.clock, again, signal);
      }
    }
  }

  async #elected(ballot: Ballot, session: Session, key: Uint8Array, token: bigint, signal: AbortSignal) {
    const { seat } = this.#keys(ballot.name);
    const { kvs: [entry] } = await session.page(only(key), 1, 0n);
    if (signal.aborted) return;
    ballot.elected({
      token, record: entry === undefined ? undefined : textOf(entry.value),
      save: async (record) => {
        const present = await this.#link.session();
        if (await present.putGuarded(seat, token, key, bytesOf(record))) return;
        throw new RpcError("aborted", `the term ${token} is over: etcd knows another leader, or none`);
      },
    });
  }

  async #withdraw(lease: bigint): Promise<void> {
    const { clock } = this.#runtime;
    const patience = new AbortController();
    const revoked = this.#link.session().then((session) => session.revoke(lease)).catch(() => undefined)
      .finally(() => patience.abort());
    await Promise.race([revoked, pauseUnless(clock, withdrawMs, patience.signal)]);
  }

  async follow(name: string, told: (leader: Leader | undefined) => void, signal: AbortSignal): Promise<void> {
    const { seat } = this.#keys(name);
    while (!signal.aborted) {
      const session = await this.#link.session();
      const { kvs: [entry], header } = await session.page(only(seat), 1, 0n);
      if (signal.aborted) return;
      told(entry === undefined ? undefined : readLeader(textOf(entry.value), entry.modRevision));
      await changed(session, seat, header.revision + 1n, signal);
    }
  }

  #keys(name: string) {
    // No service's name begins with a dot, so that no entry of discovery lies there.
    const base = `${this.#settings.prefix}.elections/${name}`;
    return { seat: bytesOf(`${base}/leader`), record: bytesOf(`${base}/record`) };
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }
}

function only(key: Uint8Array): KeyRange {
  return { start: key, end: new Uint8Array(0) };
}

/** Resolves when the key has changed since that revision, or `signal` aborts; rejects when the session is lost. */
async function changed(session: Session, key: Uint8Array, revision: bigint, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever is told of the loss while the watch is being asked for is told by the watch.
  promise.catch(() => undefined);
  const end = (): void => resolve();
  const lost = (): void => reject(session.signal.reason);
  signal.addEventListener("abort", end, { once: true });
  session.signal.addEventListener("abort", lost, { once: true });
  let stop: (() => void) | undefined;
  try {
    if (signal.aborted) return;
    if (session.signal.aborted) throw session.signal.reason;
    stop = await session.watch(only(key), revision, {
      changed: end,
      // What was compacted has changed; any other end is looked at anew as well.
      canceled: (error, compacted) => (compacted ? resolve() : reject(error)),
    });
    await promise;
  } finally {
    signal.removeEventListener("abort", end);
    session.signal.removeEventListener("abort", lost);
    stop?.();
  }
}
