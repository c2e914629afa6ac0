/** What a bad client may do to a server of HTTP/2: each attack that has a name, and the setting that bounds it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServedConnection } from "../../src/core/index.ts";
import { ErrorCode, FrameType, Setting } from "../../src/http/h2/constants.ts";
import { resolveHttp2Settings } from "../../src/http/h2/settings.ts";
import { type Exchange, http2Accept, type Http2Settings, type HttpHandler } from "../../src/http/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { echo, Heard, pattern, post, response, sendPiece } from "./exchange-pair.ts";
import { frame, RawHttp2, uint32 } from "./raw-http2.ts";

interface Attack {
  readonly raw: RawHttp2;
  served(): ServedConnection;
  /** What the server's half ended with. */
  ended(): string | undefined;
  sleep(ms: number): Promise<void>;
}

interface AttackOptions {
  readonly settings?: Partial<Http2Settings>;
  readonly handle?: HttpHandler;
  /** The client's own settings. */
  readonly says?: Readonly<Record<number, number>>;
  readonly opens?: boolean;
}

async function attack(options: AttackOptions, act: (attack: Attack) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const [server, client] = [simulation.host("server"), simulation.host("client")];
  await simulation.runUntil((async () => {
    let served: ServedConnection | undefined;
    let ended: string | undefined;
    const accept = http2Accept(server, {
      settings: options.settings, handle: options.handle ?? echo,
      ended: (_connection, error) => {
        ended = error?.message ?? "orderly";
      },
    });
    const listener = await server.network.listen("server:1", (stream) => {
      const accepted = accept(stream);
      served = accepted.connection;
      return accepted.sink;
    });
    const sleep = (ms: number) => new Promise<void>((resolve) => void client.clock.after(ms, resolve));
    // As a server does for each of its connections.
    const sweep = (): void => {
      if (ended === undefined) served?.sweep(server.clock.now());
      server.clock.after(1_000, sweep).unref();
    };
    sweep();
    const raw = new RawHttp2(false);
    raw.isPolite = options.opens !== false;
    raw.stream = client.network.connect(listener.address, raw);
    if (options.opens !== false) raw.open(options.says);
    await sleep(20);
    await act({ raw, sleep, served: () => served ?? assert.fail("not accepted"), ended: () => ended });
    raw.stream?.destroy();
    await listener.close();
  })(), 3_600_000);
}

/** The connection must have ended with `errorCode`, saying `why`. */
async function endsWith(one: Attack, errorCode: number, why: RegExp): Promise<void> {
  await one.sleep(2_000);
  assert.equal(one.raw.goAway?.[0], errorCode, String(one.raw.goAway));
  assert.match(one.raw.goAway[1], why);
  assert.match(one.ended() ?? "still there", why);
  assert.ok(one.raw.isClosed);
}

const slow: HttpHandler = () => new Heard();
const calm = ErrorCode.calm;
const codeOf = (one: { readonly payload: Uint8Array } | undefined) =>
  one === undefined ? undefined : Buffer.from(one.payload).readUInt32BE(0);

