// One of several processes that save favourites into the same file, for the tests of the store.
//
//   node favourites.contender.ts FILE NAME KEY...   saves each key and prints `KEY ID replayed|written`
import { writeSync } from "node:fs";
import { openFavourites } from "./favourites.ts";

const [path = "", servedBy = "", ...keys] = process.argv.slice(2);
const store = openFavourites(path, { busyTimeoutMs: 5_000 });
for (const key of keys) {
  const { favouriteId, replayed } = store.save({ key, user: `user-${key}`, cityId: key.length, servedBy });
  // Synchronously, so that what was printed is what was acknowledged, also when this process is killed here.
  writeSync(1, `${key} ${favouriteId} ${replayed ? "replayed" : "written"}\n`);
}
