/** What commands that run on write: what happened on standard error, what they were asked for on standard output. */
import type { Observer } from "../core/observer.ts";
import type { Config } from "../config/index.ts";
import { logObserver } from "../telemetry/index.ts";

type LogSettings = NonNullable<NonNullable<Config["telemetry"]>["log"]>;
type Level = NonNullable<LogSettings["level"]>;

const ranks: Readonly<Record<Level, number>> = { debug: 0, info: 1, warning: 2, error: 3, none: 4 };

/** Events that happen all the time, and are nobody's news. */
const usual = /^(?:region\.share|hedge\.|discovery\.snapshot|retry\.attempt|throttle\.|server\.connection\.|limit\.)/;
const bad = /\.(?:failed|refused|lost|expired|forgotten|empty|machine)$|^tls\.reload/;

/** How grave an event is. */
export function levelOf(event: string): Level {
  return bad.test(event) ? "warning" : usual.test(event) ? "debug" : "info";
}

/** An observer that writes lines of JSON, as many as `settings` says at the time. */
export function eventLog(settings: () => LogSettings | undefined): Observer {
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  const wallMs = (): number => Date.now();
  const made = new Map<string, Observer>();
  const now = (): Observer => {
    const { calls = "failed", slowMs = Infinity } = settings() ?? {};
    const key = `${calls} ${slowMs}`;
    let observer = made.get(key);
    if (observer === undefined) {
      if (made.size > 16) made.clear();
      made.set(key, observer = logObserver(write, { wallMs, calls, attempts: "none", slowMs }));
    }
    return observer;
  };
  const takes = (level: Level): boolean => ranks[level] >= ranks[settings()?.level ?? "info"];
  return {
    callEnded: (context, latencyMs, error) => {
      if (takes("info")) now().callEnded?.(context, latencyMs, error);
    },
    handled: (context, latencyMs, error) => {
      if (takes("info")) now().handled?.(context, latencyMs, error);
    },
    endpointChanged: (endpoint, status, why) => {
      if (takes(status === "suspect" || status === "ejected" ? "warning" : "debug")) {
        now().endpointChanged?.(endpoint, status, why);
      }
    },
    event: (name, fields) => {
      if (takes(levelOf(name))) now().event?.(name, fields);
    },
  };
}

/** Says what a command was asked for: a line for people, or one JSON object. */
export type Say = (event: string, fields: Readonly<Record<string, unknown>>, text: string) => void;

/** With `json`, nothing else goes to standard output: what modules print goes to the other. */
export function sayer(json: boolean): Say {
  if (json) globalThis.console = new console.Console(process.stderr);
  return (event, fields, text) =>
    void process.stdout.write(json ? `${JSON.stringify({ event, ...fields })}\n` : `${text}\n`);
}