describe("floods end with ENHANCE_YOUR_CALM", () => {
  test("rapid reset (CVE-2023-44487)", () => attack({ handle: slow }, async (one) => {
    for (let i = 0; i < 1_200; i++) {
      const id = 2 * i + 1;
      one.raw.send(one.raw.headers(id, post(), false), frame(FrameType.reset, 0, id, uint32(8)));
    }
    await endsWith(one, calm, /resetBurst/);
  }));

  test("resets of as many streams as are answered are no attack", () => attack({}, async (one) => {
    for (let i = 0; i < 3_000; i++) {
      const id = 4 * i + 1;
      one.raw.send(one.raw.headers(id, post(), false), frame(FrameType.reset, 0, id, uint32(8)),
        one.raw.headers(id + 2, post(), true));
      if (i % 100 === 0) await one.sleep(1);
    }
    await one.sleep(50);
    assert.equal(one.ended(), undefined);
  }));

  test("resets that the server is made to send (CVE-2025-8671)", () => attack({ handle: slow }, async (one) => {
    for (let i = 0; i < 400; i++) {
      const id = 2 * i + 1;
      one.raw.send(one.raw.headers(id, post(), false), frame(FrameType.windowUpdate, 0, id, uint32(0)));
    }
    await endsWith(one, calm, /mistakeBurst/);
  }));

  test("CONTINUATION frames without end (CVE-2024-27316)", () => attack({}, async (one) => {
    one.raw.send(frame(FrameType.headers, 0, 1, [0x82]));
    for (let i = 0; i < 100; i++) one.raw.send(frame(FrameType.continuation, 0, 1, [0, 1, 97, 1, 98]));
    await endsWith(one, calm, /maxContinuations/);
  }));

  test("a header block without end", () => attack({}, async (one) => {
    one.raw.send(frame(FrameType.headers, 0, 1, [0x82]));
    for (let i = 0; i < 5; i++) one.raw.send(frame(FrameType.continuation, 0, 1, new Uint8Array(16_000)));
    await endsWith(one, calm, /maxHeaderBlockBytes/);
  }));

  for (const [name, type, flags, id, payload, why] of [
    ["PING (CVE-2019-9512)", FrameType.ping, 0, 0, new Uint8Array(8), /pingsPerSecond/],
    ["SETTINGS (CVE-2019-9515)", FrameType.settings, 0, 0, [], /settingsBurst/],
    ["SETTINGS acknowledgements", FrameType.settings, 1, 0, [], /settingsBurst/],
    ["PRIORITY (CVE-2019-9513)", FrameType.priority, 0, 1, [0, 0, 0, 0, 7], /idleFramesPerSecond/],
    ["frames of unknown types", 0x42, 0, 0, [1, 2, 3], /idleFramesPerSecond/],
    ["window updates", FrameType.windowUpdate, 0, 0, uint32(1), /windowUpdatesPerSecond/],
    ["answers to pings that nobody sent", FrameType.ping, 1, 0, new Uint8Array(8), /idleFramesPerSecond/],
    ["GOAWAY", FrameType.goAway, 0, 0, new Uint8Array(8), /settingsBurst/],
  ] as const) {
    test(name, () => attack({ handle: slow, settings: { pingsPerSecond: 1_000 } }, async (one) => {
      for (let i = 0; i < 1_500; i++) one.raw.send(frame(type, flags, id, payload));
      await endsWith(one, calm, why);
    }));
  }

  test("frames of DATA without data (CVE-2019-9518)", () => attack({ handle: slow }, async (one) => {
    one.raw.send(one.raw.headers(1, post(), false));
    for (let i = 0; i < 1_500; i++) one.raw.send(frame(FrameType.data, 0, 1));
    await endsWith(one, calm, /idleFramesPerSecond/);
  }));

  test("heads without fields (CVE-2019-9516 and 9518)", () => attack({ handle: slow }, async (one) => {
    for (let i = 0; i < 1_500; i++) one.raw.send(frame(FrameType.headers, 4, 2 * i + 1));
    await endsWith(one, calm, /mistakeBurst|idleFramesPerSecond/);
  }));

  test("streams beyond maxConcurrentStreams are refused, and too many end it", () => {
    return attack({ handle: slow, settings: { maxConcurrentStreams: 3 } }, async (one) => {
      for (let i = 0; i < 5; i++) one.raw.send(one.raw.headers(2 * i + 1, post(), true));
      await one.sleep(20);
      assert.deepEqual(one.raw.of(FrameType.reset).map((reset) => [reset.id, codeOf(reset)]),
        [[7, ErrorCode.refused], [9, ErrorCode.refused]]);
      assert.equal(one.served().inFlight, 3);
      for (let i = 5; i < 300; i++) one.raw.send(one.raw.headers(2 * i + 1, post(), true));
      await endsWith(one, calm, /mistakeBurst/);
    });
  });
});

describe("heads are bounded", () => {
  test("a head larger than maxHeaderListBytes is answered with 431, and the connection goes on", () => {
    return attack({ settings: { maxHeaderListBytes: 2_000 } }, async (one) => {
      one.raw.send(one.raw.headers(1, post("/x", { "x-large": "y".repeat(2_000) }), true));
      one.raw.send(one.raw.headers(3, post(), true));
      await one.sleep(20);
      const [first, second] = one.raw.of(FrameType.headers)
        .map(({ payload }) => one.raw.decoder.decode(payload, 0, payload.length).status);
      assert.deepEqual([first, second], [431, 200]);
    });
  });

  test("more fields than maxHeaderFields too", () => attack({ settings: { maxHeaderFields: 20 } }, async (one) => {
    one.raw.send(one.raw.headers(1, post("/x", Object.fromEntries(pattern(20).keys()
      .map((i) => [`x-${i}`, "y"]))), true));
    await one.sleep(20);
    const { payload } = one.raw.of(FrameType.headers)[0] ?? assert.fail("no answer");
    assert.equal(one.raw.decoder.decode(payload, 0, payload.length).status, 431);
  }));

  test("a bomb of references to one large field is not unpacked", () => attack({}, async (one) => {
    // One field of 4,000 bytes enters the table; then a byte refers to it, sixteen thousand times.
    const value = Buffer.from("z".repeat(3_900));
    const literal = [0x40, 1, 0x61, 0x7f, value.length - 0x7f & 0x7f | 0x80, value.length - 0x7f >> 7, ...value];
    const block = Uint8Array.from([0x82, 0x86, 0x84, ...literal, ...new Uint8Array(12_000).fill(0xbe)]);
    const before = process.memoryUsage().heapUsed;
    one.raw.send(frame(FrameType.headers, 5, 1, block));
    await one.sleep(20);
    const { payload } = one.raw.of(FrameType.headers)[0] ?? assert.fail("no answer");
    assert.equal(one.raw.decoder.decode(payload, 0, payload.length).status, 431);
    assert.ok(process.memoryUsage().heapUsed - before < 20_000_000);
  }));

  test("a table larger than we offered ends it", () => attack({}, async (one) => {
    one.raw.send(frame(FrameType.headers, 5, 1, [0x3f, 0xe2, 0x1f, 0x82]));
    await endsWith(one, ErrorCode.compression, /headerTableBytes/);
  }));
});

