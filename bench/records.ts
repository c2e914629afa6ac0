// The two messages that every system echoes: S, small, about 60 bytes; M, a nested user, about 1 KiB.

/** `S` is about 60 bytes on a binary wire, `M` about 1 KiB. */
export type Shape = "S" | "M";

export interface SmallRecord {
  readonly id: number;
  /** 16 characters. */
  readonly name: string;
  /** 3 of them. */
  readonly tags: readonly string[];
}

export interface UserRecord {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  readonly score: number;
  readonly createdAtMs: number;
  readonly bio: string;
  readonly address: AddressRecord;
  readonly tags: readonly string[];
  readonly orders: readonly OrderRecord[];
}

export interface AddressRecord {
  readonly street: string;
  readonly city: string;
  readonly postcode: string;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

export interface OrderRecord {
  readonly id: number;
  readonly sku: string;
  readonly quantity: number;
  readonly priceCents: number;
  readonly note: string;
}

export type EchoRecord = SmallRecord | UserRecord;

/** How many different records a client cycles through: enough that a reply that was mixed up shows. */
const variety = 256;

/** Records of one shape that differ in their ids. */
export function recordsOf(shape: Shape): readonly EchoRecord[] {
  return Array.from({ length: variety }, (_, i) => shape === "S" ? smallRecord(i + 1) : userRecord(i + 1));
}

export function smallRecord(id: number): SmallRecord {
  return { id, name: "sixteen-letters-", tags: ["alpha", "bravo-7", "charlie-2030"] };
}

export function userRecord(id: number): UserRecord {
  return {
    id,
    name: "Example Person the Third",
    email: "example.person@mail.example",
    active: true,
    score: 1234.5678,
    createdAtMs: 1_893_456_000_123,
    bio: "Collects maps of places that moved, keeps bees on a roof, and answers letters late but always. ".repeat(2),
    address: {
      street: "221 Long Meadow Lane, Building C", city: "Springfield", postcode: "12345-6789", country: "XX",
      latitude: 51.523767, longitude: -0.158555,
    },
    tags: ["subscriber", "newsletter", "beta-tester", "region-eu-west", "cohort-2030-01", "invoice-by-mail"],
    orders: Array.from({ length: 8 }, (_, i) => ({
      id: 100_000 * id + i,
      sku: `SKU-${String(7_919 * (i + 1)).padStart(8, "0")}`,
      quantity: i + 1,
      priceCents: 1_999 + 350 * i,
      note: "leave it at the door if nobody answers",
    })),
  };
}

/** Whether `reply` holds the same data as `sent`, whatever its prototype and the `$` fields that a library adds. */
export function sameRecord(reply: unknown, sent: unknown): boolean {
  if (typeof sent !== "object" || sent === null) return reply === sent;
  if (typeof reply !== "object" || reply === null) return false;
  if (Array.isArray(sent) && (!Array.isArray(reply) || reply.length !== sent.length)) return false;
  const keys = Object.keys(sent);
  return keys.length === Object.keys(reply).filter((key) => !key.startsWith("$")).length && keys.every((key) =>
    sameRecord((reply as Record<string, unknown>)[key], (sent as Record<string, unknown>)[key]));
}
