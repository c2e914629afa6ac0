/**
 * What elections need of etcd, served in a simulation over its own contract: leases that run out by the host's clock,
 * keys under them, transactions that compare create revisions, and watches. It outlives its host's crash, as a disk
 * does.
 */
import type { Runtime } from "../../src/core/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { Auth, Kv, Lease, Watch, type WatchEvent, type WatchResponse } from "../../src/discovery/etcd/contract.ts";
import { createServerOn } from "../../src/server/index.ts";

interface Entry {
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly lease: bigint;
}

type Listener = (event: WatchEvent, revision: bigint) => void;

/** The store, by itself. */
export class SimulatedEtcd {
  #revision = 1n;
  #lastLease = 0n;
  readonly #entries = new Map<string, Entry>();
  readonly #leases = new Map<bigint, { readonly ttlMs: number; endsAtMs: number }>();
  readonly #changes: { readonly revision: bigint; readonly event: WatchEvent }[] = [];
  #listeners = new Set<Listener>();

  /** Serves it on a host, whose clock leases run out by; again after a crash of that. */
  async serve(runtime: Runtime, host: string): Promise<void> {
    this.#listeners = new Set();
    const { clock } = runtime;
    // Leases of a member that was away are given their time again, as etcd does.
    for (const one of this.#leases.values()) one.endsAtMs = clock.now() + one.ttlMs;
    const sweep = (): void => {
      for (const [id, { endsAtMs }] of this.#leases) if (clock.now() >= endsAtMs) this.#revoke(id);
      clock.after(100, sweep);
    };
    sweep();
    const server = createServerOn(runtime);
    server.implement(Kv, {
      range: ({ key }) => {
        const entry = this.#entries.get(textOf(key));
        const kvs = entry === undefined ? [] : [{ key, ...entry }];
        return { header: this.#header(), kvs, more: false, count: BigInt(kvs.length) };
      },
      put: ({ key, value, lease }) => {
        this.#put(key, value, lease);
        return { header: this.#header() };
      },
      txn: ({ compare, success }) => {
        const succeeded = compare.every(({ key, createRevision }) =>
          (this.#entries.get(textOf(key))?.createRevision ?? 0n) === (createRevision ?? 0n));
        if (succeeded) {
          for (const { request } of success) {
            if (request !== undefined) this.#put(request.value.key, request.value.value, request.value.lease);
          }
        }
        return { header: this.#header(), succeeded };
      },
    }).implement(Lease, {
      leaseGrant: ({ ttl }) => {
        const id = ++this.#lastLease;
        const ttlMs = Number(ttl) * 1_000;
        this.#leases.set(id, { ttlMs, endsAtMs: clock.now() + ttlMs });
        return { header: this.#header(), id, ttl };
      },
      leaseRevoke: ({ id }) => {
        if (!this.#leases.has(id)) throw new RpcError("not_found", "etcdserver: requested lease not found");
        this.#revoke(id);
        return { header: this.#header() };
      },
      leaseKeepAlive: (requests) => this.#keepAlive(requests, clock),
    }).implement(Watch, { watch: (requests) => this.#watch(requests) }).implement(Auth, {
      authenticate: () => ({ header: this.#header(), token: "" }),
    });
    await server.listen({ host, port: 2_379 });
  }

  #header() {
    return { clusterId: 1n, memberId: 1n, revision: this.#revision };
  }

  #put(key: Uint8Array, value: Uint8Array, lease: bigint): void {
    if (lease !== 0n && !this.#leases.has(lease)) {
      throw new RpcError("not_found", "etcdserver: requested lease not found");
    }
    const revision = ++this.#revision;
    const before = this.#entries.get(textOf(key));
    this.#entries.set(textOf(key),
      { value, lease, modRevision: revision, createRevision: before?.createRevision ?? revision });
    this.#changed(0, key, { value, lease, modRevision: revision });
  }

  #revoke(lease: bigint): void {
    this.#leases.delete(lease);
    for (const [text, entry] of this.#entries) {
      if (entry.lease !== lease) continue;
      this.#entries.delete(text);
      const revision = ++this.#revision;
      this.#changed(1, new TextEncoder().encode(text), { value: new Uint8Array(0), lease: 0n, modRevision: revision });
    }
  }

  #changed(type: number, key: Uint8Array, rest: Omit<WatchEvent["kv"], "key">): void {
    const event: WatchEvent = { type, kv: { key, ...rest } };
    this.#changes.push({ revision: this.#revision, event });
    for (const listener of this.#listeners) listener(event, this.#revision);
  }

  async *#keepAlive(requests: AsyncIterable<{ id: bigint }>, clock: Runtime["clock"]) {
    for await (const { id } of requests) {
      const lease = this.#leases.get(id);
      if (lease !== undefined) lease.endsAtMs = clock.now() + lease.ttlMs;
      yield { header: this.#header(), id, ttl: lease === undefined ? 0n : BigInt(lease.ttlMs / 1_000) };
    }
  }

  async *#watch(requests: AsyncIterable<unknown>) {
    const queue: WatchResponse[] = [];
    let wake: (() => void) | undefined;
    const over = new AbortController();
    const watched = new Map<bigint, string>();
    const tell = (fields: Partial<WatchResponse> & { watchId: bigint }): void => {
      queue.push({
        header: this.#header(), created: false, canceled: false, compactRevision: 0n, cancelReason: "", fragment: false,
        events: [], ...fields,
      });
      wake?.();
    };
    const listener: Listener = (event) => {
      for (const [watchId, text] of watched) if (text === textOf(event.kv.key)) tell({ watchId, events: [event] });
    };
    this.#listeners.add(listener);
    void (async () => {
      for await (const one of requests) {
        const { request } = one as { request?: { case: string; value: {
          watchId: bigint; key: Uint8Array; startRevision: bigint } } };
        if (request?.case === "cancel") watched.delete(request.value.watchId);
        if (request?.case !== "create") continue;
        const { watchId, key, startRevision } = request.value;
        watched.set(watchId, textOf(key));
        tell({ watchId, created: true });
        const events = this.#changes.filter(({ revision, event }) =>
          revision >= startRevision && textOf(event.kv.key) === textOf(key)).map(({ event }) => event);
        if (events.length > 0) tell({ watchId, events });
      }
    })().catch(() => undefined).finally(() => {
      over.abort();
      wake?.();
    });
    try {
      while (!over.signal.aborted) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