/** A handler that answers with `size` bytes at once. */
const answering = (size: number): HttpHandler => (_request, exchange) => {
  const heard = new Heard();
  exchange.head(response(), false);
  sendPiece(exchange, pattern(size), true);
  return heard;
};

describe("windows and slow readers", () => {
  test("what waits for the peer's window is bounded over the connection", async () => {
    const errors: string[] = [];
    const handle: HttpHandler = (_request, exchange: Exchange) => {
      const heard = new Heard();
      void heard.done.then(() => errors.push(heard.error?.message ?? ""));
      exchange.head(response(), false);
      sendPiece(exchange, pattern(60_000), false);
      return heard;
    };
    const says = { [Setting.initialWindowBytes]: 0 };
    await attack({ handle, settings: { maxQueuedBytes: 200_000 }, says }, async (one) => {
      for (let i = 0; i < 6; i++) one.raw.send(one.raw.headers(2 * i + 1, post(), true));
      await one.sleep(50);
      assert.equal(errors.length, 3);
      assert.match(errors[0] ?? "", /maxQueuedBytes/);
      assert.equal(one.served().inFlight, 3);
    });
  });

  test("a reader that lets nothing out loses its stream (CVE-2019-9517)", async () => {
    const says = { [Setting.initialWindowBytes]: 0 };
    await attack({ handle: answering(5_000), says }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), true));
      await one.sleep(15_000);
      assert.equal(one.served().inFlight, 1);
      await one.sleep(10_000);
      assert.equal(one.served().inFlight, 0);
      assert.equal(codeOf(one.raw.of(FrameType.reset, 1)[0]), ErrorCode.cancel);
    });
  });

  test("nor may it let out a byte now and then (CVE-2019-9511)", async () => {
    const says = { [Setting.initialWindowBytes]: 1 };
    await attack({ handle: answering(50_000), says }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), true));
      for (let i = 0; i < 30; i++) {
        await one.sleep(1_000);
        one.raw.send(frame(FrameType.windowUpdate, 0, 1, uint32(1)));
      }
      assert.equal(codeOf(one.raw.of(FrameType.reset, 1)[0]), ErrorCode.cancel);
    });
  });

  test("nor a thousand small pieces a second", async () => {
    const says = { [Setting.initialWindowBytes]: 1 };
    await attack({ handle: answering(50_000), says, settings: { windowUpdatesPerSecond: 1e6 } }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), true));
      for (let i = 0; i < 2_000; i++) one.raw.send(frame(FrameType.windowUpdate, 0, 1, uint32(1)));
      await endsWith(one, calm, /smallPiecesPerSecond/);
    });
  });

  test("more DATA than the windows allow", async () => {
    await attack({ handle: slow, settings: { streamWindowBytes: 1_000 } }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), false), frame(FrameType.data, 0, 1, pattern(1_001)));
      await one.sleep(20);
      assert.equal(codeOf(one.raw.of(FrameType.reset, 1)[0]), ErrorCode.flowControl);
      assert.equal(one.ended(), undefined);
    });
    await attack({ handle: slow, settings: { connectionWindowBytes: 65_535 } }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), false));
      // Held by a reader that gives nothing back.
      for (let i = 0; i < 5; i++) one.raw.send(frame(FrameType.data, 0, 1, pattern(16_384)));
      await endsWith(one, ErrorCode.flowControl, /connectionWindowBytes/);
    });
  });

  test("windows that exceed 2^31-1, however it comes about", async () => {
    await attack({}, async (one) => {
      one.raw.send(frame(FrameType.windowUpdate, 0, 0, uint32(0x7fff_ffff)));
      await endsWith(one, ErrorCode.flowControl, /2\^31-1/);
    });
  });

  test("a peer that reads nothing is cut off", async () => {
    const says = { [Setting.initialWindowBytes]: 0x7fff_ffff };
    await attack({ handle: answering(8_000_000), says }, async (one) => {
      one.raw.stream?.pause();
      one.raw.send(frame(FrameType.windowUpdate, 0, 0, uint32(0x7fff_0000)), one.raw.headers(1, post(), true));
      await one.sleep(15_000);
      assert.equal(one.ended(), undefined);
      await one.sleep(10_000);
      assert.match(one.ended() ?? "still there", /read nothing for/);
    });
  });
});

