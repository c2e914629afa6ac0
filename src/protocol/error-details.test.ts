import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as z from "zod";
import { json } from "../codec/json.ts";
import { msgpack } from "../codec/msgpack/index.ts";
import { protobuf } from "../codec/protobuf/index.ts";
import { codersOf, type MethodCoders, rawCoders } from "../contract/coders.ts";
import { rpc, service, Writer } from "../contract/index.ts";
import { type ErrorDetail, RpcError } from "../core/error.ts";
import { emptyMetadata } from "../core/metadata.ts";
import { detailsToSend, receivedError } from "./error-details.ts";
import { badRequest, errorInfo, findDetail, retryInfo } from "./rich-details.ts";

const { get } = service("shop.v1.Orders", {
  get: rpc({
    input: z.object({}), output: z.object({}),
    errors: {
      Gone: z.object({ movedTo: z.string(), at: z.date() }),
      Busy: z.object({ seats: z.int32() }).meta({ id: "Seats" }),
      Full: z.object({ seats: z.int32() }).meta({ id: "Seats" }),
    },
  }),
}).methods;

const data = { movedTo: "Bern", at: new Date(1_000) };
const help = retryInfo({ retryDelayMs: 30 });
const gone = get.error("Gone", data);
const withHelp = new RpcError("not_found", "no", { reason: "Gone", data, details: [help] });

const received = (details: readonly ErrorDetail[], coders: MethodCoders | undefined): RpcError =>
  receivedError("not_found", "no", details, emptyMetadata, emptyMetadata, coders);

test("a declared error goes as its name and its message, and comes back with its data", () => {
  const coders = codersOf(get, protobuf);
  const details = detailsToSend(withHelp, coders, "shop.v1.Orders");
  assert.deepEqual(details.map(({ type }) => type),
    ["google.rpc.ErrorInfo", "shop.v1.OrdersGetGone", "google.rpc.RetryInfo"]);
  const info = findDetail(received(details, undefined), "ErrorInfo");
  assert.deepEqual([info?.reason, info?.domain], ["Gone", "shop.v1.Orders"]);
  const error = received(details, coders);
  assert.deepEqual([error.reason, error.data, error.details], ["Gone", data, [help]]);
});

test("every codec's callers have the data, whatever they know of Protobuf", () => {
  for (const codec of [json, msgpack]) {
    for (const [theirs, ours] of [[protobuf, undefined], [undefined, undefined], [undefined, protobuf]] as const) {
      const details = detailsToSend(gone, codersOf(get, codec, theirs), "shop.v1.Orders");
      const error = received(details, codersOf(get, codec, ours));
      assert.deepEqual([error.reason, error.data, error.details], ["Gone", data, undefined]);
    }
  }
});

test("without the contract everything stays, and goes on as it came", () => {
  const details = detailsToSend(withHelp, codersOf(get, protobuf), "shop.v1.Orders");
  const between = received(details, rawCoders("proto"));
  assert.equal(between.reason, "Gone");
  assert.deepEqual(between.details, details);
  assert.deepEqual(detailsToSend(between, rawCoders("proto"), "other"), details);
  // From a wire that has no details: the data alone are known.
  const writer = new Writer();
  protobuf.compile(get.errors["Gone"] as never).encode(data, writer);
  const bare = new RpcError("not_found", "no", { reason: "Gone", data: writer.finish() });
  const error = received(detailsToSend(bare, rawCoders("proto"), "shop.v1.Orders"), codersOf(get, protobuf));
  assert.deepEqual([error.reason, error.data], ["Gone", data]);
});

test("a server of another make attaches the message alone; a message of two errors tells neither", () => {
  const coders = codersOf(get, protobuf);
  const message = detailsToSend(gone, coders, "")[1] as ErrorDetail;
  const error = received([help, message], coders);
  assert.deepEqual([error.reason, error.data, error.details], ["Gone", data, [help]]);
  const seats = detailsToSend(get.error("Busy", { seats: 1 }), coders, "");
  assert.equal(seats[1]?.type, "shop.v1.Seats");
  assert.equal(received([seats[1]], coders).reason, undefined);
  assert.deepEqual(received(seats, coders).data, { seats: 1 });
});

test("what others attach passes untouched", () => {
  const other = { type: "a.B", value: new Uint8Array(2) };
  const details = [errorInfo({ reason: "Unknown", domain: "x" }), badRequest({}), other];
  for (const coders of [codersOf(get, protobuf), rawCoders("proto"), undefined]) {
    const error = received(details, coders);
    assert.deepEqual(error.details, details);
    assert.deepEqual(detailsToSend(error, coders, "x"), details);
  }
  const own = errorInfo({ reason: "Gone", domain: "x", metadata: { hint: "y" } });
  assert.deepEqual(received([own], codersOf(get, protobuf)).details, [own]);
});

test("malformed details never throw", () => {
  const types = ["google.rpc.ErrorInfo", "shop.v1.OrdersGetGone", "shop.v1.Seats"];
  const detail = fc.record({ type: fc.constantFrom(...types), value: fc.uint8Array({ maxLength: 30 }) });
  const coders = codersOf(get, protobuf);
  fc.assert(fc.property(fc.array(detail, { maxLength: 4 }), (details) => {
    assert.equal(received(details, coders).code, "not_found");
  }), { seed: 20_261_121, numRuns: 1_000 });
});
