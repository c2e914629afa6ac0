import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deserialize, serialize } from "node:v8";
import * as fc from "fast-check";
import { type Atlas, type AtlasImage, imageOf, openAtlas } from "./atlas.ts";
import { type City, foldName, loadCities } from "./cities.ts";

// Each run compares with a search of all cities: more than some hundred find nothing that those do not.
const runs = { numRuns: Math.min(500, Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 60)), seed: 20 };
const cities = loadCities();
const world = createAtlas(cities);

const latitude = fc.double({ min: -90, max: 90, noNaN: true });
const longitude = fc.double({ min: -180, max: 180, noNaN: true });

/** Through the file format, as servers have it. */
function createAtlas(of: readonly City[]): Atlas {
  return openAtlas(deserialize(serialize(imageOf(of))) as AtlasImage);
}

/** The haversine formula: another way to the same distance than the index takes. */
function haversineKm(aLat: number, aLon: number, bLat: number, bLon: number): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half = (degrees: number): number => Math.sin(radians(degrees) / 2) ** 2;
  const h = half(bLat - aLat) + Math.cos(radians(aLat)) * Math.cos(radians(bLat)) * half(bLon - aLon);
  return 2 * 6371.0088 * Math.asin(Math.min(1, Math.sqrt(h)));
}

describe("the data", () => {
  test("is the whole world, well formed", () => {
    assert.ok(cities.length > 100_000);
    assert.ok(world.countries.length > 200);
    assert.equal(new Set(cities.map((city) => city.id)).size, cities.length);
    for (const city of cities) {
      assert.ok(city.name !== "" && /^[A-Z]{2}$/.test(city.country), JSON.stringify(city));
      assert.ok(Math.abs(city.lat) <= 90 && Math.abs(city.lon) <= 180 && city.population >= 0, JSON.stringify(city));
    }
  });
});

describe("search", () => {
  test("finds a city whatever the case and the accents", () => {
    for (const [typed, name] of [["SAO PAU", "São Paulo"], ["łód", "Łódź"], ["lodz", "Łódź"], ["paris", "Paris"]]) {
      assert.equal(world.search(typed as string, 1)[0]?.name, name);
    }
    assert.deepEqual(world.search("no city is called this", 5), []);
  });

  test("gives what a scan of everything gives", () => {
    const anyPrefix = fc.tuple(fc.nat(cities.length - 1), fc.integer({ min: 1, max: 12 }))
      .map(([row, length]) => (cities[row] as City).name.slice(0, length));
    fc.assert(fc.property(anyPrefix, fc.integer({ min: 1, max: 30 }), (prefix, limit) => {
      const folded = foldName(prefix);
      const scanned = cities.filter((city) => foldName(city.name).startsWith(folded))
        .sort((a, b) => b.population - a.population || a.id - b.id).slice(0, limit);
      assert.deepEqual(world.search(prefix, limit), scanned);
    }), { ...runs, numRuns: Math.min(runs.numRuns, 30) });
  });
});

describe("nearest", () => {
  test("is exact anywhere on the globe", () => {
    fc.assert(fc.property(latitude, longitude, fc.integer({ min: 1, max: 20 }), (lat, lon, count) => {
      const scanned = cities.map((city) => haversineKm(lat, lon, city.lat, city.lon)).sort((a, b) => a - b);
      const found = world.nearest(lat, lon, count);
      assert.equal(found.length, count);
      found.forEach(({ city, distanceKm }, i) => {
        assert.ok(Math.abs(distanceKm - (scanned[i] as number)) < 1e-3, `${i}: ${distanceKm} and ${scanned[i]}`);
        assert.ok(Math.abs(distanceKm - haversineKm(lat, lon, city.lat, city.lon)) < 1e-3);
      });
      assert.equal(new Set(found.map(({ city }) => city.id)).size, count);
    }), runs);
  });

  test("of cities in one place, names the smaller identifiers first, and knows the date line and the poles", () => {
    const at = (id: number, lat: number, lon: number): City =>
      ({ id, name: `c${id}`, country: "XX", lat, lon, population: 1 });
    const same = createAtlas([7, 3, 9, 1, 5].map((id) => at(id, 10, 10)));
    assert.deepEqual(same.nearest(10, 10, 3).map(({ city }) => city.id), [1, 3, 5]);
    const edges = createAtlas([at(1, 0, 179.9), at(2, 0, -179), at(3, 89.9, 0), at(4, 89.8, 180)]);
    assert.deepEqual(edges.nearest(0, -179.9, 2).map(({ city }) => city.id), [1, 2]);
    assert.deepEqual(edges.nearest(89.9, 180, 2).map(({ city }) => city.id), [4, 3]);
    assert.equal(edges.nearest(0, 0, 100).length, 4);
    assert.deepEqual(createAtlas([]).nearest(0, 0, 3), []);
  });

  test("tells the country of a coordinate", () => {
    assert.equal(world.countryAt(48.8566, 2.3522), "FR");
    assert.equal(world.countryAt(19.076, 72.8777), "IN");
    assert.equal(createAtlas([]).countryAt(0, 0), "");
  });
});

test("countries part the world, the most populous city first", () => {
  let total = 0;
  for (const country of world.countries) {
    const group = [...world.inCountry(country)];
    assert.equal(world.countOf(country), group.length);
    total += group.length;
    for (const [i, city] of group.entries()) {
      assert.equal(city.country, country);
      assert.ok(i === 0 || (group[i - 1] as City).population >= city.population);
    }
  }
  assert.equal(total, cities.length);
  assert.deepEqual([...world.inCountry("XX")], []);
  assert.equal(world.countOf("XX"), 0);
  assert.deepEqual(world.cities(), cities.toSorted((a, b) => a.id - b.id));
  assert.equal(world.city(2988507)?.name, "Paris");
  assert.equal(world.city(-1), undefined);
});
