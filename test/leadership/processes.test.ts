// Real processes, a real etcd: the primary is killed under load, again and again; nothing acknowledged is lost or
// doubled.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/client/index.ts";
import { type StandbyStatus, toPrimary } from "../../src/leadership/index.ts";
import { etcd } from "../engines/etcd.ts";
import { Ledger } from "./world.ts";

const perSecond = 600;

class Member {
  readonly id: string;
  readonly port: number;
  readonly #etcd: string;
  #child: ChildProcess | undefined = undefined;

  constructor(address: string, id: string, port: number) {
    this.#etcd = address;
    this.id = id;
    this.port = port;
  }

  async start(): Promise<void> {
    this.#child = fork(join(import.meta.dirname, "member.ts"), [this.#etcd, this.id, String(this.port)],
      { serialization: "advanced" });
    await once(this.#child, "message");
  }

  async status(): Promise<StandbyStatus> {
    this.#child?.send("status");
    const [status] = await once(this.#child as ChildProcess, "message") as [StandbyStatus];
    return status;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(Array.from({ length: count }, async () => {
    const socket = createServer().listen(0, "127.0.0.1");
    await once(socket, "listening");
    return socket;
  }));
  const ports = sockets.map((one) => (one.address() as { port: number }).port);
  for (const one of sockets) one.close();
  return ports;
}

/** Waits until one leads and all others have everything; returns the leader. */
async function untilWarm(members: readonly Member[]): Promise<Member> {
  for (;; await sleep(50)) {
    const all = await Promise.all(members.map(async (member) => ({ member, status: await member.status() })));
    const primary = all.find(({ status }) => status.role === "primary");
    if (primary === undefined || !all.every(({ status }) => status.role !== "backup" || status.inSync)) continue;
    if (all.filter(({ status }) => status.role === "backup").length === members.length - 1) return primary.member;
  }
}

test("the primary is killed under load: 0 acknowledged lost, 0 doubled, recovery bound by the lease",
  { skip: etcd.missing ?? false, timeout: 240_000 }, async (context) => {
    const server = await etcd.start();
    const ports = await freePorts(3);
    const members = ["a", "b", "c"].map((id, i) => new Member(server.address, id, ports[i] as number));
    const ledger = createClient(Ledger, {
      address: ports.map((port) => `127.0.0.1:${port}`), timeoutMs: 60_000, ...toPrimary({ attemptMs: 1_000 }),
    });
    const acknowledged = new Set<string>();
    const failures: unknown[] = [];
    const under: Promise<void>[] = [];
    let count = 0;
    let fromMs = 0;
    let load: NodeJS.Timeout | undefined;
    // Open-loop: calls are due whether or not those before have ended.
    const tick = (): void => {
      for (const due = (performance.now() - fromMs) / 1_000 * perSecond; count < due;) {
        const id = `call ${count++}`;
        under.push(ledger.add({ id })
          .then(() => void acknowledged.add(id), (error: unknown) => void failures.push(error)));
      }
    };
    try {
      await Promise.all(members.map((one) => one.start()));
      await untilWarm(members);
      fromMs = performance.now();
      load = setInterval(tick, 5);
      for (let round = 0; round < 3; round++) {
        const primary = await untilWarm(members);
        const before = acknowledged.size;
        while (acknowledged.size < before + perSecond) await sleep(5);
        await primary.kill();
        const left = members.filter((one) => one !== primary);
        const heir = await untilWarm(left);
        let recovery = (await heir.status()).recovery;
        for (; recovery?.recoveredAfterMs === undefined; recovery = (await heir.status()).recovery) await sleep(20);
        context.diagnostic(`round ${round}: promoted after ${Math.round(recovery.promotedAfterMs ?? NaN)} ms, first ` +
          `acknowledged change after ${Math.round(recovery.recoveredAfterMs)} ms, ${recovery.missedChanges} missed`);
        assert.equal(recovery.missedChanges, 0);
        await primary.start();
      }
      await untilWarm(members);
      clearInterval(load);
      await Promise.all(under);
      const { ids } = await ledger.read({});
      const times = new Map<string, number>();
      for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1);
      assert.deepEqual([...times].filter(([, n]) => n > 1), [], "doubled");
      assert.deepEqual([...acknowledged].filter((id) => !times.has(id)), [], "lost");
      assert.deepEqual(failures, []);
      assert.equal(acknowledged.size, count);
      const seconds = (performance.now() - fromMs) / 1_000;
      context.diagnostic(`${count} calls in ${seconds.toFixed(1)} s, all acknowledged, each once`);
    } finally {
      clearInterval(load);
      ledger.$.close(0);
      await Promise.all(members.map((one) => one.kill()));
      await server.stop();
    }
  });
