/** Counts connections by where they come from, so that one machine cannot take them all. */

export class ByAddress {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  /** Infinity counts nothing. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many are open from where `peer` is. */
  of(peer: string): number {
    return this.#most === Infinity ? 0 : this.#open.get(originOf(peer)) ?? 0;
  }

  opened(peer: string): void {
    if (this.#most === Infinity) return;
    const origin = originOf(peer);
    this.#open.set(origin, (this.#open.get(origin) ?? 0) + 1);
  }

  closed(peer: string): void {
    if (this.#most === Infinity) return;
    const origin = originOf(peer);
    const left = (this.#open.get(origin) ?? 0) - 1;
    if (left > 0) this.#open.set(origin, left);
    else this.#open.delete(origin);
  }
}

/**
 * Where an address is: its host; of IPv6 the network of 64 bits that one subscriber has (RFC 6177), whose every address
 * is his. All of a Unix socket come from one place.
 */
export function originOf(peer: string): string {
  const v6 = /^\[(.*)\]:\d+$/.exec(peer)?.[1];
  if (v6 === undefined) return peer.startsWith("unix:") ? peer : peer.replace(/:\d+$/, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(v6)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = (v6.split("%", 1)[0] as string).split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...first, ...Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => "0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