describe("what is left half done", () => {
  test("no preface, half a preface, no settings", async () => {
    const openings = [[], [Buffer.from("PRI * HTTP/2.0\r\n")], [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]];
    for (const parts of openings) {
      await attack({ opens: false, settings: { openingTimeoutMs: 3_000 } }, async (one) => {
        one.raw.send(...parts);
        await one.sleep(2_900);
        assert.equal(one.ended(), undefined);
        await endsWith(one, ErrorCode.settingsTimeout, /openingTimeoutMs/);
      });
    }
  });

  test("another protocol", () => attack({ opens: false }, async (one) => {
    one.raw.send(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    await endsWith(one, ErrorCode.protocol, /does not speak HTTP\/2/);
  }));

  test("settings that are never acknowledged", async () => {
    await attack({ opens: false, settings: { settingsTimeoutMs: 3_000 } }, async (one) => {
      one.raw.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(FrameType.settings, 0, 0));
      await one.sleep(2_000);
      assert.equal(one.ended(), undefined);
      await one.sleep(1_000);
      await endsWith(one, ErrorCode.settingsTimeout, /settingsTimeoutMs/);
    });
  });

  test("a frame, and a head, that stop half way", async () => {
    const halves = [frame(FrameType.data, 0, 1, pattern(100)).subarray(0, 50), frame(FrameType.headers, 0, 1, [0x82])];
    for (const half of halves) {
      await attack({}, async (one) => {
        one.raw.send(half);
        await one.sleep(15_000);
        assert.equal(one.ended(), undefined);
        await one.sleep(10_000);
        assert.match(one.ended() ?? "still there", /unfinished for 20000 ms \(stallTimeoutMs\)/);
      });
    }
  });

  test("a client that vanishes in the midst of everything", async () => {
    const server = new Heard();
    await attack({ handle: () => server }, async (one) => {
      one.raw.send(one.raw.headers(1, post(), false), frame(FrameType.data, 0, 1, pattern(10)).subarray(0, 12));
      await one.sleep(10);
      one.raw.stream?.destroy();
      await one.sleep(50);
      assert.equal(server.error?.code, "cancelled");
      assert.match(one.ended() ?? "", /middle of a frame/);
    });
  });

  test("a drain ends in time with a client that answers nothing, and refuses what comes too late", async () => {
    await attack({ handle: slow, settings: { drainWaitMs: 500 } }, async (one) => {
      one.raw.isPolite = false;
      one.raw.send(one.raw.headers(1, post(), true));
      await one.sleep(10);
      one.served().drain({ message: "restart" } as never);
      await one.sleep(100);
      assert.equal(one.raw.of(FrameType.goAway).length, 1);
      one.raw.send(one.raw.headers(3, post(), true));
      await one.sleep(1_000);
      const last = one.raw.of(FrameType.goAway).at(-1)?.payload;
      assert.equal(Buffer.from(last ?? []).readUInt32BE(0), 3);
      one.raw.send(one.raw.headers(5, post(), false), frame(FrameType.data, 1, 5, pattern(9)));
      await one.sleep(50);
      assert.equal(one.served().inFlight, 2);
      assert.equal(one.ended(), undefined);
    });
  });
});

test("settings that are no limits are refused by name", () => {
  for (const bad of [{ maxFrameBytes: 100 }, { resetBurst: NaN }, { streamWindowBytes: 0 }, { stallTimeoutMs: -1 }]) {
    assert.throws(() => resolveHttp2Settings(bad), new RegExp(`${Object.keys(bad)[0]} is .*, expected a number`));
  }
  assert.equal(resolveHttp2Settings({ maxFrameBytes: Infinity }).maxFrameBytes, 0xff_ffff);
});
