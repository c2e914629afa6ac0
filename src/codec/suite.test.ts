import { test } from "node:test";
import { codecCases } from "../testing/codec.ts";
import { protobuf } from "./protobuf/index.ts";
import { createXmlCodec, xml } from "./xml/index.ts";

for (const { name, run } of codecCases(protobuf)) test(`protobuf ${name}`, run);
// XML has no characters for most controls, which the sample's texts hold: xml.test.ts has these cases without them.
const without = [
  "carries texts", "gives the same bytes for the same value", "answers damaged bytes with a value or invalid_argument",
];
for (const { name, run } of codecCases(xml, { without })) test(`XML ${name}`, run);
for (const { name, run } of codecCases(createXmlCodec({ codegen: false }), { without })) {
  test(`XML, interpreted, ${name}`, run);
}
