/** @grpc/grpc-js as a peer, with messages of protobufjs. */
import { readFileSync } from "node:fs";
import {
  Client, credentials, Metadata, type MethodDefinition, type sendUnaryData, Server, ServerCredentials,
  type ServerReadableStream, type ServerUnaryCall, type ServerWritableStream, type ServiceError, status,
} from "@grpc/grpc-js";
import protobuf from "protobufjs";
import {
  cities, counted, found, hurryMs, type Kinds, namesOf, type Said, serviceName as service, slowMs,
} from "./cities.ts";
import type { Running } from "./programs.ts";

/** Messages that are known at run time alone. */
type Message = Record<string, never>;

/** Input and output by the method's name in .proto. */
const shapes: Record<string, { readonly output: string; readonly streams?: "request" | "response" }> = {
  Search: { output: "CitiesSearchOutput" },
  ByCountry: { output: "City", streams: "response" },
  CountByCountry: { output: "CitiesCountByCountryOutput", streams: "request" },
  SaveFavourite: { output: "CitiesSaveFavouriteOutput" },
};

/** The messages that protobufjs makes of the exported file, and of the error beside it. */
class Schema {
  readonly #root: protobuf.Root;

  constructor(directory: string) {
    const error = readFileSync(new URL("error.proto", import.meta.url), "utf8");
    this.#root = protobuf.parse(readFileSync(`${directory}/cities.proto`, "utf8")).root;
    protobuf.parse(error, this.#root);
    this.#root.addJSON(protobuf.common.get("google/protobuf/any.proto")?.nested ?? {});
  }

  encode(name: string, value: object): Buffer {
    const type = this.#root.lookupType(name);
    return Buffer.from(type.encode(type.fromObject(value)).finish());
  }

  decode(name: string, bytes: Uint8Array): Message {
    const type = this.#root.lookupType(name);
    return type.toObject(type.decode(bytes), { defaults: true, bytes: Buffer }) as Message;
  }

  method(name: string): MethodDefinition<object, Message> {
    const { output = "", streams } = shapes[name] ?? {};
    const coder = (message: string) => ({
      serialize: (value: object) => this.encode(`geo.v1.${message}`, value),
      deserialize: (bytes: Buffer) => this.decode(`geo.v1.${message}`, bytes),
    });
    const [request, response] = [coder(`Cities${name}Input`), coder(output)];
    return {
      path: `/${service}/${name}`, requestStream: streams === "request", responseStream: streams === "response",
      requestSerialize: request.serialize, requestDeserialize: request.deserialize,
      responseSerialize: response.serialize, responseDeserialize: response.deserialize,
    };
  }
}

const infoName = "google.rpc.ErrorInfo";
const missingName = "geo.v1.CitiesSaveFavouriteCityNotFound";
const none = Buffer.alloc(0);

/** What `grpc-status-details-bin` holds for CityNotFound, as Meridian reads and writes it. */
function statusOf(schema: Schema, cityId: number): Buffer {
  const detail = (name: string, value: object) =>
    ({ type_url: `type.googleapis.com/${name}`, value: schema.encode(name, value) });
  return schema.encode("google.rpc.Status", {
    code: 5, message: `no city ${cityId}`,
    details: [detail(infoName, { reason: "CityNotFound", domain: service }), detail(missingName, { cityId })],
  });
}

function readError(schema: Schema, error: ServiceError): Said["error"] {
  const [details] = error.metadata.get("grpc-status-details-bin");
  const said = { code: error.code, message: error.details, reason: undefined, cityId: undefined };
  if (details === undefined) return said;
  const all = schema.decode("google.rpc.Status", details as Buffer)["details"] as unknown as
    { type_url: string; value: Buffer }[];
  const find = (name: string): Message =>
    schema.decode(name, all.find((one) => one.type_url.endsWith(`/${name}`))?.value ?? none);
  const { reason } = find(infoName) as unknown as { reason: string };
  const { cityId } = find(missingName) as unknown as { cityId: number };
  return { ...said, reason, cityId };
}

/** Makes the calls with grpc-js. */
export async function grpcJsClient(directory: string, address: string, kinds?: "all"): Promise<Said>;
export async function grpcJsClient(directory: string, address: string, kinds: Kinds): Promise<Partial<Said>>;
export async function grpcJsClient(directory: string, address: string, kinds: Kinds = "all"): Promise<Partial<Said>> {
  const schema = new Schema(directory);
  const client = new Client(address, credentials.createInsecure());
  let servedBy: string | undefined;
  const unary = (name: string, request: object, timeoutMs = 5_000): Promise<Message> => {
    const { path, requestSerialize, responseDeserialize } = schema.method(name);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request,
        { deadline: Date.now() + timeoutMs }, (error, reply) => {
          if (error === null && reply !== undefined) resolve(reply);
          else reject(error);
        }).on("metadata", (metadata: Metadata) => {
        servedBy = metadata.get("x-served-by")[0] as string | undefined ?? servedBy;
      });
    });
  };
  const failure = (call: Promise<Message>): Promise<ServiceError> =>
    call.then(() => Promise.reject(new Error("the call should have failed")), (error: ServiceError) => error);
  try {
    const search = await unary("Search", { prefix: "b", limit: 3 });
    const streamed = kinds === "unary" ? {}
      : { ...await byCountryWith(client, schema), ...await countWith(client, schema) };
    const saved = await unary("SaveFavourite", { user: "ada", cityId: 3 }) as unknown as { favouriteId: number };
    return {
      search: namesOf(search["cities"] as unknown as { name: string }[]), servedBy,
      ...streamed, favouriteId: saved.favouriteId,
      error: readError(schema, await failure(unary("SaveFavourite", { user: "ada", cityId: 99 }))),
      slow: (await failure(unary("Search", { prefix: "slow", limit: 1 }, hurryMs))).code,
    };
  } finally {
    client.close();
  }
}

