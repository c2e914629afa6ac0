// The standard services as the tools of others ask for them: health, and reflection by which they call without a file.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as grpcJs from "@grpc/grpc-js";
import { createProtobufCodec } from "../../src/codec/protobuf/index.ts";
import { exportProto } from "../../src/contract/proto/index.ts";
import { Writer } from "../../src/contract/index.ts";
import type { AnyContract } from "../../src/contract/service.ts";
import { createServer } from "../../src/index.ts";
import { Health, healthOf } from "../../src/server/health.ts";
import { reflectionOf, ServerReflection, ServerReflectionAlpha } from "../../src/server/reflection.ts";
import { Cities, cities, handlers } from "./cities.ts";
import { pythonFile } from "./compiled.ts";
import { lacking, outputOf, path, python } from "./programs.ts";

const implemented: AnyContract[] = [Cities, Health, ServerReflection, ServerReflectionAlpha];
const directory = mkdtempSync(join(tmpdir(), "meridian-standard-"));
const server = createServer();
const health = healthOf({ services: () => [Cities.name] });
const reflection = reflectionOf({ contracts: () => implemented });
server.implement(Cities, handlers).implement(Health, health.handlers)
  .implement(ServerReflection, reflection).implement(ServerReflectionAlpha, reflection);
let address = "";

before(async () => {
  address = await server.listen();
});
after(async () => {
  health.close();
  await server.close(1_000);
  rmSync(directory, { recursive: true });
});

const bufProgram = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
const buf = (...args: string[]) => outputOf(bufProgram, ["curl", "--http2-prior-knowledge", ...args]);

for (const protocol of ["grpc-v1", "grpc-v1alpha"]) {
  test(`buf curl --reflect, ${protocol}`, async () => {
    const reflect = ["--reflect", `--reflect-protocol=${protocol}`, "--protocol=grpc"];
    const services = await buf(...reflect, "--list-services", `http://${address}`);
    assert.deepEqual(services.trim().split("\n"), implemented.map(({ name }) => name).sort());
    const found = await buf(...reflect, "-d", JSON.stringify({ prefix: "b", limit: 2 }),
      `http://${address}/geo.v1.Cities/Search`);
    const expected = cities.filter(({ name }) => name.toLowerCase().startsWith("b")).slice(0, 2);
    assert.deepEqual((JSON.parse(found) as { cities: { name: string }[] }).cities.map(({ name }) => name),
      expected.map(({ name }) => name));
    const status = await buf(...reflect, "-d", "{}", `http://${address}/grpc.health.v1.Health/Check`);
    assert.deepEqual(JSON.parse(status), { status: "SERVING" });
  });
}

test("buf curl shows a declared error by the name of its message", async () => {
  const call = buf("--reflect", "--protocol=grpc", "-d", JSON.stringify({ user: "ada", cityId: 99 }),
    `http://${address}/geo.v1.Cities/SaveFavourite`);
  const failure: unknown = await call.catch((error: unknown) => error);
  const { stderr } = failure as { stderr: string };
  const { details } = JSON.parse(stderr) as { details: { type: string; value: string }[] };
  assert.deepEqual(details.map(({ type }) => type), ["google.rpc.ErrorInfo", "geo.v1.CitiesSaveFavouriteCityNotFound"]);
  assert.deepEqual([...Buffer.from(details[1]?.value ?? "", "base64")], [0x08, 99]);
});

test("@grpc/grpc-js: Check", async () => {
  const client = new grpcJs.Client(address, grpcJs.credentials.createInsecure());
  const codec = createProtobufCodec();
  const { input, output } = Health.methods.check;
  const write = (value: unknown): Buffer => {
    const writer = new Writer();
    codec.compile(input).encode(value, writer);
    return Buffer.from(writer.finish());
  };
  const read = (bytes: Buffer): unknown => codec.compile(output).decode(bytes, 0, bytes.length);
  const answer = await new Promise<unknown>((resolve, reject) => {
    client.makeUnaryRequest("/grpc.health.v1.Health/Check", write, read, { service: "geo.v1.Cities" },
      (error, value) => (error === null ? resolve(value) : reject(error)));
  });
  assert.deepEqual(answer, { status: "SERVING" });
  client.close();
});

test("Python grpcio: Check, List, Watch, and descriptors that its own pool takes",
  { skip: lacking("grpcio", "protoc") }, async () => {
    writeFileSync(join(directory, "health.proto"), exportProto(Health));
    // The messages of both versions are alike on the wire, so one file serves for both.
    writeFileSync(join(directory, "reflection.proto"), exportProto(ServerReflection));
    await outputOf("/usr/bin/protoc",
      [`--proto_path=${directory}`, `--python_out=${directory}`, "health.proto", "reflection.proto"]);
    const child = spawn(python, [pythonFile("standard.py"), directory, address],
      { env: { ...process.env, PATH: path }, stdio: ["ignore", "pipe", "inherit"] });
    let last = "";
    let watched = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== "watching") last = line;
      else if (++watched === 1) health.set(Cities.name, "NOT_SERVING");
      else if (watched === 2) health.set(Cities.name, "SERVING");
      // The watch ends as it does on a server that closes.
      else if (watched === 3) health.close();
    }
    const described = {
      services: implemented.map(({ name }) => name).sort(),
      methods: Object.values(Cities.methods).map(({ wireName }) => wireName), error: 5,
    };
    assert.deepEqual(JSON.parse(last), {
      overall: "SERVING", cities: "SERVING", none: "NOT_FOUND",
      list: { "": "SERVING", "geo.v1.Cities": "SERVING" },
      v1: described, v1alpha: described,
      watch: ["SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING"], watchEnd: "UNAVAILABLE",
    });
  });
