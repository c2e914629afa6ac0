import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openingBytes, type ServedWire } from "../protocol/wire.ts";
import { detect as detectAmong } from "./detect.ts";
import { http1Sign, http2Sign, nativeSign } from "./signs.ts";

const accept = (): never => assert.fail("nothing is accepted here");
const wires: readonly ServedWire[] = [nativeSign, http2Sign, http1Sign].map((sign) => ({ ...sign, accept }));
const detect = (bytes: Uint8Array): ReturnType<typeof detectAmong> => detectAmong(bytes, wires);

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const openings: readonly [string, string][] = [
  ["MRDN\r\n\x01\x01", "native"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http/2"],
  ...["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "DELETE", "TRACE", "M-SEARCH"]
    .map((method): [string, string] => [`${method} / HTTP/1.1\r\n`, "http/1.1"]),
];

test("each wire is known by its first bytes, however few of them come at a time", () => {
  for (const [text, wire] of openings) {
    const bytes = bytesOf(text);
    let known: string | undefined;
    for (let length = 0; length <= bytes.length; length++) {
      const found = detect(bytes.subarray(0, length));
      if (known !== undefined) assert.equal(found?.wire?.name, known, `${text} at ${length}`);
      known = found?.wire?.name;
    }
    assert.equal(known, wire);
  }
});

test("what is none of them is told by its looks, as soon as it is certain", () => {
  const guess = (text: string): string | undefined => {
    const found = detect(bytesOf(text));
    return found !== undefined && found.wire === undefined ? found.guess : undefined;
  };
  assert.match(guess("\x16\x03\x01") ?? "", /^TLS/);
  assert.equal(guess("SSH-2.0"), "SSH");
  assert.match(guess("\r\n") ?? "", /opened with 0d 0a$/);
  assert.match(guess("get / HTTP/1.1") ?? "", /opened with 67/);
  assert.equal(guess("POS"), undefined);
});

test("any bytes are decided upon within the bound", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: openingBytes, maxLength: 64 }), (bytes) => {
    assert.notEqual(detect(bytes), undefined);
  }), { seed: 7, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 500) });
});

test("one that cannot make up its mind is not waited for longer than the bound", () => {
  const unsure: ServedWire = { ...nativeSign, name: "unsure", recognises: () => undefined, accept };
  assert.equal(detectAmong(new Uint8Array(openingBytes - 1), [unsure]), undefined);
  assert.equal(detectAmong(new Uint8Array(openingBytes), [unsure])?.wire, undefined);
  assert.notEqual(detectAmong(new Uint8Array(openingBytes + 8), [unsure]), undefined);
});
