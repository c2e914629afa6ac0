/** Bad and busy servers: whatever comes, and whenever, a client's exchanges end once and nothing escapes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorCode, FrameType, Setting } from "../../src/http/h2/constants.ts";
import { Head, http2Connect, type HttpConnection, type Http2Settings } from "../../src/http/index.ts";
import { expected, RpcError } from "../../src/core/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { fields, Heard, pattern, post, response, sendPiece } from "./exchange-pair.ts";
import { frame, RawHttp2, settingsFrame, uint32 } from "./raw-http2.ts";

interface Scene {
  readonly connection: HttpConnection;
  readonly raw: RawHttp2;
  readonly told: string[];
  /** Why it closed; undefined while it is open or after an orderly end. */
  why(): RpcError | undefined;
  sleep(ms: number): Promise<void>;
}

interface SceneOptions {
  readonly settings?: Partial<Http2Settings>;
  /** The server's settings; `null`: it says none. */
  readonly says?: Readonly<Record<number, number>> | null;
}

async function against(options: SceneOptions, act: (scene: Scene) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const [server, client] = [simulation.host("server"), simulation.host("client")];
  await simulation.runUntil((async () => {
    const raw = new RawHttp2(true);
    raw.isPolite = options.says !== null;
    const listener = await server.network.listen("server:1", (stream) => {
      raw.stream = stream;
      if (options.says !== null) raw.open(options.says);
      return raw;
    });
    const told: string[] = [];
    let why: RpcError | undefined;
    const connection = http2Connect({ settings: options.settings })(client, listener.address, {
      opened: () => void told.push("opened"),
      available: () => void told.push("available"),
      draining: () => void told.push("draining"),
      pinged: () => void told.push("pinged"),
      closed: (error) => {
        why = error;
        told.push("closed");
      },
    });
    const sleep = (ms: number) => new Promise<void>((resolve) => void client.clock.after(ms, resolve));
    await sleep(20);
    await act({ connection, raw, told, sleep, why: () => why });
    connection.abort(expected("cancelled", "the test is over"));
    await sleep(10);
    assert.equal(told.filter((one) => one === "closed").length, 1);
    raw.stream?.destroy();
    await listener.close();
  })(), 3_600_000);
}

function ask(scene: Scene, body: Uint8Array | undefined = pattern(10)): Heard {
  const heard = new Heard();
  heard.exchange = scene.connection.request(post(), body === undefined, heard);
  if (body !== undefined) sendPiece(heard.exchange, body, true);
  return heard;
}

const goAway = (lastId: number, code = 0, text = "") =>
  frame(FrameType.goAway, 0, 0, [...uint32(lastId), ...uint32(code), ...Buffer.from(text)]);

test("GOAWAY: streams above the last were never started, the others go on", () => against({}, async (scene) => {
  const [first, second, third] = [ask(scene), ask(scene), ask(scene)];
  await scene.sleep(10);
  scene.raw.send(goAway(1, 0, "restart"));
  await scene.sleep(10);
  assert.deepEqual([second.error?.neverStarted, third.error?.neverStarted, first.error], [true, true, undefined]);
  assert.match(second.error?.message ?? "", /restart/);
  assert.deepEqual(scene.told, ["opened", "draining"]);
  assert.throws(() => ask(scene), (error) => RpcError.is(error) && error.neverStarted);
  scene.raw.send(scene.raw.headers(1, response(), false), frame(FrameType.data, 1, 1, pattern(3)));
  await scene.sleep(10);
  assert.deepEqual([first.headHeard?.status, first.bytes, first.error], [200, 3, undefined]);
  assert.deepEqual(scene.told, ["opened", "draining", "closed"]);
  assert.equal(scene.why(), undefined);
}));

test("GOAWAY on an idle connection, once, twice, and with its end", () => against({}, async (scene) => {
  scene.raw.send(goAway(0x7fff_ffff), goAway(0), goAway(0, ErrorCode.calm, "too_many_pings"));
  scene.raw.stream?.end();
  await scene.sleep(20);
  assert.deepEqual(scene.told, ["opened", "draining", "closed"]);
}));

test("GOAWAY, then the end: what was begun has an unknown outcome", () => against({}, async (scene) => {
  const heard = ask(scene);
  await scene.sleep(10);
  scene.raw.send(goAway(1, ErrorCode.internal, "boom"));
  scene.raw.stream?.end();
  await scene.sleep(20);
  assert.deepEqual([heard.error?.code, heard.error?.neverStarted], ["unavailable", false]);
  assert.match(heard.error?.message ?? "", /boom/);
}));

