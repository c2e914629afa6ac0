import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobufjs from "protobufjs";
import { RpcError } from "../core/error.ts";
import {
  badRequest, findDetail, quotaFailure, readDetail, retryInfo, type RichDetails, richDetail,
} from "./rich-details.ts";

const root = protobufjs.parse(`syntax = "proto3"; package google.rpc;
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message RetryInfo { Duration retry_delay_ms = 1; }
  message DebugInfo { repeated string stack_entries = 1; string detail = 2; }
  message QuotaFailure {
    message Violation {
      string subject = 1; string description = 2; string api_service = 3; string quota_metric = 4; string quota_id = 5;
      map<string, string> quota_dimensions = 6; int64 quota_value = 7; optional int64 future_quota_value = 8;
    }
    repeated Violation violations = 1;
  }
  message PreconditionFailure {
    message Violation { string type = 1; string subject = 2; string description = 3; }
    repeated Violation violations = 1;
  }
  message BadRequest {
    message FieldViolation {
      string field = 1; string description = 2; string reason = 3; LocalizedMessage localized_message = 4;
    }
    repeated FieldViolation field_violations = 1;
  }
  message RequestInfo { string request_id = 1; string serving_data = 2; }
  message ResourceInfo { string resource_type = 1; string resource_name = 2; string owner = 3; string description = 4; }
  message Help { message Link { string description = 1; string url = 2; } repeated Link links = 1; }
  message LocalizedMessage { string locale = 1; string message = 2; }`).root;

const text = fc.string({ unit: "binary", maxLength: 40 });
const labels = fc.dictionary(fc.string({ maxLength: 8 }).filter((key) => key !== "__proto__"), text, { maxKeys: 3 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const localized = fc.record({ locale: text, message: text });
const items = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });
const kinds: { readonly [K in keyof RichDetails]: fc.Arbitrary<RichDetails[K]> } = {
  ErrorInfo: fc.record({ reason: text, domain: text, metadata: labels }),
  RetryInfo: fc.record({ retryDelayMs: fc.nat() }),
  DebugInfo: fc.record({ stackEntries: items(text), detail: text }),
  QuotaFailure: fc.record({ violations: items(fc.record({
    subject: text, description: text, apiService: text, quotaMetric: text, quotaId: text, quotaDimensions: labels,
    quotaValue: int64, futureQuotaValue: int64,
  }, { requiredKeys: [
    "subject", "description", "apiService", "quotaMetric", "quotaId", "quotaDimensions", "quotaValue",
  ] })) }),
  PreconditionFailure: fc.record({ violations: items(fc.record({ type: text, subject: text, description: text })) }),
  BadRequest: fc.record({ fieldViolations: items(fc.record(
    { field: text, description: text, reason: text, localizedMessage: localized },
    { requiredKeys: ["field", "description", "reason"] },
  )) }),
  RequestInfo: fc.record({ requestId: text, servingData: text }),
  ResourceInfo: fc.record({ resourceType: text, resourceName: text, owner: text, description: text }),
  Help: fc.record({ links: items(fc.record({ description: text, url: text })) }),
  LocalizedMessage: localized,
};

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value,
  (_, part: unknown) => (typeof part === "bigint" ? String(part) : part))) as unknown;

for (const kind of Object.keys(kinds) as (keyof RichDetails)[]) {
  test(`${kind} is written and read as by protobufjs`, () => {
    const type = root.lookupType(`google.rpc.${kind}`);
    fc.assert(fc.property(kinds[kind] as fc.Arbitrary<RichDetails[typeof kind]>, (fields) => {
      const detail = richDetail(kind, fields);
      assert.equal(detail.type, `google.rpc.${kind}`);
      const theirs = type.toObject(type.decode(detail.value), { defaults: true, longs: String, objects: true });
      if (kind === "RetryInfo") {
        const { retryDelayMs: { seconds, nanos } } = theirs as { retryDelayMs: { seconds: string; nanos: number } };
        theirs["retryDelayMs"] = Number(seconds) * 1_000 + nanos / 1_000_000;
      }
      const ours = plain(readDetail(detail, kind));
      assert.deepEqual(ours, plain(fields));
      assert.deepEqual(withoutAbsent(theirs), withoutAbsent(ours));
      const again = type.encode(type.decode(detail.value)).finish();
      assert.deepEqual(plain(readDetail({ ...detail, value: again }, kind)), ours);
    }), { seed: 20_261_121 });
  });
}

/** protobufjs shows an absent message as null, and an absent optional integer as 0. */
function withoutAbsent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, part: unknown) =>
    (part === null || key === "futureQuotaValue" && part === "0" ? undefined : part))) as unknown;
}

test("a detail is found in an error by its kind; what was left out is empty", () => {
  const error = new RpcError("resource_exhausted", "later", {
    details: [{ type: "other.Type", value: new Uint8Array(3) }, retryInfo({ retryDelayMs: 1_250 }),
      quotaFailure({ violations: [{ subject: "user:7" }] }), badRequest({})],
  });
  assert.equal(findDetail(error, "RetryInfo")?.retryDelayMs, 1_250);
  assert.equal(findDetail(error, "QuotaFailure")?.violations[0]?.quotaValue, 0n);
  assert.deepEqual(findDetail(error, "BadRequest"), { fieldViolations: [] });
  assert.equal(findDetail(error, "Help"), undefined);
  assert.equal(findDetail(new RpcError("internal", "none"), "Help"), undefined);
});

test("malformed details are no details, and never throw", () => {
  assert.equal(readDetail({ type: "google.rpc.Help", value: Uint8Array.of(0x0a, 0x7f) }, "Help"), undefined);
  fc.assert(fc.property(fc.constantFrom(...Object.keys(kinds) as (keyof RichDetails)[]),
    fc.uint8Array({ maxLength: 60 }), (kind, value) => {
      readDetail({ type: `google.rpc.${kind}`, value }, kind);
    }), { seed: 20_261_121, numRuns: 2_000 });
});
