import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as z from "zod";
import { bytes, oneof, schemaOf } from "../../contract/index.ts";
import { RpcError } from "../../core/index.ts";
import { Writer } from "../../wire/index.ts";
import { createXmlCodec, xml } from "./index.ts";

interface Tree {
  name: string;
  children: Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
});
const Everything = z.object({
  text: z.string(), count: z.int32(), big: z.int64(), ratio: z.number().optional(), flag: z.boolean(),
  data: bytes(), at: z.date().optional(), kind: z.enum(["red", "green"]), list: z.array(z.string()),
  points: z.array(z.object({ x: z.int32() })), labels: z.record(z.string(), z.int32()),
  maybe: z.string().nullable(), any: z.unknown(), paid: oneof({ card: z.string(), cash: z.int32() }),
  odd: z.array(z.string().nullable()).optional(),
});
const coder = xml.compile(schemaOf(Everything, "Everything"));
const tree = xml.compile(schemaOf(Tree, "Tree"));

function encode(value: unknown, by = coder): string {
  const writer = new Writer(64);
  by.encode(value, writer);
  return new TextDecoder().decode(writer.finish());
}

function decode(text: string | Uint8Array, by = coder): unknown {
  const input = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return by.decode(input, 0, input.length);
}

function refusal(text: string | Uint8Array, by = coder): string {
  try {
    decode(text, by);
  } catch (error) {
    assert.ok(RpcError.is(error), String(error));
    assert.equal(error.code, "invalid_argument");
    return error.message;
  }
  throw new assert.AssertionError({ message: "it should have been refused" });
}

const value = {
  text: "a < b & c > d\r\n\u{1f600}", count: -7, big: 9_007_199_254_740_993n, ratio: 1.5, flag: true,
  data: Uint8Array.of(1, 2, 255), at: new Date("2030-01-02T03:04:05.678Z"), kind: "green", list: ["a", "", "b"],
  points: [{ x: 1 }, { x: 2 }], labels: { one: 1, "two words": 2 }, maybe: null, any: { deep: [1, "x", null] },
  paid: { case: "cash", value: 3 }, odd: ["x", null],
};

test("a value of everything comes back, generated and interpreted alike", () => {
  const text = encode(value);
  assert.deepEqual(decode(text), value);
  const interpreted = createXmlCodec({ codegen: false }).compile(schemaOf(Everything, "Everything"));
  assert.equal(encode(value, interpreted), text);
  assert.match(text, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Everything><text>a &lt; b &amp; c &gt; d&#13;\n/);
  assert.match(text, /<maybe xmlns:xsi="http:\/\/www.w3.org\/2001\/XMLSchema-instance" xsi:nil="true"\/>/);
  assert.match(text, /<labels><key>one<\/key><value>1<\/value><\/labels>/);
});

test("any text that XML has comes back; any other is refused with its path", () => {
  const has = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;
  const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    const given = { name: "", children: [{ name, children: [] }] };
    if (has.test(name)) assert.deepEqual(decode(encode(given, tree), tree), given);
    else assert.throws(() => encode(given, tree), /expected text of characters that XML has at "children\[0\]\.name"/);
  }), { seed: 7, numRuns });
});

test("prefixes, comments, CDATA, instructions and unknown elements do not matter", () => {
  assert.deepEqual(decode('<?xml version="1.0"?><!-- c --><n:Tree xmlns:n="urn:x" extra="1">' +
    "<n:name>a<![CDATA[<b>]]></n:name><?pi x?><other><deep>1</deep>text</other><children><name>c</name></children>" +
    "</n:Tree>", tree),
  { name: "a<b>", children: [{ name: "c", children: [] }] });
});

test("what is absent reads as in JSON", () => {
  assert.deepEqual(decode("<Tree/>", tree), { name: "", children: [] });
});

const nested = (depth: number): string =>
  `${"<children>".repeat(depth)}<name>x</name>${"</children>".repeat(depth)}`;

