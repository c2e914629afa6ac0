/** The handlers of `geo.v1.Cities`: an atlas to read from and a store to write to. */
import type { Handlers } from "../../src/contract/index.ts";
import { RpcError } from "../../src/core/index.ts";
import type { Atlas } from "./atlas.ts";
import { Cities } from "./contract.ts";
import type { FavouriteStore } from "./favourites.ts";

/** Most coordinates in one `countByCountry`. */
const maxCoordinates = 100_000;

/** `servedBy` is who we are, for those who look into the store. */
export function createHandlers(atlas: Atlas, store: FavouriteStore, servedBy: string): Handlers<typeof Cities> {
  return {
    search: ({ prefix, limit }) => ({ cities: atlas.search(prefix, limit) }),

    nearest: ({ lat, lon, count }) => ({ neighbours: atlas.nearest(lat, lon, count) }),

    async *byCountry({ country }) {
      yield* atlas.inCountry(country);
    },

    async countByCountry(coordinates) {
      const counts: Record<string, number> = {};
      let total = 0;
      for await (const { lat, lon } of coordinates) {
        if (++total > maxCoordinates) {
          throw new RpcError("resource_exhausted",
            `at most ${maxCoordinates} coordinates are counted in one call; send the rest in another`);
        }
        const country = atlas.countryAt(lat, lon);
        counts[country] = (counts[country] ?? 0) + 1;
      }
      return { counts, total };
    },

    saveFavourite({ user, cityId }, { idempotencyKey }) {
      if (atlas.city(cityId) === undefined) throw Cities.methods.saveFavourite.error("CityNotFound", { cityId });
      if (idempotencyKey === undefined) {
        throw new RpcError("invalid_argument", "saveFavourite needs an idempotency key; clients make one by default");
      }
      return store.save({ key: idempotencyKey, user, cityId, servedBy });
    },

    favourites: ({ user, limit }) => ({ cityIds: store.of(user, limit) }),
  };
}
