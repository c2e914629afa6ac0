/** Events of a rehearsal: what happens when, to which region or server, and what undoes it. */
import type { Place, Refuse } from "../discovery/services.ts";
import type { ClientPlan, ServicePlan } from "./rehearsal-file.ts";
import { duration, flag, listOf, mustKnow, number, oneOf, type Reader, shape, text } from "./rehearsal-readers.ts";

/** What a rehearsal's names may be held against. */
export interface KnownNames {
  readonly regions: ReadonlyMap<string, unknown>;
  readonly services: ReadonlyMap<string, ServicePlan>;
  readonly clients: ReadonlyMap<string, ClientPlan>;
  readonly durationMs: number;
}

/** `target` is a region, `region/zone` or a server. */
export type EventAction =
  /** Programs die and their machines say so; with `isSilent` the machines are gone, and nobody is told. */
  | { readonly kind: "kill"; readonly target: string; readonly isSilent: boolean }
  /** Everything that was done to it is undone. */
  | { readonly kind: "restore"; readonly target: string }
  /** Works so many times slower. */
  | { readonly kind: "slow"; readonly target: string; readonly factor: number }
  | { readonly kind: "errors"; readonly target: string; readonly share: number; readonly isFast: boolean }
  /** Programs stand still. */
  | { readonly kind: "stall"; readonly target: string; readonly forMs: number }
  /** Takes the traffic of all clients off a region. */
  | { readonly kind: "drain"; readonly target: string }
  | { readonly kind: "partition"; readonly left: string; readonly right: string; readonly isOneWay: boolean }
  | { readonly kind: "heal"; readonly left: string; readonly right: string }
  /** What the link between two regions is like: share of lost transmissions, milliseconds added to each way. */
  | {
    readonly kind: "link"; readonly left: string; readonly right: string; readonly loss: number;
    readonly delayMs: number;
  }
  /** A client calls so many times more. */
  | { readonly kind: "surge"; readonly client: string; readonly factor: number; readonly untilMs: number }
  | { readonly kind: "registry"; readonly what: "stop" | "resume" | "empty" };

export interface EventPlan {
  readonly atMs: number;
  /** For markers and tables: `kill eu-west`. */
  readonly label: string;
  readonly action: EventAction;
}

const pair = listOf(text, "two regions", 2);

const eventShape = shape("an event", {
  at: duration(), for: duration(1),
  kill: text, blackHole: text, restore: text, slow: text, errors: text, stall: text, drain: text,
  partition: pair, heal: pair, link: pair, surge: text, registry: oneOf(["stop", "resume", "empty"] as const),
  factor: number(0, 1_000), share: number(0, 1), fast: flag, oneWay: flag, loss: number(0, 1),
  delay: duration(0, 60_000),
}, ["at"]);

type Read = ReturnType<typeof eventShape>;

const actions = [
  "kill", "blackHole", "restore", "slow", "errors", "stall", "drain", "partition", "heal", "link", "surge", "registry",
] as const;
type ActionName = (typeof actions)[number];

/** What may stand beside an action. */
const fields: Readonly<Record<ActionName, readonly (keyof Read)[]>> = {
  kill: ["for"], blackHole: ["for"], restore: [], slow: ["factor", "for"], errors: ["share", "fast", "for"],
  stall: ["for"], drain: ["for"], partition: ["oneWay", "for"], heal: [], link: ["loss", "delay", "for"],
  surge: ["factor", "for"], registry: ["for"],
};

/** Events in the order of their times; those with `for` are followed by what undoes them. */
export function readEvents(value: unknown, known: KnownNames, place: Place, refuse: Refuse): EventPlan[] {
  const one: Reader<EventPlan[]> = (event, here) => readEvent(event, known, here, refuse);
  return listOf(one, "events")(value, place, refuse).flat().sort((a, b) => a.atMs - b.atMs);
}

function readEvent(value: unknown, known: KnownNames, place: Place, refuse: Refuse): EventPlan[] {
  const read = eventShape(value, place, refuse);
  const named = actions.filter((name) => read[name] !== undefined);
  const [name] = named;
  if (name === undefined || named.length > 1) {
    return refuse(place, `an event does one of ${actions.join(", ")}; this one has ${named.join(", ") || "none"}`);
  }
  for (const key of Object.keys(read) as (keyof Read)[]) {
    if (key === "at" || key === name || fields[name].includes(key)) continue;
    const own = fields[name].join(", ") || "no more keys";
    refuse([...place, key], `${key} does not belong to ${name}, which has ${own}`, "key");
  }
  const atMs = read.at ?? 0;
  if (atMs > known.durationMs) refuse([...place, "at"], `the rehearsal ends at ${known.durationMs} ms, before this`);
  const untilMs = read.for === undefined ? Infinity : atMs + read.for;
  const action = readAction(name, read, { known, place, refuse, untilMs });
  const label = labelOf(name, read);
  const undo = untilMs < known.durationMs ? undone(name, action) : undefined;
  return [{ atMs, label, action }, ...(undo === undefined ? [] : [{ atMs: untilMs, ...undo }])];
}