test("a server that closes within a head", () => against({}, async (scene) => {
  const [one, other] = [ask(scene), ask(scene)];
  await scene.sleep(10);
  scene.raw.send(scene.raw.headers(1, response({ "x-a": "long enough to be cut" }), false).subarray(0, 14));
  scene.raw.stream?.end();
  await scene.sleep(20);
  assert.match(one.error?.message ?? "", /middle of a frame/);
  assert.ok(other.error !== undefined);
  assert.deepEqual(scene.told, ["opened", "closed"]);
}));

test("RST_STREAM: before, within and behind a response, and for no stream", () => against({}, async (s) => {
  const [one, two, three] = [ask(s), ask(s), ask(s)];
  await s.sleep(10);
  s.raw.send(frame(FrameType.reset, 0, 1, uint32(ErrorCode.refused)));
  s.raw.send(s.raw.headers(3, response(), false), frame(FrameType.reset, 0, 3, uint32(ErrorCode.internal)));
  s.raw.send(s.raw.headers(5, response(), true), frame(FrameType.reset, 0, 5, uint32(ErrorCode.none)),
    frame(FrameType.data, 0, 5, pattern(3)), s.raw.headers(5, response(), true), frame(FrameType.windowUpdate, 0, 5,
      uint32(9)), frame(FrameType.reset, 0, 1, uint32(1)));
  await s.sleep(10);
  assert.deepEqual([one.error?.code, one.error?.neverStarted], ["unavailable", true]);
  assert.deepEqual([two.error?.code, two.error?.neverStarted], ["internal", false]);
  assert.deepEqual([three.error, three.headHeard?.status], [undefined, 200]);
  assert.deepEqual(s.told, ["opened"]);
  s.raw.send(frame(FrameType.reset, 0, 7, uint32(1)));
  await s.sleep(10);
  assert.match(s.why()?.message ?? "", /idle stream 7/);
}));

test("what comes for a stream that we reset is heard by nobody, and credited", () => against({}, async (scene) => {
  const heard = ask(scene);
  heard.exchange?.reset("cancel");
  await scene.sleep(10);
  scene.raw.send(scene.raw.headers(1, response(), false));
  for (let i = 0; i < 600; i++) scene.raw.send(frame(FrameType.data, 0, 1, pattern(16_000)));
  await scene.sleep(50);
  assert.ok(!heard.isDone && heard.bytes === 0);
  assert.ok(scene.raw.of(FrameType.windowUpdate, 0).length >= 2, "credited");
  assert.deepEqual(scene.told, ["opened"]);
}));

test("informational responses are passed over, within limits", () => against({}, async (scene) => {
  const [one, two] = [ask(scene), ask(scene)];
  await scene.sleep(10);
  const early = new Head(fields({ link: "</a>" }), 103);
  scene.raw.send(scene.raw.headers(1, early, false), scene.raw.headers(1, new Head(fields(), 100), false),
    scene.raw.headers(1, response(), true));
  for (let i = 0; i < 20; i++) scene.raw.send(scene.raw.headers(3, early, false));
  await scene.sleep(10);
  assert.deepEqual([one.headHeard?.status, one.error], [200, undefined]);
  assert.match(two.error?.message ?? "", /maxInformational/);
}));

test("the server's limit of streams is kept, and news of room told once", () => {
  return against({ says: { [Setting.maxConcurrentStreams]: 2 } }, async (scene) => {
    ask(scene);
    ask(scene);
    assert.ok(!scene.connection.available);
    assert.throws(() => ask(scene), (error) => RpcError.is(error) && error.neverStarted);
    await scene.sleep(10);
    scene.raw.send(scene.raw.headers(1, response(), true), scene.raw.headers(3, response(), true));
    await scene.sleep(10);
    assert.deepEqual(scene.told, ["opened", "available"]);
    scene.raw.send(settingsFrame({ [Setting.maxConcurrentStreams]: 0 }));
    await scene.sleep(10);
    assert.ok(!scene.connection.available);
    scene.raw.send(settingsFrame({ [Setting.maxConcurrentStreams]: 5 }));
    await scene.sleep(10);
    assert.deepEqual(scene.told, ["opened", "available", "available"]);
    ask(scene).exchange?.reset("cancel");
    assert.ok(scene.connection.available);
  });
});

test("a window that shrinks below nothing stops a body, until it grows again", () => {
  return against({ says: { [Setting.initialWindowBytes]: 100 } }, async (scene) => {
    const heard = ask(scene, pattern(1_000));
    await scene.sleep(10);
    const sent = () => scene.raw.of(FrameType.data, 1).reduce((sum, { payload }) => sum + payload.length, 0);
    assert.equal(sent(), 100);
    assert.equal(heard.exchange?.writable, true, "all was handed over");
    scene.raw.send(settingsFrame({ [Setting.initialWindowBytes]: 0 }), frame(FrameType.windowUpdate, 0, 1, uint32(50)));
    await scene.sleep(10);
    assert.equal(sent(), 100);
    scene.raw.send(settingsFrame({ [Setting.initialWindowBytes]: 2_000 }));
    await scene.sleep(10);
    assert.equal(sent(), 1_000);
  });
});

