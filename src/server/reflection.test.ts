import assert from "node:assert/strict";
import { test } from "node:test";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import * as z from "zod";
import { createClientOn } from "../client/create-client.ts";
import { rpc, service } from "../contract/index.ts";
import type { AnyContract } from "../contract/service.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Health, healthOf } from "./health.ts";
import type { ReflectionRequest, ReflectionResponse } from "./reflection-contract.ts";
import { reflectionOf, ServerReflection, ServerReflectionAlpha } from "./reflection.ts";
import { createServerOn } from "./server.ts";

const Orders = service("shop.v1.Orders", {
  get: rpc({
    input: z.object({ id: z.int64() }), output: z.object({ at: z.date(), state: z.enum(["open", "paid"]) }),
    errors: { Gone: z.object({ movedTo: z.string() }) },
  }),
});
/** A type whose structure cannot be read: a Standard Schema of some library. */
const opaque = { "~standard": { version: 1, vendor: "other", validate: (value: unknown) => ({ value }) } } as const;
const Opaque = service("shop.v1.Opaque", { get: rpc({ input: opaque, output: opaque }) });

type Question = NonNullable<ReflectionRequest["messageRequest"]>;
type Answer = ReflectionResponse["messageResponse"];

async function ask(contract: typeof ServerReflection, ...questions: (Question | undefined)[]): Promise<Answer[]> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 5 } });
  const server = createServerOn(simulation.host("server"));
  const implemented: AnyContract[] = [Orders, Opaque, Health, ServerReflection, ServerReflectionAlpha];
  const reflection = reflectionOf({ contracts: () => implemented });
  server.implement(Orders, { get: () => ({ at: new Date(), state: "open" as const }) });
  server.implement(Health, healthOf({ services: () => server.services }).handlers);
  server.implement(ServerReflection, reflection).implement(ServerReflectionAlpha, reflection);
  const body = async () => {
    await server.listen({ host: "server", port: 1 });
    const client = createClientOn(simulation.host("client"), contract, { address: "server:1" });
    const answers: Answer[] = [];
    const requests = questions.map((messageRequest) => (
      messageRequest === undefined ? { host: "here" } : { host: "here", messageRequest }));
    for await (const response of client.serverReflectionInfo(requests)) {
      assert.equal(response.validHost, "here");
      assert.deepEqual(response.originalRequest, requests[answers.length]);
      answers.push(response.messageResponse);
    }
    await server.close();
    return answers;
  };
  return simulation.runUntil(body(), simulation.nowMs + 60_000);
}

function filesIn(answer: Answer): FileDescriptorProto[] {
  assert.equal(answer?.case, "fileDescriptorResponse", JSON.stringify(answer));
  return answer.value.fileDescriptorProto
    .map((bytes) => fromBinary(FileDescriptorProtoSchema, Uint8Array.from(bytes)));
}

const symbol = (value: string): Question => ({ case: "fileContainingSymbol", value });
const file = (value: string): Question => ({ case: "fileByFilename", value });

for (const contract of [ServerReflection, ServerReflectionAlpha]) {
  test(`${contract.name} lists services and gives files by name and by symbol`, async () => {
    const [list, orders, again, gone, health, own, info] = await ask(contract,
      { case: "listServices", value: "*" }, symbol("shop.v1.Orders"), symbol("shop.v1.Orders.Get"),
      symbol("shop.v1.OrdersGetGone.moved_to"), file("grpc/health/v1/health.proto"), symbol(contract.name),
      symbol("google.rpc.ErrorInfo"));
    assert.deepEqual(list?.value, { service: [
      "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
      "shop.v1.Opaque", "shop.v1.Orders",
    ].map((name) => ({ name })) });
    const files = filesIn(orders);
    assert.deepEqual(files.map(({ name }) => name), ["shop/v1/shop.proto", "google/protobuf/timestamp.proto"]);
    assert.deepEqual(filesIn(again).map(({ name }) => name), ["shop/v1/shop.proto"]);
    assert.deepEqual(filesIn(gone).map(({ name }) => name), ["shop/v1/shop.proto"]);
    const rest = [health, own, info].map((answer) => filesIn(answer));
    assert.deepEqual(rest.map(([first]) => first?.name), [
      "grpc/health/v1/health.proto",
      `grpc/reflection/${contract === ServerReflection ? "v1" : "v1alpha"}/reflection.proto`,
      "google/rpc/error_details.proto",
    ]);
    // A client that knows nothing else can build types of them.
    const all = [...files, ...rest.flat()];
    for (const [first] of [files, ...rest]) {
      const registry = createFileRegistry(first as FileDescriptorProto, (name) => all.find((one) => one.name === name));
      assert.ok(registry.getFile(first?.name as string));
    }
  });
}

test("what is not there is answered with an error, and the stream goes on", async () => {
  const answers = await ask(ServerReflection, file("none.proto"), symbol("none.Such"), symbol("shop.v1.Opaque"),
    { case: "fileContainingExtension", value: { containingType: "shop.v1.OrdersGetInput", extensionNumber: 7 } },
    { case: "allExtensionNumbersOfType", value: "shop.v1.OrdersGetInput" },
    { case: "allExtensionNumbersOfType", value: "none.Such" }, undefined);
  assert.deepEqual(answers.map((answer) => (answer?.case === "errorResponse" ? answer.value : answer)), [
    { errorCode: 5, errorMessage: "no file \"none.proto\" here" },
    { errorCode: 5, errorMessage: "nothing here is called \"none.Such\"" },
    { errorCode: 5, errorMessage: "shop.v1.Opaque has no descriptor: shop.v1.Opaque/get: input: the structure of " +
      "a other schema cannot be read; use the JSON or MessagePack codec, or a Zod 4 schema" },
    { errorCode: 5, errorMessage: "no extension 7 of \"shop.v1.OrdersGetInput\" here: contracts have none" },
    { case: "allExtensionNumbersResponse", value: { baseTypeName: "shop.v1.OrdersGetInput", extensionNumber: [] } },
    { errorCode: 5, errorMessage: "no message \"none.Such\" here" },
    { errorCode: 3, errorMessage: "the request asks nothing that is known here" },
  ]);
});
