/** Lying servers over HTTP: each call ends once, by the protocol's table of codes, and says what was wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { Code } from "../../src/core/index.ts";
import type { Exchange } from "../../src/http/index.ts";
import { connect } from "../../src/protocol/connect/index.ts";
import { grpc } from "../../src/protocol/grpc/index.ts";
import { grpcWeb } from "../../src/protocol/grpc-web/index.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { envelope } from "../conformance/raw-exchange.ts";
import { fine, text } from "./http-harness.ts";
import { answering, clientOf, errorOf, type Lie, lying, tell } from "./lying-server.ts";
import { join, run } from "./raw-peer.ts";

const maxMessageBytes = 50_000;
const settings = { maxMessageBytes };
const zeros = new Uint8Array(4 << 20);
const value = { n: 7, text: "hi" };

/** How a protocol's truthful servers answer. */
interface Truth {
  readonly protocol: Protocol;
  readonly version: 1 | 2;
  readonly fields: Readonly<Record<string, string>>;
  readonly encoding: string;
  readonly isBare: boolean;
  /** A response of these messages that ended so. */
  lie(messages: readonly Uint8Array[], status?: string, more?: Readonly<Record<string, string>>): Lie;
}

function grpcTruth(): Truth {
  const fields = { "content-type": "application/grpc+proto" };
  return {
    protocol: grpc({ settings }), version: 2, fields, encoding: "grpc-encoding", isBare: false,
    lie: (body, status = "0", more = {}) => ({ fields, body, trailers: { "grpc-status": status, ...more } }),
  };
}

function webTruth(version: 1 | 2): Truth {
  const fields = { "content-type": "application/grpc-web+proto" };
  return {
    protocol: grpcWeb({ http: version, settings }), version, fields, encoding: "grpc-encoding", isBare: false,
    lie: (body, status = "0", more = {}) => ({
      fields, body: [...body, trailerFrame({ "grpc-status": status, ...more })],
    }),
  };
}

function trailerFrame(fields: Readonly<Record<string, string>>): Uint8Array {
  return envelope(text(Object.entries(fields).map(([name, one]) => `${name}: ${one}\r\n`).join("")), 0x80);
}

function connectTruth(version: 1 | 2): Truth {
  const fields = { "content-type": "application/proto" };
  return {
    protocol: connect({ http: version, settings }), version, fields, encoding: "content-encoding", isBare: true,
    lie: (body) => ({ fields, body }),
  };
}

type Told = readonly [name: string, lie: Lie | ((exchange: Exchange) => void), code: Code, says: RegExp];

const html = text("<html><body>502 Bad Gateway</body></html>");
const page = { "content-type": "text/html; charset=utf-8" };
const message = envelope(fine);

