/** What operators do to etcd, by its JSON gateway, and what a watcher of a name heard. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointAddress } from "../../src/core/endpoint.ts";
import type { Discovery } from "../../src/core/discovery.ts";

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

export class Ctl {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  async call(path: string, body: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(`http://${this.#address}/v3/${path}`, {
      method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(20_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async put(key: string, value: string): Promise<void> {
    await this.putBytes(Buffer.from(key), Buffer.from(value));
  }

  async putBytes(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.call("kv/put", { key: base64(key), value: base64(value) });
  }

  async has(key: string): Promise<boolean> {
    const { count } = await this.call("kv/range", { key: base64(key), count_only: true }) as { count?: string };
    return count === "1";
  }

  /** Makes `entries` all there is under `prefix`: in one transaction, as far as etcd takes that many. */
  async replace(prefix: string, entries: Readonly<Record<string, string>>): Promise<void> {
    const end = `${prefix.slice(0, -1)}0`;
    const { kvs = [] } = await this.call("kv/range",
      { key: base64(prefix), range_end: base64(end), keys_only: true }) as { kvs?: { key: string }[] };
    const wanted = new Set(Object.keys(entries).map(base64));
    const changes = [
      ...kvs.filter(({ key }) => !wanted.has(key)).map(({ key }) => ({ request_delete_range: { key } })),
      ...Object.entries(entries).map(([key, value]) => ({ request_put: { key: base64(key), value: base64(value) } })),
    ];
    const atOnce = 120;
    for (let i = 0; i < changes.length; i += atOnce) {
      await this.call("kv/txn", { success: changes.slice(i, i + atOnce) });
    }
  }

  /** Forgets all revisions but the newest. */
  async compact(): Promise<void> {
    const { header } = await this.call("kv/range", { key: base64("a") }) as { header: { revision: string } };
    await this.call("kv/compaction", { revision: header.revision, physical: true });
  }
}

/** Watches a name, and remembers what was said. */
export class Heard<Source extends Discovery = Discovery> {
  readonly discovery: Source;
  readonly snapshots: (readonly EndpointAddress[])[] = [];
  readonly failures: string[] = [];

  constructor(discovery: Source, name: string) {
    this.discovery = discovery;
    discovery.watch(name, {
      snapshot: (endpoints) => void this.snapshots.push(endpoints),
      failed: (error) => void this.failures.push(error.message),
    });
  }

  get last(): readonly EndpointAddress[] {
    return this.snapshots.at(-1) ?? [];
  }

  ids(): string {
    return this.last.map(({ id }) => id).join();
  }
}

export function listen<Source extends Discovery>(discovery: Source, name: string): Heard<Source> {
  return new Heard(discovery, name);
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(10);
  }
}
