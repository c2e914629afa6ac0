/** The live run: draws the view a few times a second and turns keys into deaths and returns, until told to stop. */
import type { Verdict } from "./checker.ts";
import { regions, zones } from "./geography.ts";
import { machineMs } from "./messages.ts";
import type { Supervisor } from "./supervisor.ts";
import { draw, drawLine, type RegionView, trafficAt, type View } from "./view.ts";

/** Keys of each region's gateway and servers, by column of the keyboard. */
const processKeys: readonly (readonly string[])[] = [["z", "a", "s"], ["x", "d", "f"], ["c", "g", "h"]];
const drawIntervalMs = 250;
const lineIntervalMs = 1_000;
/** How often the database is compared with what clients were told. */
const checkIntervalMs = 5_000;
const maxEvents = 100;
const enterScreen = "\u001b[?1049h\u001b[?25l";
const leaveScreen = "\u001b[?25h\u001b[?1049l";

export interface Live {
  /** A death, a return, or what a process wants people to see. */
  readonly event: (text: string) => void;
  /** Resolves when the user wants to end. */
  readonly ended: Promise<void>;
  /** Gives the terminal back. */
  close(): void;
}

/** Begins to draw on standard output: a picture on a terminal, a line a second elsewhere. */
export function openLive(supervisor: Supervisor): Live {
  const { stdin, stdout } = process;
  const picture = stdout.isTTY && stdin.isTTY;
  const startedMs = machineMs();
  const events: string[] = [];
  let verdict: Verdict | undefined;
  const event = (text: string): void => {
    events.push(`${new Date().toTimeString().slice(0, 8)} ${text}`);
    if (events.length > maxEvents) events.shift();
    if (!picture) stdout.write(`${text}\n`);
  };
  const view = (): View => viewOf(supervisor, { elapsedMs: machineMs() - startedMs, events, verdict });
  const show = (): void => {
    if (!picture) return void stdout.write(`${drawLine(view())}\n`);
    const colour = process.env["NO_COLOR"] === undefined;
    const lines = draw(view(), { columns: stdout.columns, rows: stdout.rows, colour });
    stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`);
  };
  const ended = Promise.withResolvers<void>();
  const press = (keys: Buffer): void => {
    for (const key of keys.toString("utf8")) {
      if (key === "q" || key === "\u0003") ended.resolve();
      else act(supervisor, key).catch((error: unknown) => event(String(error)));
    }
  };
  const timers = [
    setInterval(show, picture ? drawIntervalMs : lineIntervalMs),
    setInterval(() => { verdict = supervisor.check(); }, checkIntervalMs),
  ];
  if (picture) {
    stdout.write(enterScreen);
    stdin.setRawMode(true).on("data", press).resume();
    stdout.on("resize", show);
  }
  const close = (): void => {
    process.off("exit", close);
    timers.forEach(clearInterval);
    if (!picture) return;
    stdout.off("resize", show);
    stdin.off("data", press).setRawMode(false).pause();
    stdout.write(leaveScreen);
  };
  // Whatever ends the process, the terminal must be usable afterwards.
  process.once("exit", close);
  return { event, ended: ended.promise, close };
}

function viewOf(supervisor: Supervisor, rest: Pick<View, "elapsedMs" | "events" | "verdict">): View {
  const { recording, direct, processes } = supervisor;
  const traffic = trafficAt(recording.calls, machineMs());
  return {
    ...rest, direct, totals: recording.totals, flows: traffic.flows,
    regions: traffic.regions.map((region, i): RegionView => ({
      ...region,
      key: `${i + 1}`,
      processes: idsOf(region.name).map((id, j) => ({
        id, key: processKeys[i]?.[j] ?? "", label: id.slice(region.name.length + 1),
        status: processes.find((supervised) => supervised.id === id)?.status ?? "down",
      })),
    })),
  };
}

function idsOf(region: string): string[] {
  return [`${region}/gateway`, ...zones.map((zone) => `${region}/${zone}`)];
}

/** A digit is a region: killed if anything of it lives, else restored. A letter is one process. */
async function act(supervisor: Supervisor, key: string): Promise<void> {
  const region = regions[Number(key) - 1]?.name;
  if (region !== undefined) {
    const ids = idsOf(region);
    const alive = supervisor.processes.some(({ id, status }) => ids.includes(id) && status !== "down");
    if (alive) supervisor.killRegion(region);
    else await supervisor.restoreRegion(region);
    return;
  }
  for (const [i, keys] of processKeys.entries()) {
    const id = idsOf(regions[i]?.name ?? "")[keys.indexOf(key)];
    if (id !== undefined) await supervisor.toggle(id);
  }
}
