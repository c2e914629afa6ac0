/** Where the three regions are, and how long a packet takes between them and back. */

export interface Region {
  readonly name: string;
  /** Degrees; of the place that the table below was measured from. */
  readonly lat: number;
  readonly lon: number;
}

/** Virginia, the Netherlands and Pune. */
export const regions: readonly Region[] = [
  { name: "us-east", lat: 37.37, lon: -79.82 },
  { name: "eu-west", lat: 52.37, lon: 4.9 },
  { name: "ap-south", lat: 18.58, lon: 73.92 },
];

/** Each region has one server in each of these. */
export const zones: readonly string[] = ["a", "b"];

/**
 * Round trips in milliseconds between East US, West Europe and Central India: the 95th percentile over the 30 days
 * to 2026-07-30, from Microsoft's public table "Azure network round-trip latency statistics"
 * (https://learn.microsoft.com/en-us/azure/networking/azure-network-latency).
 */
const roundTripsMs: Readonly<Record<string, number>> = {
  "us-east eu-west": 91,
  "us-east ap-south": 218,
  "eu-west ap-south": 153,
};

/** The round trip between two regions; 0 within one, where we add nothing to what loopback takes. */
export function roundTripMs(from: string, to: string): number {
  if (from === to) return 0;
  return roundTripsMs[`${from} ${to}`] ?? roundTripsMs[`${to} ${from}`] ?? 0;
}

/** The region whose users live at a coordinate: the nearest by the great circle. */
export function regionNear(lat: number, lon: number): string {
  let best = "";
  let bestCosine = -Infinity;
  for (const region of regions) {
    const cosine = cosineBetween(lat, lon, region);
    if (cosine > bestCosine) [best, bestCosine] = [region.name, cosine];
  }
  return best;
}

/** Cosine of the angle at the Earth's centre: the greater, the nearer. */
function cosineBetween(lat: number, lon: number, region: Region): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  return Math.sin(radians(lat)) * Math.sin(radians(region.lat)) +
    Math.cos(radians(lat)) * Math.cos(radians(region.lat)) * Math.cos(radians(lon - region.lon));
}
