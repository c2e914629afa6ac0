/** IP addresses as text: of records, and of name servers, which must be written in one way to be compared. */

/** `192.0.2.1` of four bytes, `2001:db8::1` of sixteen, as RFC 5952 writes it. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number));
  const { start, length } = longestZeros(groups);
  if (length < 2) return groups.map(hex).join(":");
  return `${groups.slice(0, start).map(hex).join(":")}::${groups.slice(start + length).map(hex).join(":")}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

function hex(group: number): string {
  return group.toString(16);
}

/** The one way to write an address in text; undefined if it is none. A zone (`%eth0`) stays as it is. */
export function canonicalIp(text: string): string | undefined {
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) {
    return text.split(".").every((part) => Number(part) <= 255) ? text.split(".").map(Number).join(".") : undefined;
  }
  const [address = "", zone] = text.split("%");
  const bytes = v6Bytes(address);
  if (bytes === undefined || zone === "") return undefined;
  return zone === undefined ? ipText(bytes) : `${ipText(bytes)}%${zone}`;
}

function v6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return undefined;
  const [left, right] = [groupsOf(halves[0] ?? ""), groupsOf(halves[1] ?? "")];
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<number>(missing).fill(0), ...right];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  for (const part of text.split(":")) {
    if (part.includes(".")) {
      const [a = 0, b = 0, c = 0, d = 0] = canonicalIp(part)?.split(".").map(Number) ?? [-1];
      if (a < 0) return undefined;
      groups.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

const serverForm = /^(?:\[([^\]\s]+)\]|([^[\]:/\s]+)):(\d{1,5})$/;

/**
 * `10.0.0.2`, `10.0.0.2:53`, `2001:db8::53` or `[2001:db8::53]:53` as the address that datagrams of that server come
 * from; a name with a port stays a name. Undefined for anything else.
 */
export function serverAddress(text: string): string | undefined {
  const bare = canonicalIp(text);
  if (bare !== undefined) return withPort(bare, 53);
  const [, bracketed, plain, digits] = serverForm.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return undefined;
  if (plain !== undefined) return withPort(canonicalIp(plain) ?? plain, port);
  const v6 = canonicalIp(bracketed ?? "");
  return v6?.includes(":") === true ? withPort(v6, port) : undefined;
}

/** Joins a host and a port. */
export function withPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