/** Answers of proxies and of other servers, which mean the same in all protocols. */
function strangers(truth: Truth): Told[] {
  const statuses: [number, Code][] = [
    [400, "internal"], [401, "unauthenticated"], [403, "permission_denied"], [404, "unimplemented"],
    [418, "unknown"], [429, "unavailable"], [500, "unknown"], [502, "unavailable"], [503, "unavailable"],
    [504, "unavailable"], [301, "unknown"], [204, "unknown"],
  ];
  return [
    ...statuses.map(([status, code]): Told => [`${status} with a page`,
      { status, fields: page, body: status === 204 ? [] : [html] }, code,
      new RegExp(`HTTP status ${status} and content type "text/html`)]),
    ["502 without anything", { status: 502 }, "unavailable", /HTTP status 502/],
    ["a page that never ends", { status: 502, fields: page, body: [html], isOpen: true }, "unavailable", /502/],
    ["200 with a page", { fields: page, body: [html] }, "unknown", /"text\/html.*expected application\//],
    ["200 without a content type", { body: [fine] }, "unknown", /expected application\//],
    ["an error page in JSON", {
      status: 503, fields: { "content-type": "application/json" }, body: [text('{"error":"overloaded"}')],
    }, "unavailable", /HTTP status 503/],
    ["messages in another codec", {
      fields: { "content-type": truth.fields["content-type"]?.replace("proto", "json") ?? "" }, body: [text("{}")],
    }, "internal", /json.*expected .*(?:proto|grpc)/],
    ["a response of another protocol", {
      fields: { "content-type": truth.isBare ? "application/grpc" : "application/json" }, body: [text("{}")],
    }, "unknown", /expected application\//],
    ["a reset", (exchange) => exchange.reset("internal"), truth.version === 1 ? "unavailable" : "internal",
      truth.version === 1 ? /closed the connection/ : /INTERNAL_ERROR/],
    ["a reset in the middle", (exchange) => {
      tell(exchange, { fields: truth.fields, body: [fine.subarray(0, 2)], isOpen: true });
      exchange.reset("cancel");
    }, truth.version === 1 ? "unavailable" : "cancelled", /./],
  ];
}

/** Messages that are none, wherever they lie. */
function badMessages(truth: Truth): Told[] {
  const { isBare, encoding, lie } = truth;
  const framed = (bytes: Uint8Array, flags = 0): Uint8Array => (isBare ? bytes : envelope(bytes, flags));
  const packed = (name: string, bytes: Uint8Array): Lie => {
    const one = lie([framed(bytes, 1)]);
    return { ...one, fields: { ...one.fields, [encoding]: name } };
  };
  return [
    ["text that is no UTF-8", lie([framed(join([8, 7, 18], run([0xc3, 0x28])))]), "internal", /text.*UTF-8/],
    ["a message cut", lie([framed(join([8, 7, 18, 50], "hi"))]), "internal", /cannot be read.*text/],
    ["a message too large", lie([framed(join([18], run(new Uint8Array(60_000))))]), "resource_exhausted",
      /exceeds maxMessageBytes 50000/],
    ["an encoding not offered", packed("sevenzip", fine), "internal", /"sevenzip", which was not offered/],
    ["garbage that claims to be gzip", packed("gzip", text("no such thing, no such thing")), "internal",
      /gzip message cannot be decompressed/],
    ["a bomb of gzip", packed("gzip", gzipSync(zeros)), "resource_exhausted", /maxMessageBytes/],
    ["a bomb of br", packed("br", brotliCompressSync(zeros)), "resource_exhausted", /maxMessageBytes/],
    ["a bomb of zstd", packed("zstd", zstdCompressSync(zeros)), "resource_exhausted", /maxMessageBytes/],
  ];
}

function badEnvelopes({ lie, fields }: Truth): Told[] {
  return [
    ["no message", lie([]), "unimplemented", /sent no message; the method answers with exactly one/],
    ["two messages", lie([message, message]), "unimplemented", /more than one message/],
    ["two messages in one piece", lie([join(message, message)]), "unimplemented", /more than one message/],
    ["a message too large, announced", { fields, body: [envelope(fine, 0, 0xffff_ffff)], isOpen: true },
      "resource_exhausted", /4294967295 bytes exceeds maxMessageBytes/],
    ["a page in the protocol's content type", lie([html]), "internal", /3c 68 74 6d 6c.*envelope/],
    ["a compressed message without an encoding", lie([envelope(gzipSync(fine), 1)]), "internal",
      /compressed, but the head names no compression/],
    ["unknown flags", lie([envelope(fine, 4)]), "internal", /unknown flags \(4\)/],
    ["a status of 99", lie([], "99"), "unknown", /status 99/],
    ["a status of -1", lie([message], "-1"), "unknown", /"-1" \(grpc-status\)/],
    ["a status that is no number", lie([message], "fine"), "unknown", /"fine" \(grpc-status\)/],
    ["an empty status", lie([message], ""), "unknown", /grpc-status/],
    ["an error behind a message", lie([message], "7", { "grpc-message": "not%20you" }), "permission_denied",
      /^not you$/],
    ["a message in bad percent-encoding", lie([], "5", { "grpc-message": "%zz%E2%82%" }), "not_found", /%zz/],
    ["details that are none", lie([], "5", {
      "grpc-message": "gone", "grpc-status-details-bin": "!!!", "grpc-retry-pushback-ms": "soon",
    }), "not_found", /^gone$/],
    ["a message cut, and success", lie([message.subarray(0, 6)]), "internal", /ended within a message|cannot be read/],
  ];
}

const grpcOwn = (truth: Truth): Told[] => [
  ["no trailers", { fields: truth.fields, body: [message] }, "internal", /without a status \(no grpc-status trailer\)/],
  ["trailers without a status", { fields: truth.fields, body: [message], trailers: { "x-y": "z" } }, "internal",
    /no grpc-status/],
  ["a head alone", { fields: truth.fields }, "internal", /no grpc-status/],
  ["a status in the head, and a body", { fields: { ...truth.fields, "grpc-status": "0" }, body: [message] }, "internal",
    /no grpc-status/],
  ["a status with HTTP status 500", {
    status: 500, fields: { ...truth.fields, "grpc-status": "8", "grpc-message": "full" },
  }, "resource_exhausted", /^full$/],
];

const webOwn = ({ fields, lie }: Truth): Told[] => [
  ["no trailers", { fields, body: [message] }, "internal", /without trailers/],
  ["nothing", { fields, body: [new Uint8Array(0)] }, "internal", /without trailers|grpc-status/],
  ["a message after the end", { ...lie([message]), body: [trailerFrame({ "grpc-status": "0" }), message] }, "internal",
    /after the end/],
  ["two ends", {
    fields, body: [message, trailerFrame({ "grpc-status": "5" }), trailerFrame({ "grpc-status": "0" })],
  }, "internal", /after the end/],
  ["trailers that are none", { fields, body: [message, envelope(text("what?"), 0x80)] }, "internal",
    /line without a name/],
  ["trailers without a status", { fields, body: [message, envelope(text("a: b\r\n"), 0x80)] }, "unknown",
    /grpc-status/],
];

const json = { "content-type": "application/json" };
const connectOwn = ({ fields, version }: Truth): Told[] => [
  ["an error that names no code", { status: 429, fields: json, body: [text('{"message":"slow down"}')] }, "unavailable",
    /slow down/],
  ["an unknown code", { status: 400, fields: json, body: [text('{"code":"confused","message":"hm"}')] }, "internal",
    /hm/],
  ["an error that is no JSON", { status: 503, fields: json, body: [text("{nope")] }, "unavailable", /HTTP status 503/],
  ["an error that is a list", { status: 500, fields: json, body: [text("[1]")] }, "unknown", /HTTP status 500/],
  ["an error without end", { status: 503, fields: json, body: Array.from({ length: 8 }, () => new Uint8Array(16_384)),
    isOpen: true }, "unavailable", /HTTP status 503/],
  ["a bomb as an error", { status: 503, fields: { ...json, "content-encoding": "gzip" }, body: [gzipSync(zeros)] },
    "unavailable", /HTTP status 503/],
  ["a success in JSON", { fields: json, body: [text("{}")] }, "internal", /expected application\/proto/],
  ["a stream's body", { fields: { "content-type": "application/connect+proto" }, body: [message] }, "internal",
    /application\/connect\+proto.*expected application\/proto/],
  ...(version === 1 ? [] : [["more than was announced", { fields: { ...fields, "content-length": "1" }, body: [fine] },
    "internal", /of other than the 1 bytes of content-length/] satisfies Told]),
];

const truths: readonly [string, Truth, (truth: Truth) => Told[]][] = [
  ["gRPC", grpcTruth(), (truth) => [...badEnvelopes(truth), ...grpcOwn(truth)]],
  ["gRPC-Web over HTTP/1.1", webTruth(1), (truth) => [...badEnvelopes(truth), ...webOwn(truth)]],
  ["gRPC-Web over HTTP/2", webTruth(2), (truth) => [...badEnvelopes(truth), ...webOwn(truth)]],
  ["Connect over HTTP/1.1", connectTruth(1), connectOwn],
  ["Connect over HTTP/2", connectTruth(2), connectOwn],
];

for (const [name, truth, own] of truths) {
  test(`a server that answers by ${name}`, async (t) => {
    let lie: Lie | ((exchange: Exchange) => void) | undefined;
    const honest = truth.lie([truth.isBare ? fine : message]);
    const liar = await lying(truth.version, answering((exchange) => {
      const one = lie ?? honest;
      lie = undefined;
      if (typeof one === "function") one(exchange);
      else tell(exchange, one);
    }));
    const client = clientOf(liar.address, truth.protocol);
    for (const [what, one, code, says] of [...strangers(truth), ...badMessages(truth), ...own(truth)]) {
      await t.test(what, async () => {
        lie = one;
        const error = await errorOf(client.echo(value));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, says);
        assert.equal(error.neverStarted, false);
        assert.deepEqual(await client.echo(value), value);
      });
    }
    if (truth.version === 2) assert.equal(liar.accepted(), 1, "the connection was kept");
    client.$.close(0);
    await liar.close();
  });
}
