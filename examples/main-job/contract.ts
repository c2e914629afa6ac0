/** The contract of the main job, `geo.v1.Cities`: one method of each kind that a real service has. */
import { z } from "zod";
import { rpc, service } from "../../src/contract/index.ts";

const latitude = z.number().min(-90).max(90);
const longitude = z.number().min(-180).max(180);
const countryCode = z.string().regex(/^[A-Z]{2}$/);
const userName = z.string().min(1).max(64);

const City = z.object({
  id: z.int32(),
  name: z.string(),
  country: countryCode,
  lat: latitude,
  lon: longitude,
  population: z.int32(),
}).meta({ id: "City" });

export const Cities = service("geo.v1.Cities", {
  /** Cities whose name begins with `prefix`, the most populous first. */
  search: rpc({
    input: z.object({ prefix: z.string().min(1).max(64), limit: z.int32().min(1).max(100) }),
    output: z.object({ cities: z.array(City) }),
    safe: true,
    timeoutMs: 2_000,
  }),

  /** The cities nearest to a coordinate, nearest first. */
  nearest: rpc({
    input: z.object({ lat: latitude, lon: longitude, count: z.int32().min(1).max(100) }),
    output: z.object({ neighbours: z.array(z.object({ city: City, distanceKm: z.number() })) }),
    safe: true,
    timeoutMs: 2_000,
  }),

  /** Every city of a country, the most populous first. */
  byCountry: rpc({
    kind: "server_stream",
    input: z.object({ country: countryCode }),
    output: City,
    safe: true,
    timeoutMs: 5_000,
  }),

  /** Counts a stream of coordinates by the country each lies in. */
  countByCountry: rpc({
    kind: "client_stream",
    input: z.object({ lat: latitude, lon: longitude }),
    output: z.object({ counts: z.record(z.string(), z.int32()), total: z.int32() }),
    safe: true,
    timeoutMs: 5_000,
  }),

  /** Saves a favourite exactly once per idempotency key, however often and wherever the call is repeated. */
  saveFavourite: rpc({
    input: z.object({ user: userName, cityId: z.int32() }),
    output: z.object({ favouriteId: z.int32(), replayed: z.boolean() }),
    errors: { CityNotFound: { code: "not_found", data: z.object({ cityId: z.int32() }) } },
    idempotent: "keyed",
    routeKey: ({ user }) => user,
    timeoutMs: 2_000,
  }),

  /** A user's favourites, the latest first. */
  favourites: rpc({
    input: z.object({ user: userName, limit: z.int32().min(1).max(100) }),
    output: z.object({ cityIds: z.array(z.int32()) }),
    safe: true,
    routeKey: ({ user }) => user,
    timeoutMs: 2_000,
  }),
});
