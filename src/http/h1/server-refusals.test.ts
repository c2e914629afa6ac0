/** What a server refuses, with which status, and that nothing behind it is taken for a request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo, serve } from "../../../test/http/h1-harness.ts";

const host = "Host: x\r\n";
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/** What is sent, and the status it is refused with. */
const refused: Readonly<Record<string, readonly [string, number]>> = {
  "both transfer-encoding and content-length": [
    `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`, 400],
  "the same the other way round": [
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`, 400],
  "different content-lengths": [
    `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
  "a list of content-lengths": [`POST / HTTP/1.1\r\n${host}Content-Length: 5, 6\r\n\r\nhello!`, 400],
  "a content-length with a sign": [`POST / HTTP/1.1\r\n${host}Content-Length: +5\r\n\r\nhello`, 400],
  "a negative content-length": [`POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`, 400],
  "a hexadecimal content-length": [`POST / HTTP/1.1\r\n${host}Content-Length: 0x5\r\n\r\nhello`, 400],
  "a content-length with a blank inside": [`POST / HTTP/1.1\r\n${host}Content-Length: 1 0\r\n\r\nhello`, 400],
  "a content-length beyond all numbers": [`POST / HTTP/1.1\r\n${host}Content-Length: 9999999999999999\r\n\r\n`, 400],
  "an empty content-length": [`POST / HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`, 400],
  "a transfer-encoding twice": [
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  "chunked that is not last": [`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n`, 400],
  "an empty transfer-encoding": [`POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n\r\n`, 400],
  "identity as a transfer-encoding": [
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n\r\n${smuggled}`, 501],
  "a transfer-encoding that is unknown": [`POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n`, 501],
  "a transfer-encoding with a parameter": [`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked;q=1\r\n\r\n`, 501],
  "a transfer-encoding with a control character": [
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
  "transfer-encoding in HTTP/1.0": [`POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  "a blank before the colon": [`POST / HTTP/1.1\r\n${host}Content-Length : 5\r\n\r\nhello`, 400],
  "a tab before the colon": [`POST / HTTP/1.1\r\n${host}Content-Length\t: 5\r\n\r\nhello`, 400],
  "a field that goes on in a second line": [`GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`, 400],
  "a second line of the first field": [`GET / HTTP/1.1\r\n ${host}\r\n`, 400],
  "a field without a colon": [`GET / HTTP/1.1\r\n${host}nothing\r\n\r\n`, 400],
  "a field without a name": [`GET / HTTP/1.1\r\n${host}: value\r\n\r\n`, 400],
  "a name with a blank inside": [`GET / HTTP/1.1\r\n${host}a b: c\r\n\r\n`, 400],
  "a name beyond ASCII": [`GET / HTTP/1.1\r\n${host}n\xe4me: c\r\n\r\n`, 400],
  "NUL in a value": [`GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`, 400],
  "a bare CR in a value": [`GET / HTTP/1.1\r\n${host}X: a\rTransfer-Encoding: chunked\r\n\r\n`, 400],
  "a bare LF at a line's end": [`GET / HTTP/1.1\n${host}\r\n`, 400],
  "bare LFs only": ["GET / HTTP/1.1\nHost: x\n\n", 400],
  "a bare LF as the empty line": [`GET / HTTP/1.1\r\n${host}\n`, 400],
  "no host": ["GET / HTTP/1.1\r\n\r\n", 400],
  "two hosts": [`GET / HTTP/1.1\r\n${host}Host: y\r\n\r\n`, 400],
  "the same host twice": [`GET / HTTP/1.1\r\n${host}${host}\r\n`, 400],
  "a host with a path": ["GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400],
  "a host with a user": ["GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 400],
  "two hosts in HTTP/1.0": [`GET / HTTP/1.0\r\n${host}Host: y\r\n\r\n`, 400],
  "no method": [` / HTTP/1.1\r\n${host}\r\n`, 400],
  "a method with an invalid byte": [`G(T / HTTP/1.1\r\n${host}\r\n`, 400],
  "a method without end": [`${"G".repeat(40)} / HTTP/1.1\r\n${host}\r\n`, 501],
  "CONNECT": [`CONNECT x:443 HTTP/1.1\r\n${host}\r\n`, 501],
  "TRACE": [`TRACE / HTTP/1.1\r\n${host}\r\n`, 501],
  "no target": [`GET  HTTP/1.1\r\n${host}\r\n`, 400],
  "two blanks": [`GET  / HTTP/1.1\r\n${host}\r\n`, 400],
  "a target with a blank": [`GET /a b HTTP/1.1\r\n${host}\r\n`, 400],
  "a target with a fragment": [`GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
  "a target beyond ASCII": [`GET /\xe4 HTTP/1.1\r\n${host}\r\n`, 400],
  "a target that is neither path nor URL": [`GET x HTTP/1.1\r\n${host}\r\n`, 400],
  "a target of another scheme": [`GET ftp://x/ HTTP/1.1\r\n${host}\r\n`, 400],
  "a star for GET": [`GET * HTTP/1.1\r\n${host}\r\n`, 400],
  "a target too long": [`GET /${"a".repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, 414],
  "no version": [`GET /\r\n${host}\r\n`, 400],
  "HTTP/0.9": ["GET /\r\n\r\n", 400],
  "HTTP/2.0": [`GET / HTTP/2.0\r\n${host}\r\n`, 505],
  "HTTP/1.2": [`GET / HTTP/1.2\r\n${host}\r\n`, 505],
  "a version in lower case": [`GET / http/1.1\r\n${host}\r\n`, 400],
  "a version that goes on": [`GET / HTTP/1.10\r\n${host}\r\n`, 400],
  "a blank behind the version": [`GET / HTTP/1.1 \r\n${host}\r\n`, 400],
  "too many fields": [`GET / HTTP/1.1\r\n${host}${"X: y\r\n".repeat(200)}\r\n`, 431],
  "a head too large": [`GET / HTTP/1.1\r\n${host}X: ${"y".repeat(40_000)}\r\n\r\n`, 431],
  "a head too large that never ends": [`GET / HTTP/1.1\r\n${host}X: ${"y".repeat(40_000)}`, 431],
  "an expectation that is unknown": [`POST / HTTP/1.1\r\n${host}Expect: magic\r\nContent-Length: 1\r\n\r\na`, 417],
  "a body too large": [`POST / HTTP/1.1\r\n${host}Content-Length: 1001\r\n\r\n`, 413],
  "empty lines without end": ["\r\n".repeat(10), 400],
  "a bare LF before the request": [`\nGET / HTTP/1.1\r\n${host}\r\n`, 400],
};

const chunkedHead = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;
const badChunks: Readonly<Record<string, readonly [string, number]>> = {
  "a size that is no number": ["xyz\r\n", 400],
  "an empty size": ["\r\n", 400],
  "a size with a sign": ["+5\r\nhello\r\n", 400],
  "a size with 0x": ["0x5\r\nhello\r\n", 400],
  "a size with an underscore": ["1_0\r\n", 400],
  "a size with a blank in front": [" 5\r\nhello\r\n", 400],
  "a size with a blank behind": ["5 \r\nhello\r\n", 400],
  "a size beyond all numbers": ["ffffffffffffffff\r\n", 400],
  "a size without end": [`${"0".repeat(20)}\r\n`, 400],
  "a size ended by a bare LF": ["5\nhello\r\n", 400],
  "a size ended by a bare CR": ["5\rhello\r\n", 400],
  "a chunk that is longer than its size": ["5\r\nhello!\r\n", 400],
  "a chunk ended by a bare LF": ["5\r\nhello\n0\r\n\r\n", 400],
  "an extension with a bare LF": ["5;a\nb\r\nhello\r\n", 400],
  "an extension with NUL": ["5;a\0\r\nhello\r\n", 400],
  "an extension too long": [`5;${"a".repeat(5_000)}\r\nhello\r\n`, 400],
  "many extensions": ["1;abcdefghijklmnop\r\na\r\n".repeat(400), 400],
  "trailers with a bare LF": ["0\r\na: b\n\r\n", 400],
  "trailers with a second line": ["0\r\na: b\r\n c\r\n\r\n", 400],
  "trailers too large": [`0\r\na: ${"b".repeat(40_000)}\r\n\r\n`, 431],
  "trailers too many": [`0\r\n${"a: b\r\n".repeat(200)}\r\n`, 431],
  "chunks beyond the largest body": [`3e9\r\n${"a".repeat(1_001)}\r\n0\r\n\r\n`, 413],
};

const cases = Object.entries(refused).concat(
  Object.entries(badChunks).map(([name, [chunks, status]]) => [name, [chunkedHead + chunks, status]]));

for (const [name, [text, status]] of cases) {
  test(`${name}: ${status}, and nothing after it`, () => {
    for (const pieces of [[text], text.length < 2_000 ? text.split("") : [text.slice(0, 50), text.slice(50)]]) {
      const handled: string[] = [];
      const served = serve((request, exchange, last) => {
        handled.push(request.path);
        return echo(request, exchange, last);
      }, { maxBodyBytes: 1_000 });
      served.send(...pieces, smuggled);
      const { output, isOver } = served.stream;
      assert.match(output, new RegExp(`^HTTP/1\\.1 ${status} [A-Z][^\\r]*\\r\\n`));
      assert.match(output, /\r\nconnection: close\r\n\r\n[ -~]+\n$/);
      assert.equal(output.split(/HTTP\/1\.1 \d/).length, 2, output);
      assert.ok(isOver);
      assert.ok(!handled.includes("/smuggled"));
      assert.equal(served.ended.length, 1);
      assert.ok(served.ended[0]?.message);
    }
  });
}
