/** @connectrpc/connect-node as a peer, with messages of protobuf-es. */
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createFileRegistry, type DescMessage, fromBinary, type Registry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type HandlerContext, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  cities, counted, found, hurryMs, type Kinds, namesOf, type Said, serviceName as service, slowMs,
} from "./cities.ts";
import type { Running } from "./programs.ts";

const infoName = "google.rpc.ErrorInfo";
const missingName = "geo.v1.CitiesSaveFavouriteCityNotFound";

export function registryOf(descriptors: string): Registry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
}

function descriptorOf(registry: Registry, name: string): DescMessage {
  const message = registry.getMessage(name);
  if (message === undefined) throw new Error(`the descriptors lack ${name}`);
  return message;
}

function serviceOf(registry: Registry) {
  const found = registry.getService(service);
  if (found === undefined) throw new Error(`the descriptors lack ${service}`);
  return found;
}

interface CallOptions {
  readonly onHeader?: (header: Headers) => void;
  readonly timeoutMs?: number;
}

/** The client's methods: it finds their types at run time. */
interface CitiesClient {
  search(request: object, options?: CallOptions): Promise<{ cities: { name: string }[] }>;
  byCountry(request: object): AsyncIterable<{ name: string }>;
  countByCountry(request: AsyncIterable<object>): Promise<Pick<Said, "counts" | "total">>;
  saveFavourite(request: object): Promise<{ favouriteId: number }>;
}

/** Makes the calls with connect-node, over whatever transport. */
export async function connectClient(registry: Registry, transport: Transport, kinds?: "all"): Promise<Said>;
export async function connectClient(
  registry: Registry, transport: Transport, kinds: Kinds,
): Promise<Partial<Said>>;
export async function connectClient(
  registry: Registry, transport: Transport, kinds: Kinds = "all",
): Promise<Partial<Said>> {
  const client = createClient(serviceOf(registry), transport) as unknown as CitiesClient;
  let servedBy: string | undefined;
  const { cities: three } = await client.search({ prefix: "b", limit: 3 }, {
    onHeader: (header) => {
      servedBy = header.get("x-served-by") ?? undefined;
    },
  });
  const streamed = kinds === "all" ? await inStreams(client) : {};
  const { favouriteId } = await client.saveFavourite({ user: "ada", cityId: 3 });
  const failure = (call: Promise<unknown>): Promise<ConnectError> =>
    call.then(() => Promise.reject(new Error("the call should have failed")), ConnectError.from);
  const missing = await failure(client.saveFavourite({ user: "ada", cityId: 99 }));
  const [info] = missing.findDetails(descriptorOf(registry, infoName)) as unknown as { reason: string }[];
  const [data] = missing.findDetails(descriptorOf(registry, missingName)) as unknown as { cityId: number }[];
  const slow = await failure(client.search({ prefix: "slow", limit: 1 }, { timeoutMs: hurryMs }));
  return {
    search: namesOf(three), servedBy, ...streamed, favouriteId,
    error: { code: missing.code, message: missing.rawMessage, reason: info?.reason, cityId: data?.cityId },
    slow: slow.code,
  };
}

async function inStreams(client: CitiesClient): Promise<Pick<Said, "byCountry" | "counts" | "total">> {
  const byCountry: { name: string }[] = [];
  for await (const city of client.byCountry({ country: "DE" })) byCountry.push(city);
  const { counts, total } = await client.countByCountry((async function* () {
    for (const { lat, lon } of cities) yield { lat, lon };
  })());
  return { byCountry: namesOf(byCountry), counts, total };
}

/** Serves gRPC, gRPC-Web and Connect with connect-node, over the given version of HTTP. */
export async function connectServer(registry: Registry, version: 1 | 2): Promise<Running> {
  const handlers = {
    async search({ prefix, limit }: { prefix: string; limit: number }, context: HandlerContext) {
      const { signal } = context;
      // Ended by the deadline, it ends with what it was ended for.
      if (prefix === "slow") await sleep(slowMs, undefined, { signal }).catch(() => Promise.reject(signal.reason));
      context.responseHeader.set("x-served-by", "connect-node");
      return { cities: found(prefix, limit) };
    },
    async *byCountry({ country }: { country: string }) {
      yield* cities.filter((city) => city.country === country);
    },
    async countByCountry(places: AsyncIterable<{ lat: number; lon: number }>) {
      const all: { lat: number; lon: number }[] = [];
      for await (const place of places) all.push(place);
      return counted(all);
    },
    async saveFavourite({ cityId }: { cityId: number }) {
      if (cities.some(({ id }) => id === cityId)) return { favouriteId: 100 + cityId };
      // The message alone, without the name of the error: all that whoever has no more than the .proto would send.
      throw new ConnectError(`no city ${cityId}`, Code.NotFound, undefined, [
        { desc: descriptorOf(registry, missingName), value: { cityId } },
      ]);
    },
  };
  const handle = connectNodeAdapter({
    routes: (router) => void router.service(serviceOf(registry), handlers as never),
  });
  const server = version === 1 ? createHttpServer(handle) : createHttp2Server(handle);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return { port, stop: () => closed(server) };
}

function closed(server: ReturnType<typeof createHttpServer> | Http2Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
}

