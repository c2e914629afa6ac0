// What the codec benchmark encodes: the small record that the call benchmarks echo, and a user of about 1 KiB that
// holds every kind of field a real contract has.
import { z } from "zod";
import { smallRecord } from "./records.ts";

export const small = z.object({ id: z.int32(), name: z.string(), tags: z.array(z.string()) });

export const address = z.object({
  street: z.string(), city: z.string(), zip: z.string(), lat: z.number(), lon: z.number(),
});

export const order = z.object({ id: z.int32(), sku: z.string(), totalCents: z.int64(), placedAt: z.date() });

export const medium = z.object({
  id: z.int32(), name: z.string(), email: z.string(), active: z.boolean(), addresses: z.array(address),
  tags: z.array(z.string()), attributes: z.record(z.string(), z.string()), orders: z.array(order), bio: z.string(),
});

export type Small = z.infer<typeof small>;
export type Medium = z.infer<typeof medium>;

export function smallValue(id: number): Small {
  const { name, tags } = smallRecord(id);
  return { id, name, tags: [...tags] };
}

export function mediumValue(id: number): Medium {
  const sentence = "Collects maps of places that moved, keeps bees on a roof, and answers letters late but always. ";
  return {
    id,
    name: "Example Person the Third",
    email: "example.person@mail.example",
    active: true,
    addresses: ["Long Meadow Lane", "Old Harbour Street", "Upper Mill Road"].map((street, i) => ({
      street: `${221 + i} ${street}, Building ${"ABC"[i]}`, city: ["Springfield", "Westport", "Northam"][i] as string,
      zip: `${12_345 + i}-6789`, lat: 51.523767 + i, lon: -0.158555 - i,
    })),
    tags: [
      "subscriber", "newsletter", "beta-tester", "region-eu-west", "cohort-2030-01", "invoice", "vip", "early-bird",
    ],
    attributes: {
      plan: "enterprise", locale: "en-GB", currency: "EUR", theme: "dark", timezone: "Europe/London",
      source: "campaign",
    },
    orders: Array.from({ length: 4 }, (_, i) => ({
      id: 100_000 + id + i, sku: `SKU-${String(7_919 * (i + 1)).padStart(8, "0")}`,
      totalCents: BigInt(199_900 + 3_500 * i), placedAt: new Date(1_893_456_000_123 + i * 86_400_000),
    })),
    bio: (sentence + sentence + sentence).slice(0, 200),
  };
}