async function byCountryWith(client: Client, schema: Schema): Promise<Pick<Said, "byCountry">> {
  const { path, requestSerialize, responseDeserialize } = schema.method("ByCountry");
  const byCountry: { name: string }[] = [];
  for await (const city of client.makeServerStreamRequest(path, requestSerialize, responseDeserialize,
    { country: "DE" })) byCountry.push(city as { name: string });
  return { byCountry: namesOf(byCountry) };
}

function countWith(client: Client, schema: Schema): Promise<Pick<Said, "counts" | "total">> {
  const { path, requestSerialize, responseDeserialize } = schema.method("CountByCountry");
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, reply) => {
      if (error === null) resolve(reply as unknown as Pick<Said, "counts" | "total">);
      else reject(error);
    });
    for (const { lat, lon } of cities) call.write({ lat, lon });
    call.end();
  });
}

type Unary<Request> = (call: ServerUnaryCall<Request, object>, reply: sendUnaryData<object>) => void;

function handlersOf(schema: Schema) {
  const search: Unary<{ prefix: string; limit: number }> = (call, reply) => {
    const { prefix, limit } = call.request;
    const metadata = new Metadata();
    metadata.set("x-served-by", "grpc-js");
    call.sendMetadata(metadata);
    const answer = (): void => reply(null, { cities: found(prefix, limit) });
    if (prefix === "slow") setTimeout(answer, slowMs).unref();
    else answer();
  };
  const byCountry = (call: ServerWritableStream<{ country: string }, object>): void => {
    for (const city of cities.filter((one) => one.country === call.request.country)) call.write(city);
    call.end();
  };
  const countByCountry = (
    call: ServerReadableStream<{ lat: number; lon: number }, object>, reply: sendUnaryData<object>,
  ): void => {
    const places: { lat: number; lon: number }[] = [];
    call.on("data", (place: { lat: number; lon: number }) => places.push(place));
    call.on("end", () => reply(null, counted(places)));
  };
  const saveFavourite: Unary<{ cityId: number }> = (call, reply) => {
    const { cityId } = call.request;
    if (cities.some(({ id }) => id === cityId)) return reply(null, { favouriteId: 100 + cityId });
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", statusOf(schema, cityId));
    reply({ code: status.NOT_FOUND, details: `no city ${cityId}`, metadata });
  };
  return { Search: search, ByCountry: byCountry, CountByCountry: countByCountry, SaveFavourite: saveFavourite };
}

/** Serves with grpc-js. */
export async function grpcJsServer(directory: string): Promise<Running> {
  const schema = new Schema(directory);
  const server = new Server();
  const methods = Object.fromEntries(Object.keys(shapes).map((name) => [name, schema.method(name)]));
  server.addService(methods, handlersOf(schema));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { port, stop: async () => server.forceShutdown() };
}
