/** A server of one zone: `geo.v1.Cities` over the atlas and the shared store, saying in each reply who served it. */
import type { Layer } from "../../src/core/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { readAtlas } from "./atlas-file.ts";
import { Cities } from "./contract.ts";
import { openFavourites } from "./favourites.ts";
import { createHandlers } from "./handlers.ts";
import type { NodeSettings } from "./messages.ts";
import { openPlace } from "./place.ts";
import { servedByTrailer } from "./trailers.ts";

/** Resolves with the bound address once the registry knows it. */
export async function startServer(settings: NodeSettings): Promise<string> {
  const { region, zone, registry, atlasPath, databasePath } = settings;
  const servedBy = `${region}/${zone}`;
  // All data is there before anybody is told that we are.
  const handlers = createHandlers(readAtlas(atlasPath), openFavourites(databasePath), servedBy);
  const { runtime, registrar } = openPlace(region, registry);
  const server = createServerOn(runtime, { region, zone, registry: registrar, stack: { servedBy: saysWho(servedBy) } });
  return await server.implement(Cities, handlers).listen();
}

function saysWho(servedBy: string): Layer {
  return (next) => (request, context) => {
    context.setTrailer(servedByTrailer, servedBy);
    return next(request, context);
  };
}
