// What happens to packets on their way: lost, late, out of order, doubled, cut off; and their checksums.

/** What becomes of packets that go one way. */
export interface Weather {
  /** Of a hundred packets so many are lost, and so many arrive twice. */
  readonly lossPercent?: number;
  readonly doublePercent?: number;
  /** How long they take, in milliseconds, and by how much more at most: those that take less overtake others. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
  /** Nothing passes. */
  readonly cut?: boolean;
}

/** When, from now, copies of a packet arrive: none where it is lost. */
export function arrivalsMs(weather: Weather, random: () => number): readonly number[] {
  const { lossPercent = 0, doublePercent = 0, delayMs = 0, jitterMs = 0, cut = false } = weather;
  if (cut || random() * 100 < lossPercent) return [];
  const lateMs = (): number => delayMs + (jitterMs === 0 ? 0 : random() * jitterMs);
  return random() * 100 < doublePercent ? [lateMs(), lateMs()] : [lateMs()];
}

/** Before the packet within a VXLAN datagram: eight bytes of its own, fourteen of Ethernet. */
const packetAt = 22;
const etherTypeAt = 20;
const [tcp, udp] = [6, 17];

/**
 * Fills in the checksum of the TCP segment or UDP datagram of IPv4 in a VXLAN datagram: the kernel leaves it to a
 * network card, which is not there. False for what is no IPv4, which nobody here needs.
 */
export function mend(datagram: Uint8Array): boolean {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  if (datagram.length < packetAt + 20 || view.getUint16(etherTypeAt) !== 0x0800) return false;
  const headerBytes = (view.getUint8(packetAt) & 15) * 4;
  const packetBytes = view.getUint16(packetAt + 2);
  const protocol = view.getUint8(packetAt + 9);
  const from = packetAt + headerBytes;
  const end = packetAt + packetBytes;
  const sumAt = from + (protocol === tcp ? 16 : 6);
  if (end > datagram.length || (protocol !== tcp && protocol !== udp) || sumAt + 2 > end) return true;
  view.setUint16(sumAt, 0);
  // The pseudo header: both addresses, the protocol and the length.
  let sum = protocol + (end - from);
  for (let at = packetAt + 12; at < packetAt + 20; at += 2) sum += view.getUint16(at);
  for (let at = from; at + 1 < end; at += 2) sum += view.getUint16(at);
  if ((end - from) % 2 === 1) sum += view.getUint8(end - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const checksum = ~sum & 0xffff;
  view.setUint16(sumAt, protocol === udp && checksum === 0 ? 0xffff : checksum);
  return true;
}