const bad: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ["an external entity", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Tree><name>&e;</name></Tree>',
    /DOCTYPE/],
  ["a billion laughs", `<!DOCTYPE x [<!ENTITY a "ha">${Array.from({ length: 9 }, (_, i) =>
    `<!ENTITY ${"abcdefghij"[i + 1]} "${`&${"abcdefghij"[i]};`.repeat(10)}">`).join("")}]>` +
    "<Tree><name>&j;</name></Tree>",
  /DOCTYPE/],
  ["a parameter entity", '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><Tree/>', /DOCTYPE/],
  ["an entity that nobody declared", "<Tree><name>&nbsp;</name></Tree>", /malformed/],
  ["deep nesting", `<Tree>${nested(5_000)}</Tree>`, /nested deeper than 200/],
  ["deep nesting of what is unknown", `<Tree>${"<u>".repeat(5_000)}${"</u>".repeat(5_000)}</Tree>`, /nested deeper/],
  ["UTF-16", Buffer.from('\ufeff<?xml version="1.0" encoding="UTF-16"?><Tree/>', "utf16le"), /UTF-8|malformed/],
  ["an encoding that is not ours", '<?xml version="1.0" encoding="ISO-8859-1"?><Tree/>', /only UTF-8 is taken/],
  ["bytes that are not UTF-8", Uint8Array.of(0x3c, 0x54, 0x3e, 0xff, 0x3c, 0x2f, 0x54, 0x3e), /not valid UTF-8/],
  ["XML 1.1", '<?xml version="1.1"?><Tree><name>&#1;</name></Tree>', /XML|malformed/],
  ["a control character by number", "<Tree><name>&#1;</name></Tree>", /malformed/],
  ["an end that is missing", "<Tree><name>x</name>", /malformed|unclosed/],
  ["tags that cross", "<Tree><name>x</Tree></name>", /malformed/],
  ["two roots", "<Tree/><Tree/>", /malformed/],
  ["nothing", "", /malformed|no root/],
  ["text between elements", "<Tree>stray<name>x</name></Tree>", /text "stray" between elements/],
  ["an element in text", "<Tree><name><b>x</b></name></Tree>", /<b> within text/],
  ["an element twice", "<Tree><children><name>x</name><name>y</name></children></Tree>",
    /at "children" \(line 1\): <name> is there twice/],
  ["nil where there is no null",
    '<Tree xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><name xsi:nil="true"/></Tree>', /no null/],
  ["trailing bytes", "<Tree/>garbage", /malformed/],
];
for (const [name, text, wanted] of bad) {
  test(`refused: ${name}`, () => {
    assert.match(refusal(text, tree), wanted);
  });
}

test("refused: values of other types, with their paths", () => {
  assert.match(refusal("<E><count>x</count></E>"), /at "count" \(line 1\): expected int32, received "x"/);
  assert.match(refusal("<E>\n<points><x>9999999999</x></points></E>"), /at "points\.x" \(line 2\): expected int32/);
  assert.match(refusal("<E><kind>blue</kind></E>"), /expected one of "red", "green"/);
  const label = "<labels><key>a</key><value>1</value></labels>";
  assert.match(refusal(`<E>${label}${label}</E>`), /<labels> is there twice/);
  assert.match(refusal("<E><paid>x</paid><card>a</card><cash>1</cash></E>"), /<cash> is there twice/);
});

test("damaged documents give a value or invalid_argument", () => {
  const whole = new TextEncoder().encode(encode(value));
  const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 500);
  fc.assert(fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, end) => {
    const spoiled = whole.slice(0, Math.max(1, end));
    spoiled[at % spoiled.length] = byte;
    try {
      decode(spoiled);
    } catch (error) {
      assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    }
  }), { seed: 11, numRuns });
});

const declared = '<?xml version="1.0" encoding="UTF-8"?>\n';

test("plain documents are read as saxes reads them, whatever is changed in them", () => {
  const said = (text: string, by: typeof coder) => {
    try {
      return { value: decode(text, by) };
    } catch (error) {
      assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
      return { error: error.message };
    }
  };
  const point = xml.compile(schemaOf(z.object({ x: z.int32(), of: z.array(z.string()) }), "P"));
  const documents = [
    [coder, encode({ ...value, maybe: "x", odd: undefined })], [coder, encode(value)],
    [tree, encode({ name: "&<>\r]] \u{1f600}", children: [{ name: "", children: [] }] }, tree)],
    [point, `${declared}<P> <x>1</x>\n<of/> <of>&quot;&apos;</of></P>\n`],
  ] as const;
  const pieces = fc.constantFrom("<", ">", "/", "&", "&amp;", "&#13;", "]]>", "<!-- -->", "<![CDATA[x]]>", " ", "\r",
    "\n", "<x>", "</x>", "<x/>", "<of/>", "</P>", "<children>", "</children>", 'a="b"', "\u0000", "\ufffe",
    "1", "<?p ?>");
  const change = fc.tuple(fc.nat(), fc.nat(6), fc.oneof(pieces, fc.string({ maxLength: 3 })));
  fc.assert(fc.property(fc.constantFrom(...documents), fc.array(change, { maxLength: 3 }), ([by, whole], changes) => {
    let body = whole.slice(declared.length);
    for (const [at, cut, piece] of changes) {
      const from = at % (body.length + 1);
      body = body.slice(0, from) + piece + body.slice(from + cut);
    }
    // A comment is nothing plain.
    assert.deepEqual(said(declared + body, by), said(`${declared.trimEnd()}<!---->\n${body}`, by));
  }), { seed: 20_261_122, numRuns: 10 * Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100) });
});