interface Reading {
  readonly known: KnownNames;
  readonly place: Place;
  readonly refuse: Refuse;
  readonly untilMs: number;
}

function readAction(name: ActionName, read: Read, { known, place, refuse, untilMs }: Reading): EventAction {
  const target = (): string => mustBeTarget(String(read[name]), known, [...place, name], refuse);
  const needs = (key: keyof Read): number => (read[key] as number | undefined) ??
    refuse(place, `${name} needs ${JSON.stringify(key)}`);
  const two = (): { left: string; right: string } => {
    const [left = "", right = "", ...more] = read[name] as string[];
    if (more.length > 0) refuse([...place, name], "expected two regions");
    mustBeTarget(left, known, [...place, name, 0], refuse);
    mustBeTarget(right, known, [...place, name, 1], refuse);
    return { left, right };
  };
  switch (name) {
    case "kill": return { kind: "kill", target: target(), isSilent: false };
    case "blackHole": return { kind: "kill", target: target(), isSilent: true };
    case "restore": return { kind: "restore", target: target() };
    case "slow": return { kind: "slow", target: target(), factor: Math.max(1e-6, needs("factor")) };
    case "errors": return { kind: "errors", target: target(), share: needs("share"), isFast: read.fast ?? false };
    case "stall": return { kind: "stall", target: target(), forMs: needs("for") };
    case "drain": {
      const region = mustKnow(read.drain ?? "", known.regions.keys(), "region", [...place, "drain"], refuse);
      return { kind: "drain", target: region };
    }
    case "partition": return { kind: "partition", ...two(), isOneWay: read.oneWay ?? false };
    case "heal": return { kind: "heal", ...two() };
    case "link": return { kind: "link", ...two(), loss: read.loss ?? 0, delayMs: read.delay ?? 0 };
    case "surge": {
      const client = mustKnow(read.surge ?? "", known.clients.keys(), "client", [...place, "surge"], refuse);
      return { kind: "surge", client, factor: needs("factor"), untilMs };
    }
    case "registry": return { kind: "registry", what: read.registry ?? "stop" };
  }
}

function labelOf(name: ActionName, read: Read): string {
  const words = name === "blackHole" ? "black-hole" : name;
  const at = read[name];
  const factor = read.factor === undefined ? "" : ` ×${read.factor}`;
  return `${words} ${Array.isArray(at) ? at.join("–") : String(at)}${factor}`;
}

/** What follows an event that lasts for a time. */
function undone(name: ActionName, action: EventAction): Omit<EventPlan, "atMs"> | undefined {
  switch (action.kind) {
    case "kill": case "drain": case "slow": case "errors": {
      return { label: `restore ${action.target}`, action: { kind: "restore", target: action.target } };
    }
    case "partition": {
      const { left, right } = action;
      return { label: `heal ${left}–${right}`, action: { kind: "heal", left, right } };
    }
    case "link": {
      return { label: `link ${action.left}–${action.right} well`, action: { ...action, loss: 0, delayMs: 0 } };
    }
    case "registry": return { label: "registry resume", action: { kind: "registry", what: "resume" } };
    // A surge knows its own end, and so does a stall.
    case "surge": return { label: `end of ${name}`, action: { ...action, factor: 1 } };
    default: return undefined;
  }
}

/** A region, a zone of one, or a server as `SERVICE-REGION-NUMBER`. */
function mustBeTarget(target: string, known: KnownNames, place: Place, refuse: Refuse): string {
  const [region = "", zone] = target.split("/");
  if (zone !== undefined) {
    mustKnow(region, known.regions.keys(), "region", place, refuse);
    const { zones } = known.regions.get(region) as { readonly zones: readonly string[] };
    mustKnow(zone, zones, `zone of ${region}`, place, refuse);
    return target;
  }
  const servers = [...known.services.values()].flatMap(({ name, servers: counts }) => [...counts].flatMap(
    ([where, count]) => Array.from({ length: count }, (_, i) => `${name}-${where}-${i + 1}`)));
  if (servers.includes(target)) return target;
  return mustKnow(target, [...known.regions.keys(), ...servers.slice(0, 200)], "region or server", place, refuse);
}
