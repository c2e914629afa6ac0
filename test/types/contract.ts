/** Proves, when tsc checks it, what the compiler infers from a contract and what it refuses. Never run. */
import * as z from "zod";
import type { Context, MethodInfo, RpcError } from "../../src/core/index.ts";
import {
  type AnyContract, type AnyMethod, bytes, type CallOptions, type Client, type Contract, field, type HandlerInputOf,
  type HandlerOutputOf, type Handlers, type InputOf, isError, type Method, type OutputOf, rpc, service,
  type StandardSchema,
} from "../../src/contract/index.ts";
import { type Equal, is } from "./equal.ts";

declare const celsius: StandardSchema<{ text: string }, { celsius: number }>;
const City = z.object({ name: z.string(), population: z.uint32() }).meta({ id: "City" });

const Weather = service("weather.v1.Weather", {
  add: rpc({ input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32() }), idempotent: true }),
  forecast: rpc({
    kind: "server_stream",
    input: z.object({ tenant: z.string(), days: z.int32().default(3), at: z.date().optional() }),
    output: z.object({ city: City, icon: bytes(), note: field(7, z.string().default("")) }),
    timeoutMs: 5000, criticality: "sheddable", routeKey: (input) => input.tenant,
    errors: {
      CityNotFound: z.object({ city: z.string() }),
      Quota: { code: "resource_exhausted", data: z.object({ left: z.int32().default(0) }) },
    },
  }),
  record: rpc({ kind: "client_stream", input: z.object({ id: z.int64() }), output: z.object({ count: z.uint64() }) }),
  chat: rpc({ kind: "bidi_stream", input: z.string().transform(Number), output: z.union([z.string(), z.null()]) }),
  convert: rpc({ input: celsius, output: celsius, idempotent: "keyed" }),
});
type Weather = typeof Weather;
type M = Weather["methods"];

// Inference, both sides.
is<Equal<InputOf<M["add"]>, { a: number; b: number }>>();
is<Equal<OutputOf<M["add"]>, { sum: number }>>();
is<Equal<M["add"]["kind"], "unary">>();
is<Equal<InputOf<M["forecast"]>, { tenant: string; days?: number | undefined; at?: Date | undefined }>>();
is<Equal<HandlerInputOf<M["forecast"]>, { tenant: string; days: number; at?: Date | undefined }>>();
is<Equal<OutputOf<M["forecast"]>["note"], string>>();
is<Equal<HandlerOutputOf<M["forecast"]>["note"], string | undefined>>();
is<Equal<OutputOf<M["forecast"]>["icon"], Uint8Array>>();
is<Equal<OutputOf<M["forecast"]>["city"], { name: string; population: number }>>();
is<Equal<InputOf<M["record"]>, { id: bigint }>>();
is<Equal<InputOf<M["chat"]>, string>>();
is<Equal<HandlerInputOf<M["chat"]>, number>>();
is<Equal<OutputOf<M["chat"]>, string | null>>();
is<Equal<InputOf<M["convert"]>, { text: string }>>();
is<Equal<OutputOf<M["convert"]>, { celsius: number }>>();
is<Equal<HandlerOutputOf<M["convert"]>, { text: string }>>();

// Shapes of calls.
type C = Client<Weather>;
is<Equal<keyof C, "add" | "forecast" | "record" | "chat" | "convert">>();
is<Equal<C["add"], (input: { a: number; b: number }, options?: CallOptions) => Promise<{ sum: number }>>>();
is<Equal<ReturnType<C["forecast"]>, AsyncIterable<OutputOf<M["forecast"]>>>>();
is<Equal<Parameters<C["record"]>[0], AsyncIterable<{ id: bigint }> | Iterable<{ id: bigint }>>>();
is<Equal<ReturnType<C["record"]>, Promise<{ count: bigint }>>>();
is<Equal<ReturnType<C["chat"]>, AsyncIterable<string | null>>>();

// Any contract goes where a contract is wanted, without its types being compared.
const anyContract: AnyContract = Weather;
const wideContract: Contract = Weather;
const anyMethod: AnyMethod = Weather.methods.forecast;
const wideMethod: Method = Weather.methods.forecast;
const info: MethodInfo = Weather.methods.chat;
export const wide = [anyContract, wideContract, anyMethod, wideMethod, info];

