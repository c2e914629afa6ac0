/** The Topology knows how far apart hosts are, and which of them cannot reach each other at present. */

/** Where a host stands. */
export interface Place {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
}

/** What a link does to what crosses it, in one direction. */
export interface LinkOptions {
  /** Time from one end to the other, in milliseconds. */
  readonly latencyMs?: number;
  /** Mean of what is added to it at random (exponentially distributed, at most ten times as much). */
  readonly jitterMs?: number;
  /** Bandwidth in bytes a millisecond, shared by all streams between the two hosts. Default unlimited. */
  readonly bytesPerMs?: number;
  /** Share of transmissions that are lost, 0 to 1; each costs a retransmission. */
  readonly lossRate?: number;
}

/** Options of something between two sides. */
export interface DirectionOptions {
  /** Only from the left to the right. Default both ways. */
  readonly isOneWay?: boolean;
}

/**
 * Names one or several sets of hosts: a host, a region, `region/zone`, or `"*"` for every host that the
 * other side does not name.
 */
export type Selector = string | readonly string[];

/** A link as one direction between two hosts uses it. */
export interface Link {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
  readonly lossRate: number;
  /** Until when what was sent before occupies the link. */
  busyUntilMs: number;
}

interface Rule {
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly isOneWay: boolean;
}

export interface Topology {
  /** Counts the changes: what `link` and `isCut` returned is good until it changes. */
  readonly version: number;
  link(from: Place, to: Place): Link;
  isCut(from: Place, to: Place): boolean;
  /** Later rules win, option by option. */
  setLink(left: Selector, right: Selector, options: LinkOptions & DirectionOptions): void;
  cut(left: Selector, right: Selector, options: DirectionOptions): void;
  /** Takes back the cuts between these two, in either order, or all of them. */
  heal(left?: Selector, right?: Selector): void;
}

export function createTopology(defaults: LinkOptions): Topology {
  const linkRules: (Rule & { readonly options: LinkOptions })[] = [];
  let cuts: Rule[] = [];
  const links = new Map<string, Link>();
  let version = 0;

  function resolve(from: Place, to: Place): Link {
    const options: LinkOptions = Object.assign(
      { latencyMs: 0.1, jitterMs: 0, bytesPerMs: Infinity, lossRate: 0 }, defaults,
      ...linkRules.filter((rule) => applies(rule, from, to)).map((rule) => rule.options),
    );
    return { ...(options as Required<LinkOptions>), busyUntilMs: 0 };
  }

  return {
    get version() {
      return version;
    },
    link(from, to) {
      const key = `${from.name}>${to.name}`;
      let link = links.get(key);
      if (link === undefined) links.set(key, link = resolve(from, to));
      return link;
    },
    isCut: (from, to) => cuts.some((rule) => applies(rule, from, to)),
    setLink(left, right, { isOneWay = false, ...options }) {
      linkRules.push({ left: names(left), right: names(right), isOneWay, options });
      links.clear();
      version++;
    },
    cut(left, right, { isOneWay = false }) {
      cuts.push({ left: names(left), right: names(right), isOneWay });
      version++;
    },
    heal(left, right) {
      if (left === undefined || right === undefined) cuts = [];
      else cuts = cuts.filter((rule) => !isBetween(rule, names(left), names(right)));
      version++;
    },
  };
}

function applies(rule: Rule, from: Place, to: Place): boolean {
  if (joins(rule.left, rule.right, from, to)) return true;
  return !rule.isOneWay && joins(rule.left, rule.right, to, from);
}

function joins(left: readonly string[], right: readonly string[], a: Place, b: Place): boolean {
  return holds(left, a, right) && holds(right, b, left);
}

function holds(side: readonly string[], place: Place, otherSide: readonly string[]): boolean {
  return side.some((name) => (name === "*" ? !otherSide.some((other) => isAt(other, place)) : isAt(name, place)));
}

function isAt(name: string, place: Place): boolean {
  return name === place.name || name === place.region || name === `${place.region}/${place.zone}`;
}

function isBetween(rule: Rule, a: readonly string[], b: readonly string[]): boolean {
  const same = (x: readonly string[], y: readonly string[]) => x.length === y.length && x.every((n) => y.includes(n));
  return (same(rule.left, a) && same(rule.right, b)) || (same(rule.left, b) && same(rule.right, a));
}

function names(selector: Selector): readonly string[] {
  return typeof selector === "string" ? [selector] : selector;
}
