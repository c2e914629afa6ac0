/**
 * Holding an entry in etcd: a lease of its own, the key under it, and both looked after until the entry is withdrawn.
 *
 * With a lease for each registration etcd itself knows whose a key is: whoever puts it again takes it out of the former
 * lease, and the end of that lease takes nothing with it.
 */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type EngineEntry, superseded } from "../engine.ts";
import { encodeEntry } from "../entry.ts";
import { explain } from "./failure.ts";
import { bytesOf, keyOf, keyText } from "./keys.ts";
import type { Link } from "./link.ts";
import type { Session } from "./session.ts";
import type { EtcdSettings } from "./settings.ts";

export interface HolderParts {
  readonly runtime: Runtime;
  readonly settings: EtcdSettings;
  readonly link: Link;
}

/** The last hold of a key by this process. */
interface Held {
  /** Resolves when it is over. */
  ended: Promise<void>;
  /** Leases that the key may still be under, unless somebody put it again. */
  readonly leases: Set<bigint>;
}

/** Most leases of one key that are remembered until they can be ended. */
const maxLeases = 16;
/** How much of the time to live passes between renewals. */
const renewals = 3;
const maxRenewMs = 600_000;

export class Holder {
  readonly #parts: HolderParts;
  readonly #held = new Map<string, Held>();

  constructor(parts: HolderParts) {
    this.#parts = parts;
  }

  /** As in Engine. */
  async hold({ name, endpoint }: EngineEntry, held: () => void, signal: AbortSignal): Promise<void> {
    const { prefix } = this.#parts.settings;
    const key = keyOf(prefix, name, endpoint.id);
    const text = keyText(key);
    const before = this.#held.get(text);
    const ended = Promise.withResolvers<void>();
    const mine: Held = { ended: ended.promise, leases: before?.leases ?? new Set() };
    this.#held.set(text, mine);
    try {
      // Whatever is under way for this key is over first, or it could arrive behind what follows.
      await before?.ended;
      if (!signal.aborted) await this.#keep(key, bytesOf(encodeEntry(endpoint)), mine, held, signal);
      if (signal.aborted && signal.reason !== superseded) await this.#withdraw(mine);
    } finally {
      ended.resolve();
      if (signal.aborted && signal.reason !== superseded && this.#held.get(text) === mine) this.#held.delete(text);
    }
  }

  async #keep(key: Uint8Array, value: Uint8Array, mine: Held, held: () => void, signal: AbortSignal): Promise<void> {
    const { link, settings } = this.#parts;
    let session = await link.session();
    if (signal.aborted) return;
    const lease = await session.grant(settings.ttlMs);
    settings.observer.event?.("etcd.lease.granted",
      { member: session.address, askedMs: settings.ttlMs, grantedMs: lease.ttlMs });
    const former = [...mine.leases];
    mine.leases.add(lease.id);
    if (former.length >= maxLeases) mine.leases.delete(former[0] as bigint);
    await session.put(key, value, lease.id);
    // The key is under the new lease. The end of the former ones keeps a late order from putting it back under them.
    for (const one of former) {
      mine.leases.delete(one);
      session.revoke(one).catch(() => undefined);
    }
    if (signal.aborted) return;
    held();
    const renewMs = Math.min(maxRenewMs, lease.ttlMs / renewals);
    for (let lost = 0;;) {
      await this.#pause(renewMs, signal, session.signal);
      if (signal.aborted) return;
      session = await link.session();
      try {
        await renew(session, key, value, lease.id, mine.leases);
        lost = 0;
      } catch (error) {
        // With a session that broke the lease is not lost: the next one renews it, if there is one.
        if (!session.signal.aborted || ++lost > link.members) throw error;
      }
    }
  }

  /** Waits until it is time, or there is no reason to wait. */
  #pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        for (const one of signals) one.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#parts.runtime.clock.after(ms, end).unref();
      for (const one of signals) one.addEventListener("abort", end, { once: true });
      if (signals.some((one) => one.aborted)) end();
    });
  }

  async #withdraw({ leases }: Held): Promise<void> {
    if (leases.size === 0) return;
    const session = await this.#parts.link.session();
    for (const one of leases) {
      await session.revoke(one).catch((caught: unknown) => {
        const error = RpcError.from(caught);
        if (error.code !== "not_found") throw explain(error, this.#parts.settings);
      });
      leases.delete(one);
    }
  }
}

/** Renews the lease, and puts the entry back where it is missing. Rejects if there is no such lease any more. */
async function renew(
  session: Session, key: Uint8Array, value: Uint8Array, lease: bigint, ours: ReadonlySet<bigint>,
): Promise<void> {
  if (!await session.keepAlive(lease)) {
    throw new RpcError("unavailable", "the lease ran out, or etcd has forgotten it", { phase: "resolve" });
  }
  const entry = await session.peek(key).catch((caught: unknown) => {
    // Who may write a key need not be allowed to look at it.
    const error = RpcError.from(caught);
    if (error.code === "permission_denied") return "hidden" as const;
    throw error;
  });
  if (entry === "hidden") return;
  // Somebody deleted it, or another process entered the same id and has left since.
  if (entry === undefined) await session.putNew(key, value, lease);
  else if (entry.lease !== lease && ours.has(entry.lease)) await session.put(key, value, lease);
}