for (const [name, bytes, why] of [
  ["a push", frame(FrameType.pushPromise, 4, 1, [...uint32(2), 0x82]), /PUSH_PROMISE/],
  ["no HPACK", frame(FrameType.headers, 5, 1, [0x80]), /COMPRESSION_ERROR/],
  ["a frame too large", frame(FrameType.data, 0, 1, new Uint8Array(20_000)), /maxFrameBytes/],
  ["settings that make no sense", settingsFrame({ [Setting.maxFrameBytes]: 5 }), /SETTINGS_MAX_FRAME_SIZE/],
  ["a window beyond bounds", frame(FrameType.windowUpdate, 0, 0, uint32(0x7fff_ffff)), /2\^31-1/],
] as const) {
  test(`${name} ends the connection, and every exchange with it`, () => against({}, async (scene) => {
    const heard = ask(scene);
    await scene.sleep(10);
    scene.raw.send(bytes);
    await scene.sleep(10);
    assert.match(heard.error?.message ?? "", why);
    assert.match(scene.why()?.message ?? "", why);
    assert.ok(scene.raw.goAway !== undefined);
  }));
}

for (const [name, head, why] of [
  ["no :status", new Head(fields({ a: "b" })), /without :status/],
  ["a :status that is none", new Head(fields(), 42), /:status/],
  ["a head above the limit", response({ "x-a": "y".repeat(3_000) }), /maxHeaderListBytes/],
  ["a content-length that it does not keep", response({ "content-length": "7" }), /content-length/],
] as const) {
  test(`a response with ${name} fails its exchange alone`, () => {
    return against({ settings: { maxHeaderListBytes: 2_000 } }, async (scene) => {
      const [one, other] = [ask(scene), ask(scene)];
      await scene.sleep(10);
      scene.raw.send(scene.raw.headers(1, head, true), scene.raw.headers(3, response(), true));
      await scene.sleep(10);
      assert.match(one.error?.message ?? "", why);
      assert.deepEqual([other.headHeard?.status, other.error], [200, undefined]);
    });
  });
}

test("pings are sparing with those who did not say that they bear many", () => against({}, async (scene) => {
  assert.ok(scene.connection.pingsSparingly);
  const heard = ask(scene);
  await scene.sleep(10);
  assert.deepEqual([1, 2, 3].map(() => scene.connection.ping()), [true, true, false]);
  await scene.sleep(10);
  scene.raw.send(scene.raw.headers(1, response(), true));
  await scene.sleep(10);
  assert.equal(heard.headHeard?.status, 200);
  assert.ok(scene.connection.ping());
  await scene.sleep(10);
  assert.equal(scene.told.filter((one) => one === "pinged").length, 3);
}));

test("pings are not sparing with ours", () => against({ says: { [Setting.takesPings]: 1 } }, async (scene) => {
  assert.ok(!scene.connection.pingsSparingly);
  for (let i = 0; i < 10; i++) assert.ok(scene.connection.ping());
}));

test("a server that says nothing, and one that speaks otherwise", async () => {
  await against({ says: null, settings: { openingTimeoutMs: 1_000 } }, async (scene) => {
    assert.ok(!scene.connection.available);
    await scene.sleep(900);
    assert.deepEqual(scene.told, []);
    await scene.sleep(200);
    assert.match(scene.why()?.message ?? "", /openingTimeoutMs/);
  });
  await against({ says: null }, async (scene) => {
    scene.raw.send(Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    await scene.sleep(10);
    assert.ok(scene.why() !== undefined);
  });
});

test("a sink that throws costs its own exchange", () => against({}, async (scene) => {
  const errors: unknown[] = [];
  const throwing = {
    head: () => {
      throw new Error("a bug");
    },
    data: () => undefined, trailers: () => undefined, writable: () => undefined,
    failed: (error: RpcError) => {
      errors.push(error.message);
      throw error;
    },
  };
  scene.connection.request(post(), true, throwing);
  const other = ask(scene);
  await scene.sleep(10);
  scene.raw.send(scene.raw.headers(1, response(), false), scene.raw.headers(3, response(), true));
  await scene.sleep(10);
  assert.deepEqual(errors, ["a bug"]);
  assert.equal(other.headHeard?.status, 200);
  assert.deepEqual(scene.told, ["opened"]);
}));
