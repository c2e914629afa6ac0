/** Bad callers of gRPC. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onSockets } from "./harness.ts";
import { badCalls } from "./http-cases.ts";
import { ask, connectRaw, fine, grpcSpoken, serving, stillServes, text } from "./http-harness.ts";
import { envelope } from "../conformance/raw-exchange.ts";

badCalls(grpcSpoken);

test("gRPC over HTTP/1.1 is told to come by HTTP/2", () => onSockets(serving, async (harness) => {
  const raw = await connectRaw(harness, 1);
  const { head, body } = await (() => {
    const asking = raw.ask({ "content-type": "application/grpc" }, "/bad.v1.Target/Echo");
    asking.send(envelope(fine), true);
    return asking.ended;
  })();
  assert.equal(head?.status, 505);
  assert.match(new TextDecoder().decode(body), /grpc needs HTTP\/2/);
  await harness.event("server.call.refused", /grpc needs HTTP\/2/);
  raw.connection.close(0);
}));

test("requests that are no calls: the status of HTTP, and what is served here", () => onSockets(serving,
  async (harness) => {
    const raw = await connectRaw(harness, 2);
    const cases: [string, string | undefined, number, RegExp][] = [
      ["PUT", "application/grpc", 405, /^$/], ["GET", undefined, 405, /GET is not served here: calls are made by POST/],
      ["POST", "text/plain", 415, /"text\/plain" is not served here; served: application\/grpc, .*application\/json/],
      ["POST", undefined, 415, /content type "" is not served here/],
      ["POST", "application/grpcx", 415, /"application\/grpcx"/],
      ["POST", "application/grpc, application/grpc", 415, /is not served here/],
    ];
    for (const [method, type, status, says] of cases) {
      const asking = raw.ask(type === undefined ? {} : { "content-type": type }, "/bad.v1.Target/Echo", method);
      asking.send(text("{}"), true);
      const { head, body } = await asking.ended;
      assert.equal(head?.status, status);
      assert.match(new TextDecoder().decode(body), says);
      assert.ok(status !== 405 || head.fields["allow"] === "POST");
      assert.ok(status !== 415 || /application\/grpc/.test(head.fields["accept-post"] ?? ""));
    }
    assert.equal(harness.events.filter(({ name }) => name === "server.call.refused").length, cases.length);
    await stillServes(raw, grpcSpoken);
    raw.connection.close(0);
  }));

test("a codec that nobody knows, and metadata that is no base64", () => onSockets(serving, async (harness) => {
  const raw = await connectRaw(harness, 2);
  const said = await ask(raw, grpcSpoken, { codec: "foo", body: [envelope(fine)] });
  assert.equal(said.code, "unimplemented");
  assert.match(said.text, /codec "foo" is not known here; known are proto/);
  // Metadata are the handlers' to read: what is under such a name comes to them as it was sent.
  const who = await ask(raw, grpcSpoken, { method: "Who", fields: { "x-bin": "%%%" }, body: [envelope(text(""))] });
  assert.equal(who.code, "ok");
  assert.match(new TextDecoder().decode(who.messages[0]), /x-bin/);
  raw.connection.close(0);
}));
