/**
 * The priority of a call is a level: first by what it is for (criticality), then by whom it is for (user).
 *
 * As in WeChat's DAGOR (SoCC'18): 0 is the most important. Users are put in order by a hash that changes every hour,
 * the same on all servers: whoever is let in is let in everywhere, so that work of many calls is done wholly or not
 * at all, and nobody is always last.
 */
import type { Context, Criticality, MethodInfo, Random } from "../core/index.ts";

/** Metadata that says how critical a call is, where that is not what its method says: `critical`, `default`, … */
export const criticalityName = "meridian-criticality";
/** Metadata that says for whom a call is made: any text that stays the same for one user or tenant. */
export const userName = "meridian-user";

/** Levels of one criticality: a thousandth of the users each. */
export const userLevels = 1_024;

const ranks: Readonly<Record<Criticality, number>> = { critical: 0, default: 1, sheddable: 2 };
const byRank: readonly Criticality[] = ["critical", "default", "sheddable"];

/** All levels; also the cursor that lets everybody in. */
export const allLevels = userLevels * byRank.length;

/** 0 for critical, 1 for default, 2 for sheddable. */
export function rankOf(criticality: Criticality): number {
  return ranks[criticality];
}

/** The criticality that a level belongs to. */
export function criticalityAt(level: number): Criticality {
  return byRank[Math.floor(level / userLevels)] ?? "sheddable";
}

/**
 * How critical a call is: what its method says, or what the call says of itself if that is less. More counts only
 * where callers are trusted with it, or everybody would be critical.
 */
export function criticalityOf(context: Context, trusted = false): Criticality {
  const own = context.method.criticality;
  const said = context.metadata[criticalityName];
  if (said === undefined) return own;
  const told = byRank.indexOf(said as Criticality);
  if (told === -1 || (!trusted && told <= ranks[own])) return own;
  return byRank[told] as Criticality;
}

/**
 * What a call made on behalf of `parent` says of its priority: whom it is for, and how critical the parent is where
 * somebody said so and the method called says otherwise. Undefined where there is nothing to say. That a method is of
 * `default` criticality says nothing: it lowers no critical method that it calls.
 */
export function inherited(parent: Context, method: MethodInfo): Record<string, string> | undefined {
  const criticality = criticalityOf(parent, true);
  const isSaid = criticality !== "default" || parent.metadata[criticalityName] !== undefined;
  const passesOn = isSaid && criticality !== method.criticality;
  const user = parent.metadata[userName] ?? parent.routeKey;
  if (!passesOn && user === undefined) return undefined;
  const entries: Record<string, string> = {};
  if (passesOn) entries[criticalityName] = criticality;
  if (user !== undefined) entries[userName] = user;
  return entries;
}

export interface LevelOptions {
  /** Whom a call is for. Default: its metadata `meridian-user`, or its route key. */
  readonly user?: ((context: Context) => string | undefined) | undefined;
  /** Whether a call may also raise its criticality above its method's. Default false. */
  readonly trustsCriticality?: boolean | undefined;
}

const rehashMs = 3_600_000;

/** Makes the function that puts calls in order. Calls for nobody known are put anywhere by chance. */
export function levels(
  { clock, random }: { readonly clock: { wallMs(): number }; readonly random: Random }, options: LevelOptions = {},
): (context: Context) => number {
  const { user = userOf, trustsCriticality = false } = options;
  return (context) => {
    const whom = user(context);
    const within = whom === undefined
      ? Math.floor(random.next() * userLevels)
      : userLevel(whom, Math.floor(clock.wallMs() / rehashMs));
    return ranks[criticalityOf(context, trustsCriticality)] * userLevels + within;
  };
}

/** Where the user of a call stands now in the order of users, from 0 to below 1; undefined for nobody known. */
export function userOrder(context: Context, clock: { wallMs(): number }): number | undefined {
  const user = userOf(context);
  return user === undefined ? undefined : userLevel(user, Math.floor(clock.wallMs() / rehashMs)) / userLevels;
}

function userOf(context: Context): string | undefined {
  return context.metadata[userName] ?? context.routeKey;
}

/** Where a user stands in the given hour, 0 to 1,023: FNV-1a with the finish of MurmurHash3, for even spread. */
export function userLevel(user: string, hour: number): number {
  let hash = (0x811c9dc5 ^ hour) | 0;
  for (let i = 0; i < user.length; i++) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 22;
}
