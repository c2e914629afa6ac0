/** Runs in the page: makes every kind of call and leaves what came of them in its body's `data-outcome`. */
import { connect, createClient, grpcWeb, isError, json, protobuf, RpcError, websocket } from "../../src/web/index.ts";
import { Cities } from "./contract.ts";

interface Outcome {
  readonly [name: string]: unknown;
}

const dialects = {
  "connect": connect(), "connect by GET": connect({ get: true }),
  "grpc-web": grpcWeb(), "grpc-web text": grpcWeb({ text: true }), "websocket": websocket(),
};

/** As much of a page as is used here. */
const page = globalThis as unknown as {
  readonly location: { readonly search: string };
  /** One client by WebSocket for the whole life of the page: what a test asks of it. */
  find: (baseUrl: string, name: string) => Promise<unknown>;
  readonly document: { readonly body: { readonly dataset: Record<string, string> } };
};

let socket: ReturnType<typeof createClient<typeof Cities>> | undefined;
page.find = (baseUrl, name) => {
  socket ??= createClient(Cities, { baseUrl, dialect: websocket() });
  return failure(socket.find({ name }, { timeoutMs: 15_000 }).then((found) => found.name));
};

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise };
  } catch (error) {
    return RpcError.is(error) ? { code: error.code, message: error.message } : String(error);
  }
}

async function calls(
  baseUrl: string, dialect: (typeof dialects)[keyof typeof dialects], codec: typeof protobuf,
): Promise<Outcome> {
  const client = createClient(Cities, { baseUrl, dialect, codec, retry: false });
  const found = await client.find({ name: "Oslo" }, { timeoutMs: 10_000, metadata: { "x-who": "page" } });
  const arrivals: number[] = [];
  const names: string[] = [];
  const beganMs = performance.now();
  for await (const { name } of client.list({ count: 5, pauseMs: 100 })) {
    names.push(name);
    arrivals.push(performance.now() - beganMs);
  }
  let declared: unknown;
  try {
    await client.find({ name: "Atlantis" });
  } catch (error) {
    declared = isError(error, Cities.methods.find, "CityNotFound")
      ? { city: error.data.city, code: error.code } : String(error);
  }
  const left: string[] = [];
  for await (const { name } of client.list({ count: 1_000, pauseMs: 20 })) {
    left.push(name);
    if (left.length === 3) break;
  }
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  return {
    found: { ...found, population: String(found.population) }, names, declared, left: left.length,
    streamed: (arrivals[4] ?? 0) - (arrivals[0] ?? 0) > 200,
    late: await failure(client.never({}, { timeoutMs: 100 })),
    cancelled: await failure(client.never({}, { signal: controller.signal })),
    upload: await failure(client.upload([found, found])),
  };
}

async function main(): Promise<void> {
  const baseUrl = new URLSearchParams(page.location.search).get("server") ?? "";
  const outcome: Record<string, unknown> = {};
  for (const [name, dialect] of Object.entries(dialects)) {
    for (const codec of [protobuf, json]) outcome[`${name} ${codec.name}`] = await calls(baseUrl, dialect, codec);
  }
  const nowhere = createClient(Cities, { baseUrl: "http://127.0.0.1:9", retry: false });
  outcome["nowhere"] = await failure(nowhere.find({ name: "Oslo" }));
  tell(outcome);
}

function tell(outcome: unknown): void {
  page.document.body.dataset["outcome"] = JSON.stringify(outcome);
}

main().catch((error: unknown) => {
  tell({ failed: String((error as Error).stack) });
});
