/** Bad callers of gRPC-Web, in bytes and in base64. */
import { test } from "node:test";
import { envelope } from "../conformance/raw-exchange.ts";
import { onSockets } from "./harness.ts";
import { assertFailure, badCalls } from "./http-cases.ts";
import { ask, connectRaw, fine, serving, stillServes, text, webSpoken, webTextSpoken } from "./http-harness.ts";

badCalls(webSpoken);
badCalls(webTextSpoken);

for (const version of [1, 2] as const) {
  test(`bodies in the wrong form, over HTTP/${version}`, () => onSockets(serving, async (harness) => {
    const raw = await connectRaw(harness, version);
    const base64 = Buffer.from(envelope(fine)).toString("base64");
    for (const [name, body, says] of [
      ["no base64", "!!!!", /the body is not base64/],
      ["bytes for base64", envelope(fine), /the body is not base64/],
      ["base64 of another alphabet", base64.replaceAll("A", "-"), /the body is not base64/],
      ["base64 cut", base64.slice(0, -2), /ended within a message|not base64/],
      ["padding alone", "====", /the body is not base64/],
    ] as const) {
      const bytes = typeof body === "string" ? text(body) : body;
      assertFailure(await ask(raw, webTextSpoken, { body: [bytes] }), "invalid_argument", says);
      await stillServes(raw, webTextSpoken);
      void name;
    }
    assertFailure(await ask(raw, webSpoken, { body: [text(base64)] }), "internal", /envelope/);
    const trailers = envelope(text("grpc-status: 0\r\n"), 0x80);
    assertFailure(await ask(raw, webSpoken, { body: [envelope(fine), trailers] }), "internal", /unknown flags \(128\)/);
    await stillServes(raw, webSpoken);
    raw.connection.close(0);
  }));
}
