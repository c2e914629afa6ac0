import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { rpc, service } from "../contract/index.ts";
import { RpcError } from "../core/index.ts";
import type { MethodShape } from "../protocol/router.ts";
import { Routes } from "./routes.ts";

const echo = rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string() }) });
const same = (value: { text: string }): { text: string } => value;
const shape = (path: string, isBare: boolean): MethodShape =>
  ({ path, isBare, codec: "proto", kind: undefined, idempotent: false, criticality: "default" });

function routes(): Routes {
  const made = new Routes({ stack: {}, codecs: [] });
  made.add(service("one.Echo", { echo, greet: echo }), { echo: same, greet: same });
  made.add(service("two.Echo", { echo, part: echo }), { echo: same, part: same });
  return made;
}

test("a wire that names no service finds the only method of a name, by either of its names", () => {
  for (const name of ["greet", "Greet"]) {
    const found = routes().route(shape(name, true));
    assert.ok(!RpcError.is(found) && found.method.path === "one.Echo/greet");
  }
});

test("of two with one name it is told which there are, and of none that there is none", () => {
  const said = (path: string, isBare: boolean): string => {
    const found = routes().route(shape(path, isBare));
    return RpcError.is(found) ? `${found.code}: ${found.message}` : assert.fail(`${path} was found`);
  };
  assert.match(said("echo", true), /^unimplemented: one.Echo and two.Echo both have a method "echo"/);
  assert.match(said("nothing", true), /"nothing" is no method of a service here/);
  assert.match(said("greet", false), /a call is made to package.Service\/Method/);
});