export async function calls(client: C, context: Context): Promise<void> {
  const { sum } = await client.add({ a: 1, b: 2 }, { timeoutMs: 200, context });
  is<Equal<typeof sum, number>>();
  // @ts-expect-error a field of the wrong type
  await client.add({ a: "1", b: 2 });
  // @ts-expect-error a field that is not there
  await client.add({ a: 1, b: 2, c: 3 });
  // @ts-expect-error a missing field
  await client.add({ a: 1 });
  // @ts-expect-error no such method
  await client.subtract({ a: 1, b: 2 });
  // @ts-expect-error no such option
  await client.add({ a: 1, b: 2 }, { timeout: 200 });
  // @ts-expect-error no such field of the answer
  void (await client.add({ a: 1, b: 2 })).total;
  for await (const { city, note } of client.forecast({ tenant: "t" })) {
    is<Equal<typeof city.population, number>>();
    is<Equal<typeof note, string>>();
  }
  // @ts-expect-error a number where a bigint is wanted, in a stream
  await client.record([{ id: 1 }]);
  await client.record([{ id: 1n }]);
  await client.record((async function* () { yield { id: 1n }; })());
}

export const handlers: Handlers<Weather> = {
  add: ({ a, b }) => ({ sum: a + b }),
  async *forecast({ tenant, days }, context) {
    is<Equal<typeof tenant, string>>();
    is<Equal<typeof days, number>>();
    is<Equal<typeof context, Context>>();
    if (days < 0) throw Weather.methods.forecast.error("CityNotFound", { city: tenant });
    yield { city: { name: tenant, population: 1 }, icon: new Uint8Array() };
  },
  async record(inputs) {
    let count = 0n;
    for await (const { id } of inputs) count += id;
    return { count };
  },
  async *chat(inputs) {
    for await (const number of inputs) yield number > 0 ? String(number) : null;
  },
  convert: async ({ celsius: degrees }) => ({ text: String(degrees) }),
};

type Some = Partial<Handlers<Weather>>;
export const wrongHandlers: readonly Some[] = [
  // @ts-expect-error the answer lacks its field
  { add: () => ({ total: 1 }) },
  // @ts-expect-error the answer's field has another type
  { add: () => ({ sum: "1" }) },
  // @ts-expect-error the stream yields something else
  { async *forecast() { yield { city: "Rome" }; } },
  // @ts-expect-error an answer where a stream is wanted
  { chat: () => "hello" },
  // @ts-expect-error no such method
  { subtract: () => ({ sum: 1 }) },
];

// @ts-expect-error a method is missing
export const fewHandlers: Handlers<Weather> = { add: () => ({ sum: 1 }) };

export function errors(error: unknown): void {
  const { forecast, add } = Weather.methods;
  if (isError(error, forecast, "CityNotFound")) {
    is<Equal<typeof error.data.city, string>>();
    is<Equal<typeof error.reason, "CityNotFound">>();
    const rpcError: RpcError = error;
    void rpcError;
  }
  if (isError(error, forecast, "Quota")) is<Equal<typeof error.data.left, number>>();
  forecast.error("Quota", {}, "come back later");
  // @ts-expect-error the error's data is wrong
  forecast.error("CityNotFound", { town: "Rome" });
  // @ts-expect-error no such error
  forecast.error("TownNotFound", { city: "Rome" });
  // @ts-expect-error no such error
  isError(error, forecast, "TownNotFound");
  // @ts-expect-error the method declares no errors
  add.error("CityNotFound", { city: "Rome" });
}

// Declarations: the compiler complains at the option.
rpc({
  // @ts-expect-error no such kind
  kind: "stream",
  input: z.string(), output: z.string(),
});
rpc({
  input: z.object({ tenant: z.string() }), output: z.string(),
  // @ts-expect-error no such property of the input
  routeKey: (input) => input.region,
});
rpc({
  // @ts-expect-error no schema
  input: { a: "string" },
  output: z.string(),
});
// @ts-expect-error no output
rpc({ input: z.string() });
rpc({
  input: z.string(), output: z.string(),
  // @ts-expect-error no such option
  timeout: 5,
});
rpc({
  input: z.string(), output: z.string(),
  // @ts-expect-error no such code
  errors: { Gone: { code: "gone", data: z.string() } },
});
service("a.B", {
  // @ts-expect-error no method
  add: { a: 1 },
});
// @ts-expect-error a contract is frozen
Weather.name = "other";
