// A stage: the processes of a scenario, started and ended together, and cases repeated where the machine stalled.
import { setTimeout as sleep } from "node:timers/promises";
import type { Row, RunOptions } from "../frame/rows.ts";
import type {
  CrowdClient, CrowdReport, FromCrowd, FromLedger, LedgerBehaviour, LedgerFigures, LedgerSettings, ToCrowd, ToLedger,
} from "./ledger.ts";
import { machineMs, watchLateness } from "./messages.ts";
import { FleetProcess } from "./process.ts";

/** A case that missed a goal while the event loop of a process that is well was later than this is repeated, once. */
const stalledMs = 60;
const tries = 2;

export class LedgerServer extends FleetProcess<FromLedger, ToLedger> {
  readonly settings: LedgerSettings;
  address = "";

  constructor(settings: LedgerSettings, prefix: readonly string[] = []) {
    super("ledger-server.ts", [JSON.stringify(settings)], prefix);
    this.settings = settings;
  }

  async listening(): Promise<this> {
    this.address = (await this.next("listening")).address;
    return this;
  }

  /** Resolves, with the time, when the server behaves like this. */
  async behave(behaviour: Partial<LedgerBehaviour>): Promise<number> {
    const changed = this.next("changed");
    const atMs = machineMs();
    this.send({ kind: "behave", ...behaviour });
    await changed;
    return atMs;
  }

  async latenessMs(): Promise<number> {
    const lateness = this.next("lateness");
    this.send({ kind: "lateness" });
    return (await lateness).worstMs;
  }

  /** What it did since this was asked last. */
  async figures(): Promise<LedgerFigures> {
    const figures = this.next("figures");
    this.send({ kind: "figures" });
    return figures;
  }
}

class CrowdProcess extends FleetProcess<FromCrowd, ToCrowd> {
  constructor() {
    super("crowd.ts");
  }
}

class RegistryProcess extends FleetProcess<FromLedger, ToLedger> {
  constructor(port: number) {
    super("registry.ts", [String(port)]);
  }
}

/** What a body of a case saw of itself. */
export interface Played {
  readonly rows: readonly Row[];
  /** How late a process that was well was at worst. */
  readonly lateMs: number;
}

export class Stage {
  readonly options: RunOptions;
  readonly #ownLatenessMs = watchLateness();
  readonly #processes = new Set<{ end(): Promise<void> }>();
  #crowd: CrowdProcess | undefined;

  constructor(options: RunOptions) {
    this.options = options;
  }

  /** Starts servers, all at once. */
  async servers(settings: readonly LedgerSettings[], prefix: readonly string[] = []): Promise<LedgerServer[]> {
    return Promise.all(settings.map((one) => this.#own(new LedgerServer(one, prefix)).listening()));
  }

  /** Starts one that died anew, at the address that it had. */
  async again(dead: LedgerServer): Promise<LedgerServer> {
    await this.end(dead);
    const port = Number(dead.address.slice(dead.address.lastIndexOf(":") + 1));
    return this.#own(new LedgerServer({ ...dead.settings, port })).listening();
  }

  /** Starts the control plane; answers its address and how it is killed. */
  async registry(port = 0): Promise<{ readonly address: string; kill(): Promise<void> }> {
    const one = this.#own(new RegistryProcess(port));
    const { address } = await one.next("listening");
    return { address, kill: () => this.end(one) };
  }

  /** Callers begin; resolves, with how many connections they have, when they call. */
  async begin(clients: readonly CrowdClient[], readyWithinMs?: number): Promise<number> {
    if (this.#crowd === undefined) {
      const crowd = this.#crowd = this.#own(new CrowdProcess());
      await crowd.next("started");
    }
    const calling = this.#crowd.next("calling");
    this.#crowd.send({ kind: "begin", clients, ...(readyWithinMs === undefined ? {} : { readyWithinMs }) });
    this.#ownLatenessMs();
    return (await calling).ready;
  }

  /** From now on everybody calls so many times as often as at first. */
  async rate(factor: number): Promise<number> {
    const rated = this.#calling.next("rated");
    this.#calling.send({ kind: "rate", factor });
    await rated;
    return machineMs();
  }

  async push(addresses: readonly string[]): Promise<void> {
    const pushed = this.#calling.next("pushed");
    this.#calling.send({ kind: "push", addresses });
    await pushed;
  }

  /** Callers make no more calls, wait for what is under way, and tell. */
  async report(): Promise<CrowdReport> {
    const report = this.#calling.next("report");
    this.#calling.send({ kind: "end" });
    return report;
  }

  /** The callers' process ends, and the next that begin are another. */
  async endCrowd(): Promise<void> {
    const crowd = this.#crowd;
    this.#crowd = undefined;
    if (crowd !== undefined) await this.end(crowd);
  }

  get #calling(): CrowdProcess {
    if (this.#crowd === undefined) throw new Error("nobody calls: begin first");
    return this.#crowd;
  }

  /** How late this process and servers that are well were at worst since this was asked last. */
  async latenessMs(well: readonly LedgerServer[] = []): Promise<number> {
    return Math.max(this.#ownLatenessMs(), ...await Promise.all(well.map((one) => one.latenessMs())));
  }

  /** Plays a case. Where it missed a goal while the machine stalled, once more; then those goals are not measured. */
  async play(name: string, body: () => Promise<Played>): Promise<readonly Row[]> {
    for (let attempt = 1; ; attempt++) {
      this.options.progress(attempt === 1 ? name : `${name}, once more: the machine stalled`);
      const { rows, lateMs } = await body();
      if (lateMs <= stalledMs || !rows.some(({ met }) => met === false)) return rows;
      if (attempt < tries) continue;
      const note = `the machine stalled for ${Math.round(lateMs)} ms`;
      return rows.map((row) => (row.met === false
        ? { ...row, met: null, note: row.note === undefined ? note : `${row.note}; ${note}` } : row));
    }
  }

  /** Resolves after so long. */
  wait(ms: number): Promise<void> {
    return sleep(ms);
  }

  async end(one: { end(): Promise<void> }): Promise<void> {
    this.#processes.delete(one);
    await one.end();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes].map((one) => one.end()));
    this.#processes.clear();
    this.#crowd = undefined;
  }

  #own<T extends { end(): Promise<void> }>(one: T): T {
    this.#processes.add(one);
    return one;
  }
}

/** Runs a scenario's rows on a stage whose processes end with them, however that comes about. */
export async function *onStage(options: RunOptions, run: (stage: Stage) => AsyncIterable<Row>): AsyncGenerator<Row> {
  const stage = new Stage(options);
  try {
    yield* run(stage);
  } finally {
    await stage.close();
  }
}
