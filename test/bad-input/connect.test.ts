/** Bad callers of Connect: bare bodies, streams, and calls by GET. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { envelope } from "../conformance/raw-exchange.ts";
import { onSockets } from "./harness.ts";
import { assertFailure, badCalls } from "./http-cases.ts";
import {
  ask, connectRaw, connectSpoken, connectStreamSpoken, fine, maxMessageBytes, type Said, serving, stillServes, text,
} from "./http-harness.ts";

badCalls(connectSpoken);
badCalls(connectStreamSpoken);

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const look = "/bad.v1.Target/Look";
const good = `${look}?connect=v1&encoding=proto&base64=1&message=${base64(fine)}`;
const bomb = base64(gzipSync(new Uint8Array(4 << 20)));

const queries: readonly [string, string, string, RegExp][] = [
  ["a version that is none", good.replace("v1&", "v9&"), "invalid_argument", /connect is "v9", expected v1/],
  ["a message that is no base64", `${look}?encoding=proto&base64=1&message=!!!`, "invalid_argument", /not base64/],
  ["text that is not escaped right", `${look}?encoding=json&message=%zz`, "invalid_argument", /percent-encoded UTF-8/],
  ["an encoding not escaped right", `${look}?encoding=%c3%28&message=x`, "invalid_argument", /query's encoding/],
  ["a message that is no JSON", `${look}?encoding=json&message=nope`, "invalid_argument", /JSON/],
  ["a message of another type", `${look}?encoding=json&message=%7B%22n%22%3A%22x%22%7D`, "invalid_argument", /\bn\b/],
  ["a codec that nobody knows", `${look}?encoding=foo&message=x`, "unimplemented", /codec "foo" is not known here/],
  ["an unknown compression", `${look}?encoding=proto&compression=sevenzip&message=`, "unimplemented", /"sevenzip"/],
  ["a bomb", `${look}?encoding=proto&base64=1&compression=gzip&message=${bomb}`, "resource_exhausted",
    /maxMessageBytes/],
  ["a method that is none", good.replace("Look", "Nope"), "unimplemented", /no method "Nope"/],
];

for (const version of [1, 2] as const) {
  test(`calls by GET, over HTTP/${version}`, (t) => onSockets(serving, async (harness) => {
    const raw = await connectRaw(harness, version);
    const get = (path: string) => raw.ask({}, path, "GET", true).ended;
    for (const [name, path, code, says] of queries) {
      await t.test(name, async () => {
        assertFailure(connectSpoken.said(await get(path)), code, says);
        assert.deepEqual([...(await get(good)).body], [...fine]);
      });
    }
    const unsafe = await get(good.replace("Look", "Echo"));
    assert.deepEqual([unsafe.head?.status, unsafe.head?.fields["allow"]], [405, "POST"]);
    assert.match(new TextDecoder().decode(unsafe.body), /may have side effects: call it by POST/);
    await harness.event("server.call.refused", /side effects/);
    assert.equal((await get(`${look}?message=x`)).head?.status, 405);
    await stillServes(raw, connectSpoken);
    raw.connection.close(0);
  }));

  test(`bodies and heads of other protocols, over HTTP/${version}`, () => onSockets(serving, async (harness) => {
    const raw = await connectRaw(harness, version);
    const expectFailure = async (call: Parameters<typeof ask>[2], code: string, says: RegExp): Promise<Said> => {
      const said = await ask(raw, connectSpoken, call);
      assertFailure(said, code, says);
      return said;
    };
    await expectFailure({ body: [envelope(fine)] }, "invalid_argument", /./);
    await expectFailure({ codec: "json", body: [envelope(text("{}"))] }, "invalid_argument", /JSON/);
    await expectFailure({ fields: { "connect-protocol-version": "2" }, body: [fine] }, "invalid_argument",
      /connect-protocol-version is "2", expected 1/);
    await expectFailure({ method: "Count", body: [fine] }, "unimplemented", /Count is server_stream, not unary/);
    const large = await expectFailure({ body: [new Uint8Array(maxMessageBytes + 1)] }, "resource_exhausted",
      /exceeds maxMessageBytes 100000/);
    assert.equal(large.status, 429);
    await stillServes(raw, connectSpoken);
    raw.connection.close(0);
  }));
}
