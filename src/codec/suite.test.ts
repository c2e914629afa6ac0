import { test } from "node:test";
import { codecCases } from "../testing/codec.ts";
import { protobuf } from "./protobuf/index.ts";

for (const { name, run } of codecCases(protobuf)) test(`protobuf ${name}`, run);
