/** The supervisor starts the main job's processes, kills and restores them, and collects what they report. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FailBackOptions } from "../../src/region/index.ts";
import { writeAtlas } from "./atlas-file.ts";
import { checkWrites, type Verdict } from "./checker.ts";
import { openFavourites } from "./favourites.ts";
import { removeFolder } from "./folder.ts";
import { regions, zones } from "./geography.ts";
import { type FromNode, machineMs, type NodeSettings, type Role } from "./messages.ts";
import { createRecording, type Recording, type RecordingOptions } from "./recording.ts";
import { Supervised } from "./supervised.ts";

export interface SupervisorOptions extends RecordingOptions {
  /** Of each region's clients. Default 150. */
  readonly callsPerSecond?: number;
  /** Clients balance over servers themselves. Default false: they call through their region's gateway. */
  readonly direct?: boolean;
  /** How a region's traffic returns to it. Default {@link hastened}. */
  readonly failBack?: FailBackOptions;
  /** Whether processes tell of everything that the framework observes. Default false. */
  readonly verbose?: boolean;
  /** Whether gateways have admin services. Default false. */
  readonly admin?: boolean;
  /** Hears of every death and return, and whatever processes want people to see. */
  readonly onEvent?: (text: string) => void;
}

/**
 * Hastened so that half a minute shows it: by default a region is held down for 5 s, ramps up for 30 s and returns
 * once a minute at most.
 */
const hastened: FailBackOptions = { holdDownMs: 1_000, rampMs: 5_000, flapWindowMs: 5_000 };

export interface Supervisor {
  readonly recording: Recording;
  readonly direct: boolean;
  readonly processes: readonly Supervised[];
  /** Where gateways' admin services listen, by the id of the process, and the file with their token. */
  readonly admins: ReadonlyMap<string, string>;
  readonly adminTokenPath: string;
  /** Starts everything; resolves when all is ready and the clients call. */
  start(): Promise<void>;
  /** SIGKILL to the gateway and the servers of a region at one instant, which is returned. */
  killRegion(region: string): number;
  /** Starts what is dead of a region; resolves when all of it is ready, with the instant at which it began. */
  restoreRegion(region: string): Promise<number>;
  /** Kills one process by its id if it lives, and starts it if it does not. */
  toggle(id: string): Promise<void>;
  /** Lets the clients end their calls; resolves when each has reported its last. */
  finish(): Promise<void>;
  /** Compares the writes that were acknowledged with what the database holds. */
  check(): Verdict;
  /** Kills everything and removes the folder. Happens by itself when this process ends. */
  close(): void;
}

export function createSupervisor(options: SupervisorOptions = {}): Supervisor {
  const { callsPerSecond = 150, direct = false, verbose = false, failBack = hastened } = options;
  const { onEvent = () => undefined } = options;
  const folder = mkdtempSync(join(tmpdir(), "meridian-main-job-"));
  const atlasPath = join(folder, "atlas");
  const databasePath = join(folder, "favourites.db");
  const recording = createRecording(options);
  const processes: Supervised[] = [];
  const admins = new Map<string, string>();
  const adminTokenPath = options.admin === true ? join(folder, "admin-token") : "";

  const heard = (from: Supervised, message: FromNode): void => {
    if (message.kind === "report") recording.add(from, message);
    else if (message.kind === "admin") admins.set(from.id, message.address);
    else if (message.kind === "event") onEvent(`${from.id} ${message.text}`);
  };
  const add = (place: Pick<NodeSettings, "role" | "region" | "zone" | "registry">): Supervised => {
    const settings = {
      ...place, atlasPath, databasePath, folder, callsPerSecond, direct, failBack, verbose, adminTokenPath,
    };
    const added = new Supervised(settings, heard);
    processes.push(added);
    return added;
  };
  const killAll = (): void => {
    // Clients first, or they would report the end of everything as failures.
    for (const role of ["client", "gateway", "server", "registry"] satisfies Role[]) {
      for (const supervised of processes) if (supervised.role === role) supervised.kill();
    }
    removeFolder(folder);
  };
  process.once("exit", killAll);
  /** The processes that make up a region. Its clients are its users and no part of it. */
  const partsOf = (region: string): Supervised[] =>
    processes.filter((supervised) => supervised.region === region && supervised.role !== "client");

  return {
    recording, direct, processes, admins, adminTokenPath,
    async start() {
      writeAtlas(atlasPath);
      // Alone, since switching a database to its write-ahead log takes the file for itself.
      openFavourites(databasePath).close();
      await startAll(add);
      for (const supervised of processes) if (supervised.role === "client") supervised.send({ kind: "begin" });
    },
    killRegion: (region) => kill(partsOf(region), region, onEvent),
    restoreRegion: (region) => restore(partsOf(region), region, onEvent),
    async toggle(id) {
      const chosen = processes.filter((supervised) => supervised.id === id);
      if (chosen.some(({ status }) => status === "up")) kill(chosen, id, onEvent);
      else await restore(chosen, id, onEvent);
    },
    finish: async () => void await Promise.all(
      processes.filter(({ role }) => role === "client").map((client) => client.finish())),
    check: () => checkWrites(databasePath, recording.writes),
    close() {
      process.off("exit", killAll);
      killAll();
    },
  };
}

type Add = (place: Pick<NodeSettings, "role" | "region" | "zone" | "registry">) => Supervised;

async function startAll(add: Add): Promise<void> {
  const registry = await add({ role: "registry", region: "", zone: "", registry: "" }).start();
  await startInOrder(regions.flatMap(({ name: region }) => [
    ...zones.map((zone) => add({ role: "server", region, zone, registry })),
    add({ role: "gateway", region, zone: "", registry }),
    add({ role: "client", region, zone: "", registry }),
  ]));
}

/** Servers, then gateways, then clients: whoever is told of a process can use it at once. */
async function startInOrder(chosen: readonly Supervised[]): Promise<void> {
  for (const role of ["server", "gateway", "client"] satisfies Role[]) {
    await Promise.all(chosen.filter((supervised) => supervised.role === role).map((supervised) => supervised.start()));
  }
}

function kill(chosen: readonly Supervised[], what: string, onEvent: (text: string) => void): number {
  const atMs = machineMs();
  for (const supervised of chosen) supervised.kill();
  onEvent(`${what} killed`);
  return atMs;
}

async function restore(
  chosen: readonly Supervised[], what: string, onEvent: (text: string) => void,
): Promise<number> {
  const atMs = machineMs();
  onEvent(`${what} is starting again`);
  await startInOrder(chosen.filter(({ status }) => status === "down"));
  onEvent(`${what} is ready`);
  return atMs;
}
