// The control plane dies, or lies: what calls notice of it, and whether callers start without it.
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CrowdReport } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, failed, picksAt, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, type Row, type Scenario, withNote } from "./frame/rows.ts";

const name = "control";
const fleet = 4;
const perSecond = 1_000;

export const scenario: Scenario = {
  about: "the registry is killed, or tells nonsense: no call notices, and callers start without it",
  async *run(options) {
    const folder = await mkdtemp(join(tmpdir(), "meridian-chaos-"));
    try {
      yield* onStage(options, (stage) => control(stage, join(folder, "last-known")));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function *control(stage: Stage, cachePath: string): AsyncGenerator<Row> {
  stage.options.progress(`control plane: starting a registry and ${fleet} servers`);
  const registry = await stage.registry();
  const servers = await stage.servers(Array.from({ length: fleet }, () =>
    ({ workers: 16, workMs: 5, registry: registry.address })));
  const begin = async (): Promise<void> => {
    await stage.begin([{ name: "callers", perSecond, registry: registry.address, cachePath }]);
    await stage.wait(stage.options.quick ? 800 : 1_500);
  };
  for (const [what, addresses] of pushes(servers).slice(0, stage.options.quick ? 1 : Infinity)) {
    yield* await stage.play(`push: ${what}`, async () => {
      await begin();
      const atMs = machineMs();
      await stage.push(addresses);
      await stage.wait(stage.options.quick ? 2_000 : 4_000);
      return await seen(stage, { servers, fromMs: atMs, what: `pushed ${what}` });
    });
  }
  yield* await stage.play("the registry is killed", async () => {
    await begin();
    await registry.kill();
    const atMs = machineMs();
    await stage.wait(stage.options.quick ? 1_500 : 8_000);
    // Nobody can be told now that a server is gone.
    const [victim, ...others] = servers as [LedgerServer, ...LedgerServer[]];
    const exit = once(victim.child, "exit");
    victim.signal("SIGKILL");
    await exit;
    await stage.wait(stage.options.quick ? 1_500 : 4_000);
    return await seen(stage, { servers: others, fromMs: atMs, what: "registry killed" });
  });
  yield* await stage.play("callers start without the registry", async () => {
    await stage.endCrowd();
    await begin();
    const atMs = machineMs();
    await stage.wait(1_500);
    return await seen(stage, { servers: servers.slice(1), fromMs: atMs, what: "started from the cache" });
  });
  yield* await stage.play("the registry is back, and knows nothing", async () => {
    await begin();
    const back = await stage.registry(Number(registry.address.slice(registry.address.lastIndexOf(":") + 1)));
    const atMs = machineMs();
    await stage.wait(stage.options.quick ? 2_500 : 6_000);
    const played = await seen(stage, { servers: servers.slice(1), fromMs: atMs, what: "registry back, empty" });
    await back.kill();
    return played;
  });
}

/** What a control plane that went wrong would tell; the last is the shape of a stale one. */
function pushes(servers: readonly LedgerServer[]): readonly (readonly [string, readonly string[]])[] {
  return [
    ["nobody", []],
    ["servers that are long gone", ["127.0.0.1:1", "127.0.0.1:2"]],
    ["a quarter of them", servers.slice(0, 1).map(({ address }) => address)],
  ];
}

interface Look {
  /** Those that are well, which are to be called to the end. */
  readonly servers: readonly LedgerServer[];
  readonly fromMs: number;
  readonly what: string;
}

async function seen(stage: Stage, { servers, fromMs, what }: Look): Promise<Played> {
  const untilMs = machineMs();
  const lateMs = await stage.latenessMs(servers);
  const report = await stage.report();
  return {
    rows: [
      withNote(atMost(name, `${what}: calls that failed`, failed(report.calls), 0, "calls"),
        [`${report.calls.length} calls`, commonErrors(report)].filter(Boolean).join("; ")),
      atLeast(name, `${what}: servers that are called`, usedAt(report, servers, untilMs), servers.length, "servers"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, fromMs)),
  };
}

/** Of those that are well, how many get calls in the last second. */
function usedAt(report: CrowdReport, servers: readonly LedgerServer[], untilMs: number): number {
  return servers.filter(({ address }) =>
    picksAt(report, untilMs - 1_000, untilMs, { at: (one) => one === address }).length > 0).length;
}
