// Measures one case of one system once: fresh processes, a warm-up, figures, and nothing left behind.
import { cpus } from "node:os";
import type { Shape } from "../records.ts";
import type { Load, Timing } from "./load.ts";
import { certificateDirectory } from "./certificate.ts";
import { freePort, processorSeconds, startChild } from "./process.ts";

/** Something between client and server that forwards calls. */
export interface Proxy {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Trial {
  /** The file in bench/systems that serves and calls. */
  readonly system: string;
  /** The file that calls, if it is another one. */
  readonly client?: string | undefined;
  readonly shape: Shape;
  readonly load: Load;
  readonly timing: Timing;
  /** Whether both sides secure their connection. Default false. */
  readonly tls?: boolean | undefined;
  /** Starts what stands between client and server, if anything. */
  readonly proxy?: ((serverPort: number) => Promise<Proxy>) | undefined;
}

/** What one trial found. Processor time is in seconds per million calls. */
export interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Undefined for an open load, whose client never sleeps. */
  readonly clientCpu: number | undefined;
  readonly serverCpu: number;
  readonly proxyCpu: number | undefined;
  readonly sustained: boolean;
  /** The share of the machine's cores that processes other than the measured ones used meanwhile, 0 to 1. */
  readonly otherCpuShare: number;
}

const startTimeoutMs = 60_000;
const graceMs = 20_000;

export async function measure(trial: Trial): Promise<Sample> {
  const port = await freePort();
  const certificates = trial.tls === true ? certificateDirectory() : undefined;
  const server = startChild("server", [trial.system, String(port)], certificates);
  try {
    await server.next("ready", startTimeoutMs);
    const proxy = await trial.proxy?.(port);
    try {
      const target = [trial.client ?? trial.system, String(proxy?.port ?? port), trial.shape];
      const plan = [JSON.stringify(trial.load), JSON.stringify(trial.timing)];
      const client = startChild("client", [...target, ...plan], certificates);
      try {
        return await observe(trial, { client, server, proxyPid: proxy?.pid });
      } finally {
        await client.stop();
      }
    } finally {
      await proxy?.stop();
    }
  } finally {
    await server.stop();
  }
}

interface Parties {
  readonly client: ReturnType<typeof startChild>;
  readonly server: ReturnType<typeof startChild>;
  readonly proxyPid: number | undefined;
}

async function observe({ load, timing }: Trial, { client, server, proxyPid }: Parties): Promise<Sample> {
  const proxySeconds = () => proxyPid === undefined ? 0 : processorSeconds(proxyPid);
  const ended = client.next("measured", startTimeoutMs + timing.warmUpMs + timing.measureMs + graceMs);
  // The client may fail before it begins, and then nobody awaits `ended`.
  ended.catch(() => {});
  await client.next("begun", startTimeoutMs + timing.warmUpMs);
  const before = { ...(await ask(server)), proxySeconds: proxySeconds(), cores: coreSeconds() };
  const { measured } = await ended;
  const after = { ...(await ask(server)), proxySeconds: proxySeconds(), cores: coreSeconds() };
  // Client and server read their clocks at slightly different moments, so the server's share of a core counts.
  const busyShare = (after.cpuSeconds - before.cpuSeconds) / (after.atMs - before.atMs);
  const proxyBusy = after.proxySeconds - before.proxySeconds;
  const measuredBusy = measured.cpuSeconds + after.cpuSeconds - before.cpuSeconds + proxyBusy;
  const otherBusy = after.cores.busy - before.cores.busy - measuredBusy;
  // Nothing done has no price.
  const perMillion = measured.done === 0 ? Number.NaN : 1e6 / measured.done;
  return {
    perSecond: measured.done / measured.elapsedMs * 1000,
    p50Ms: measured.p50Ms,
    p99Ms: measured.p99Ms,
    clientCpu: load.kind === "open" ? undefined : measured.cpuSeconds * perMillion,
    serverCpu: busyShare * measured.elapsedMs * perMillion,
    proxyCpu: proxyPid === undefined ? undefined : proxyBusy * perMillion,
    sustained: measured.sustained,
    otherCpuShare: Math.max(0, otherBusy / (after.cores.total - before.cores.total)),
  };
}

/** What all cores did so far, in core seconds. */
function coreSeconds(): { busy: number; total: number } {
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy: busy / 1000, total: (busy + idle) / 1000 };
}

async function ask(server: Parties["server"]): Promise<{ cpuSeconds: number; atMs: number }> {
  const answer = server.next("cpu", graceMs);
  server.ask();
  return answer;
}
