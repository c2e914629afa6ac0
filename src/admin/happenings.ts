/**
 * Happenings are what an observer hears, as lines for people, in a ring: bounded, and of each name only so many a
 * second.
 */
import { describeEndpoint, type Observer, type Runtime } from "../core/index.ts";
import type { Happening } from "./contract.ts";

export interface HappeningOptions {
  /** How many are kept. Default 1,000. */
  readonly maxHappenings?: number | undefined;
}

export interface Happenings {
  readonly observer: Observer;
  /** Notes something of one's own. */
  note(
    name: string, text: string, more?: Partial<Pick<Happening, "severity" | "region" | "service" | "endpoint">>,
  ): void;
  /** Those after a sequence number, oldest first; without one, the last `most`. */
  since(sequence: bigint | undefined, most: number): readonly Happening[];
  /** The number of the last one; 0 before the first. */
  readonly last: bigint;
}

/** What happens at single calls by the thousand is in figures and decisions. */
const uncounted: ReadonlySet<string> = new Set([
  "retry.attempt", "hedge.sent", "hedge.delay", "fault.injected", "fault.ended", "endpoint.judged",
  "server.connection.opened", "client.connection.opened", "audit",
]);
/** Of one name, most in a second. */
const mostPerSecond = 5;
/** Of endpoints' changes: a region that dies is many. */
const mostChangesPerSecond = 100;
const maxNames = 500;
const maxTextChars = 400;

export function createHappenings({ clock }: Pick<Runtime, "clock">, options: HappeningOptions = {}): Happenings {
  const most = options.maxHappenings ?? 1_000;
  const ring: Happening[] = [];
  let last = 0n;
  /** By name: how many in the second that began then. */
  const counts = new Map<string, { sinceMs: number; count: number }>();

  const isTooMany = (name: string): boolean => {
    const nowMs = clock.now();
    let counted = counts.get(name);
    if (counted === undefined) {
      if (counts.size >= maxNames) counts.clear();
      counts.set(name, counted = { sinceMs: nowMs, count: 0 });
    }
    if (nowMs - counted.sinceMs >= 1_000) {
      counted.sinceMs = nowMs;
      counted.count = 0;
    }
    return ++counted.count > (name === "endpoint.changed" ? mostChangesPerSecond : mostPerSecond);
  };
  const note: Happenings["note"] = (name, text, more = {}) => {
    if (isTooMany(name)) return;
    ring.push({
      sequence: ++last, atMs: clock.wallMs(), name, text: text.slice(0, maxTextChars), severity: "info", region: "",
      service: "", endpoint: "", ...more,
    });
    if (ring.length > most) ring.shift();
  };
  return {
    note,
    observer: {
      endpointChanged(endpoint, status, why) {
        const isBad = status === "ejected" || status === "suspect" ||
          (status === "connecting" && why !== "connecting");
        note("endpoint.changed", `${describeEndpoint(endpoint)} is ${status}: ${why}`, {
          severity: isBad ? "warning" : "info", region: endpoint.region, endpoint: endpoint.id,
        });
      },
      event(name, fields) {
        if (!uncounted.has(name)) note(name, textOf(name, fields), { severity: severityOf(name), ...placeOf(fields) });
      },
    },
    since: (sequence, count) => (sequence === undefined
      ? ring.slice(-count)
      : ring.filter((one) => one.sequence > sequence).slice(-count)),
    get last() {
      return last;
    },
  };
}

function severityOf(name: string): Happening["severity"] {
  if (/failed|lost|refused/.test(name)) return "error";
  return /empty|held|shed|open|skipped|stall/.test(name) ? "warning" : "info";
}

function placeOf(fields: Readonly<Record<string, unknown>>): Partial<Happening> {
  const { region, service, endpoint } = fields;
  return {
    ...(typeof region === "string" ? { region } : undefined),
    ...(typeof service === "string" ? { service } : undefined),
    ...(typeof endpoint === "string" ? { endpoint } : undefined),
  };
}

/** `region.share: eu-west takes 80 %`; of others the fields, one after the other. */
function textOf(name: string, fields: Readonly<Record<string, unknown>>): string {
  if (name === "region.share") {
    const share = Number(fields["share"]);
    const drained = fields["drained"] === true ? ", drained" : "";
    return `${String(fields["region"]) || "(no region)"} takes ${Math.round(share * 100)} % of the calls ` +
      `(health ${Math.round(Number(fields["health"]) * 100)} %, fail-back ${String(fields["failBack"])}${drained})`;
  }
  if (name === "retry.budget.empty") {
    return `no retries are left towards ${String(fields["key"]) || "(no region)"}: ${String(fields["method"])} ` +
      `failed (${String(fields["code"])}) and is not repeated`;
  }
  const parts: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined || typeof value === "function") continue;
    parts.push(`${key} ${shown(value)}`);
    if (parts.length >= 8) break;
  }
  return parts.join(", ");
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 1_000) / 1_000);
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Error) return value.message;
  try {
    return (JSON.stringify(value) ?? "").slice(0, 200);
  } catch {
    return "?";
  }
}
