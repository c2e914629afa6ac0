/** Commands that run until they are told to stop: SIGTERM and Ctrl-C drain, SIGHUP reads the configuration again. */
import type { Reload } from "../config/index.ts";
import type { Say } from "./log.ts";

/** Signals, heard from the beginning of a command on. */
export interface Heeding {
  /** Resolves with what asked for the end. */
  readonly stopped: Promise<string>;
  /** Set once there is something to read again. */
  hangup: (() => void) | undefined;
  close(): void;
}

/** Whether another program of ours started this one and decides when it ends (`meridian up`). */
function isSupervised(): boolean {
  return process.send !== undefined;
}

/** Begins to hear signals. A second one to stop ends the process at once. */
export function heed(): Heeding {
  const stop = Promise.withResolvers<string>();
  let signals = 0;
  const told = (signal: string): void => {
    // Ctrl-C reaches the whole group of processes: who started us decides what it means.
    if (signal === "SIGINT" && isSupervised()) return;
    if (++signals > 1) process.exit(130);
    stop.resolve(signal);
  };
  const hungUp = (): void => heeding.hangup?.();
  // Whoever started us has ended, however it ended: nobody is left behind.
  const left = (): void => stop.resolve("the end of its supervisor");
  const heeding: Heeding = {
    stopped: stop.promise, hangup: undefined,
    close() {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, told);
      process.off("SIGHUP", hungUp);
      process.off("disconnect", left);
      if (process.connected) process.disconnect();
    },
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, told);
  process.on("SIGHUP", hungUp);
  if (isSupervised()) process.on("disconnect", left);
  return heeding;
}

/** Waits for something that begins, unless it is to end before that: then undefined. */
export async function unlessStopped<T>(heeding: Heeding, beginning: Promise<T>): Promise<T | undefined> {
  return await Promise.race([beginning, heeding.stopped.then(() => undefined)]);
}

export interface Running {
  /** What it is called in lines. */
  readonly name: string;
  reload(): Promise<Reload>;
  /** Drains. */
  close(): Promise<void>;
}

/** Resolves once it was told to stop, and has drained. */
export async function untilStopped(heeding: Heeding, running: Running, say: Say): Promise<void> {
  const { name } = running;
  heeding.hangup = () => void running.reload().then((result) => sayReload(name, result, say));
  const why = await heeding.stopped;
  heeding.hangup = undefined;
  say("draining", { name, why }, `${name}: draining (${why})`);
  await running.close();
  heeding.close();
  say("ended", { name }, `${name}: ended`);
}

/** Says what became of a reload that was asked for. */
function sayReload(name: string, result: Reload, say: Say): void {
  switch (result.kind) {
    case "unchanged":
      say("reloaded", { name, changes: [] }, `${name}: the configuration is the same`);
      return;
    case "refused":
      say("refused", { name, why: result.why },
        `${name}: the configuration is refused, the last one stays\n${result.why}`);
      return;
    case "changed": {
      const { changes } = result;
      const lines = changes.map((one) => `  ${one.key}: ${one.old ?? "(nothing)"} → ${one.new ?? "(nothing)"}${
        one.needsRestart ? " (needs a restart)" : ""}`);
      say("reloaded", { name, changes }, [`${name}: reloaded`, ...lines].join("\n"));
    }
  }
}
