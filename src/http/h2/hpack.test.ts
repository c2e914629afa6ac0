import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { Head } from "../message.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { huffmanLength, readHuffman, writeHuffman } from "./huffman.ts";
import { defaultHttp2Settings } from "./settings.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);
const limits = { ...defaultHttp2Settings, maxHeaderListBytes: 1_000_000, maxHeaderFields: 10_000 };
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

function decode(decoder: HpackDecoder, hex: string | Uint8Array): Head {
  const bytes = typeof hex === "string" ? bytesOf(hex) : hex;
  return decoder.decode(bytes, 0, bytes.length);
}

const requests = (first: Head, second: Head, third: Head) => {
  const common = { method: "GET", path: "/", authority: "www.example.com" };
  assert.deepEqual([first.method, first.scheme, first.path, first.authority, { ...first.fields }],
    [common.method, "http", common.path, common.authority, {}]);
  assert.deepEqual([second.scheme, second.authority, { ...second.fields }],
    ["http", common.authority, { "cache-control": "no-cache" }]);
  assert.deepEqual([third.scheme, third.path, third.authority, { ...third.fields }],
    ["https", "/index.html", common.authority, { "custom-key": "custom-value" }]);
};

test("requests without Huffman coding (RFC 7541, C.3)", () => {
  const decoder = new HpackDecoder("request", limits);
  requests(decode(decoder, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"),
    decode(decoder, "8286 84be 5808 6e6f 2d63 6163 6865"),
    decode(decoder, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"));
});

test("requests with Huffman coding (C.4)", () => {
  const decoder = new HpackDecoder("request", limits);
  requests(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"),
    decode(decoder, "8286 84be 5886 a8eb 1064 9cbf"),
    decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"));
});

/** The examples of C.5 and C.6 have a table of 256 bytes, so fields are evicted. */
const responses = (blocks: readonly string[]) => {
  const decoder = new HpackDecoder("response", { ...limits, headerTableBytes: 256 });
  // The table's size is agreed on by settings there; here by an update.
  const [first, second, third] = blocks.map((block, i) => decode(decoder, (i === 0 ? "3fe101" : "") + block));
  assert.deepEqual([first?.status, { ...first?.fields }], [302, {
    "cache-control": "private", "date": "Mon, 21 Oct 2013 20:13:21 GMT", "location": "https://www.example.com",
  }]);
  assert.deepEqual([second?.status, { ...second?.fields }], [307, { ...first?.fields }]);
  assert.deepEqual([third?.status, { ...third?.fields }], [200, {
    "cache-control": "private", "date": "Mon, 21 Oct 2013 20:13:22 GMT", "location": "https://www.example.com",
    "content-encoding": "gzip", "set-cookie": "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  }]);
};

test("responses without Huffman coding, and eviction (C.5)", () => responses([
  "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d" +
  "546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
  "4803 3330 37c1 c0bf",
  "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f" +
  "6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b" +
  "2076 6572 7369 6f6e 3d31",
]));

test("responses with Huffman coding, and eviction (C.6)", () => responses([
  "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7" +
  "8f0b 97c8 e9ae 82ae 43d3",
  "4883 640e ffc1 c0bf",
  "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335" +
  "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
]));

test("literal fields, with and without a place in the table (C.2)", () => {
  const decoder = new HpackDecoder("response", limits);
  const custom = decode(decoder, "88 400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
  assert.equal(custom.fields["custom-key"], "custom-header");
  assert.equal(decode(decoder, "88 be").fields["custom-key"], "custom-header");
  const secret = decode(decoder, "88 1008 7061 7373 776f 7264 0673 6563 7265 74");
  assert.equal(secret.fields["password"], "secret");
  assert.equal(decode(decoder, "88 be").fields["custom-key"], "custom-header");
});

test("what is no HPACK ends in a fault of the connection, never in anything else", () => {
  for (const bad of ["80", "be", "ff ff ff ff ff 0f", "40", "40 05 61", "00 01", "82 20", "3f ff ff ff ff ff 7f",
    "00 81 ff 81 ff", "00 81 00 00"]) {
    assert.throws(() => decode(new HpackDecoder("request", limits), bad), /COMPRESSION_ERROR/, bad);
  }
});

test("Huffman texts come back, and are as long as was said", () => {
  const text = fc.oneof(fc.string({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 })
    .map((bytes) => Buffer.from(bytes).toString("latin1")));
  fc.assert(fc.property(text, (text) => {
    const bytes = new Uint8Array(huffmanLength(text) + 8);
    const end = writeHuffman(bytes, 3, text);
    assert.equal(end, 3 + huffmanLength(text));
    assert.equal(readHuffman(bytes, 3, end), text);
  }), { seed: 1, numRuns: runs * 4 });
});

const name = fc.oneof(fc.constantFrom("content-type", "grpc-timeout", "x-a", "x-b", "authorization", "cookie", "te2"),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).map((text) => `x${text}`));
const value = fc.oneof(fc.constantFrom("a", "b", "application/grpc+proto"),
  fc.stringMatching(/^[!-~\xa1-\xff]([ -~\xa1-\xff]{0,60}[!-~\xa1-\xff])?$/));
const head = fc.tuple(fc.dictionary(name, value, { maxKeys: 8 }), fc.constantFrom("/a", "/b?c", "/c/d"))
  .map(([fields, path]) => new Head(Object.assign(Object.create(null) as Record<string, string>, fields),
    0, "POST", path, "http", "host:1"));

test("heads come back as they were sent, however often, and however the table's size changes", () => {
  const step = fc.record({ head, again: fc.nat(4), table: fc.option(fc.nat(6_000), { freq: 10 }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(0, 100, 4_096, 9_000), (steps, most) => {
    const encoder = new HpackEncoder(most);
    const decoder = new HpackDecoder("request", { ...limits, headerTableBytes: 9_000 });
    for (const { head, again, table } of steps) {
      if (table !== null) encoder.peerTableBytes(table);
      for (let i = 0; i <= again; i++) {
        const read = decode(decoder, encoder.encode(head));
        assert.deepEqual({ ...read.fields }, { ...head.fields });
        assert.deepEqual([read.method, read.path, read.authority], [head.method, head.path, head.authority]);
      }
    }
  }), { seed: 2, numRuns: runs });
});

test("a head sent often becomes few bytes, and one object at the other end", () => {
  const encoder = new HpackEncoder(4_096);
  const decoder = new HpackDecoder("request", limits);
  const fields = Object.assign(Object.create(null) as Record<string, string>, { "te": "trailers", "x-tenant": "blue" });
  const head = new Head(fields, 0, "POST", "/package.Service/Method", "http", "host:1");
  const read: Head[] = [];
  for (let i = 0; i < 10; i++) read.push(decode(decoder, encoder.encode(head)));
  assert.equal(encoder.encode(head).length, 6);
  assert.equal(encoder.encode(head), encoder.encode(head));
  assert.equal(read[9], read[8]);
});

test("what differs from message to message, and secrets, never enter the table", () => {
  const encoder = new HpackEncoder(4_096);
  const decoder = new HpackDecoder("request", limits);
  const fixed = { "te": "trailers", "authorization": "Bearer 123456", "cookie": "a=b", "grpc-timeout": "5S" };
  const make = (i: number) => new Head({ ...fixed, "x-id": `${i}` }, 0, "POST", `/a?${i % 2}`, "http", "h");
  for (let i = 0; i < 50; i++) decode(decoder, encoder.encode(make(i)));
  const text = Buffer.from(encoder.encode(make(1))).toString("latin1");
  const secret = Buffer.alloc(40);
  const end = writeHuffman(secret, 0, "Bearer 123456");
  assert.ok(text.includes(secret.subarray(0, end).toString("latin1")), "still literal");
});

test("a head that cannot be said leaves the table as it was", () => {
  const encoder = new HpackEncoder(4_096);
  const decoder = new HpackDecoder("request", limits);
  const good = new Head({ "x-a": "1" }, 0, "POST", "/", "http", "h");
  for (let i = 0; i < 5; i++) {
    assert.deepEqual({ ...decode(decoder, encoder.encode(good)).fields }, { "x-a": "1" });
    assert.throws(() => encoder.encode(new Head({ "x-a": "1", "x-b": "2", "x-c": "a\r\nb" })), RpcError);
    assert.throws(() => encoder.encode(new Head({ connection: "close" })), /HTTP\/1\.1/);
  }
});

test("malformed heads are told apart from what is no HPACK", () => {
  const encoder = new HpackEncoder(0);
  const wrong = (head: Partial<Record<"method" | "path" | "scheme", string>>) => {
    const { method = "GET", path = "/", scheme = "http" } = head;
    const block = encoder.encode(new Head({}, 0, method, path, scheme, "h"));
    return new HpackDecoder("request", limits).decode(block, 0, block.length).wrong;
  };
  assert.equal(wrong({}), undefined);
  assert.match(wrong({ path: "" }) ?? "", /without :path/);
  assert.match(wrong({ path: "x" }) ?? "", /slash/);
  assert.match(wrong({ scheme: "" }) ?? "", /without :scheme/);
  assert.match(wrong({ method: "G T" }) ?? "", /:method is/);
});
