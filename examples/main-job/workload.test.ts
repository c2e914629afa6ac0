import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Handlers } from "../../src/contract/index.ts";
import { Context, RpcError } from "../../src/core/index.ts";
import { type Acknowledged, checkWrites } from "./checker.ts";
import { imageOf, openAtlas } from "./atlas.ts";
import { loadCities } from "./cities.ts";
import { Cities } from "./contract.ts";
import { openFavourites } from "./favourites.ts";
import { regionNear, regions, roundTripMs } from "./geography.ts";
import { createHandlers } from "./handlers.ts";
import { type CitiesClient, createWorkload, WrongAnswer } from "./workload.ts";

const folder = mkdtempSync(join(tmpdir(), "workload-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const cities = loadCities();
const atlas = openAtlas(imageOf(cities));
let keys = 0;

/** A client that is nothing but the handlers, with an idempotency key for each call. */
function directly(handlers: Handlers<typeof Cities>): CitiesClient {
  const context = (name: keyof CitiesClient): Context =>
    new Context(Cities.methods[name], 0, Infinity, { idempotencyKey: `key-${keys++}` });
  return {
    search: async (input) => handlers.search(input, context("search")),
    nearest: async (input) => handlers.nearest(input, context("nearest")),
    byCountry: (input) => handlers.byCountry(input, context("byCountry")),
    countByCountry: async (inputs) =>
      handlers.countByCountry((async function* () { yield* inputs; })(), context("countByCountry")),
    saveFavourite: async (input) => handlers.saveFavourite(input, context("saveFavourite")),
    favourites: async (input) => handlers.favourites(input, context("favourites")),
  };
}

describe("the workload", () => {
  test("calls every method, and right handlers answer all of it rightly", async () => {
    const path = join(folder, "right.db");
    const store = openFavourites(path);
    const client = directly(createHandlers(atlas, store, "test"));
    const log: Acknowledged[] = [];
    const methods = new Map<string, number>();
    for (const { name } of regions) {
      const next = createWorkload(cities, { region: name, seed: 1, onAcknowledged: (write) => log.push(write) });
      for (let i = 0; i < 1_500; i++) {
        const { method, run } = next();
        methods.set(method, (methods.get(method) ?? 0) + 1);
        await run(client, {});
      }
    }
    assert.deepEqual([...methods.keys()].sort(), Object.keys(Cities.methods).sort());
    assert.equal(log.length, methods.get("saveFavourite"));
    assert.equal(new Set(log.map(({ user, cityId }) => `${user} ${cityId}`)).size, log.length, "no pair comes twice");
    store.close();
    assert.deepEqual(checkWrites(path, log), { acknowledged: log.length, lost: 0, doubled: 0, unacknowledged: 0 });
  });

  test("sees through wrong answers", async () => {
    const store = openFavourites(join(folder, "wrong.db"));
    const right = createHandlers(atlas, store, "test");
    const anywhere = atlas.search("Reykjavik", 1);
    const wrong = directly({
      ...right,
      search: () => ({ cities: anywhere }),
      nearest: () => ({ neighbours: anywhere.map((city) => ({ city, distanceKm: 4_000 })) }),
      async *byCountry({ country }) { yield* [...atlas.inCountry(country)].slice(1); },
      countByCountry: () => ({ counts: { IS: 3 }, total: 20 }),
    });
    const next = createWorkload(cities, { region: "eu-west", seed: 2, onAcknowledged: () => undefined });
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const { method, run } = next();
      if (method === "saveFavourite" || method === "favourites") continue;
      await assert.rejects(() => run(wrong, {}), WrongAnswer, method);
      seen.add(method);
    }
    assert.equal(seen.size, 4);
    store.close();
  });

  test("stops writing at its limit", () => {
    const options = { region: "us-east", seed: 3, onAcknowledged: () => undefined, maxWrites: 0 };
    const next = createWorkload(cities, options);
    const handled: string[] = [];
    const recording = { favourites: async () => { handled.push("favourites"); return { cityIds: [] }; } };
    const plans = Array.from({ length: 200 }, next).filter(({ method }) => method === "saveFavourite");
    for (const { run } of plans) void run(recording as unknown as CitiesClient, {});
    assert.ok(plans.length > 0);
    assert.equal(handled.length, plans.length);
  });
});

describe("the handlers", () => {
  test("refuse a city that is not there with the declared error", () => {
    const store = openFavourites(join(folder, "refused.db"));
    const handlers = createHandlers(atlas, store, "test");
    const context = new Context(Cities.methods.saveFavourite, 0, Infinity, { idempotencyKey: "k" });
    assert.throws(() => handlers.saveFavourite({ user: "u", cityId: -5 }, context),
      (error) => RpcError.is(error) && error.reason === "CityNotFound" && error.code === "not_found");
    const keyless = new Context(Cities.methods.saveFavourite, 0);
    assert.throws(() => handlers.saveFavourite({ user: "u", cityId: 2988507 }, keyless),
      (error) => RpcError.is(error) && error.code === "invalid_argument");
    store.close();
  });
});

test("geography is symmetrical and puts people where they live", () => {
  for (const from of regions) {
    assert.equal(roundTripMs(from.name, from.name), 0);
    for (const to of regions) {
      assert.equal(roundTripMs(from.name, to.name), roundTripMs(to.name, from.name));
      if (from !== to) assert.ok(roundTripMs(from.name, to.name) > 50);
    }
  }
  const home = (name: string): string => {
    const city = atlas.search(name, 1)[0];
    return city === undefined ? "" : regionNear(city.lat, city.lon);
  };
  assert.deepEqual(["Chicago", "Nairobi", "Paris", "Tokyo", "Sao Paulo"].map(home),
    ["us-east", "ap-south", "eu-west", "ap-south", "us-east"]);
});
