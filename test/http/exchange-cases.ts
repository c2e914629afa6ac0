/** What every HTTP connection must do, whatever the version and whoever made it: the compliance suite of exchanges. */
import assert from "node:assert/strict";
import { expected, RpcError } from "../../src/core/index.ts";
import { type Exchange, Head } from "../../src/http/index.ts";
import {
  answering, ask, echo, type ExchangePair, fields, Heard, pattern, post, response, sameBytes, sendPiece,
} from "./exchange-pair.ts";

export interface ExchangeCase {
  readonly name: string;
  /** Only for this version of HTTP. */
  readonly version?: 2;
  run(pair: ExchangePair): Promise<void>;
}

/** Waits until `isSo`, in the pair's own time. */
async function until(pair: ExchangePair, isSo: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !isSo(); waited += 5) {
    assert.ok(waited < 60_000, `waited in vain for ${what}`);
    await pair.sleep(5);
  }
}

async function echoes(pair: ExchangePair, size: number): Promise<void> {
  pair.handle = echo;
  const body = pattern(size);
  const heard = ask(pair, post(), body);
  await heard.done;
  assert.equal(heard.error, undefined);
  assert.equal(heard.headHeard?.status, 200);
  sameBytes(heard.body, body);
}

/** The connection still carries requests. */
const goesOn = (pair: ExchangePair) => echoes(pair, 100);

const simple: readonly ExchangeCase[] = [
  {
    name: "a request and its response, with heads and bodies",
    async run(pair) {
      let seen: Head | undefined;
      let body: Uint8Array | undefined;
      pair.handle = answering((request) => {
        seen = request.request;
        ({ body } = request);
        const exchange = request.exchange as Exchange;
        assert.equal(exchange.version, pair.version);
        exchange.head(response({ "content-type": "text/plain", "x-answer": "forty-two", empty: "" }, 201), false);
        sendPiece(exchange, Buffer.from("hello"), true);
      });
      const heard = ask(pair, post("/a/b?c=d", { "x-question": "é?", te: "trailers" }), Buffer.from("what"));
      await heard.done;
      assert.equal(heard.error, undefined);
      assert.deepEqual([seen?.method, seen?.path, seen?.authority], ["POST", "/a/b?c=d", "test.example:80"]);
      assert.equal(seen?.fields["x-question"], "é?");
      assert.equal(Buffer.from(body ?? []).toString(), "what");
      assert.equal(heard.headHeard?.status, 201);
      assert.equal(heard.headHeard.fields["x-answer"], "forty-two");
      assert.equal(heard.headHeard.fields["empty"], "");
      assert.equal(Object.getPrototypeOf(heard.headHeard.fields), null);
      assert.equal(Buffer.from(heard.body).toString(), "hello");
    },
  },
  {
    name: "messages without bodies",
    async run(pair) {
      pair.handle = (request, exchange, last) => {
        assert.ok(last);
        assert.equal(request.method, "GET");
        exchange.head(response({ "x-a": "b" }, 204), true);
        return new Heard();
      };
      const head = new Head(fields({ accept: "*/*" }), 0, "GET", "/", "http", "h:1");
      const heard = ask(pair, head, undefined);
      await heard.done;
      assert.deepEqual([heard.headHeard?.status, heard.bytes, heard.error], [204, 0, undefined]);
    },
  },
  {
    name: "a body of no bytes, ended by an empty piece",
    async run(pair) {
      await echoes(pair, 0);
    },
  },
  {
    name: "trailers behind a body",
    async run(pair) {
      pair.handle = answering(({ exchange }) => {
        exchange?.head(response(), false);
        sendPiece(exchange as Exchange, pattern(10), false);
        exchange?.trailers(new Head(fields({ "grpc-status": "0", "x-end": "yes" })));
      });
      const heard = ask(pair, post("/t", { te: "trailers" }), pattern(3));
      await heard.done;
      assert.equal(heard.error, undefined);
      sameBytes(heard.body, pattern(10));
      assert.equal(heard.trailersHeard?.fields["x-end"], "yes");
    },
  },
  {
    name: "fifty requests, one after another",
    async run(pair) {
      for (let i = 0; i < 50; i++) await echoes(pair, i);
      assert.equal(pair.connection.inFlight, 0);
    },
  },
  {
    name: "a head that cannot be said is refused, and the connection goes on",
    async run(pair) {
      for (const bad of [{ "x-a": "b\nc" }, { "x a": "b" }, { "x-a": "漢" }, { "x-a": 5 as unknown as string }]) {
        assert.throws(() => pair.connection.request(post("/a", bad), false, new Heard()),
          (error) => RpcError.is(error) && error.code === "invalid_argument");
      }
      assert.equal(pair.connection.inFlight, 0);
      await goesOn(pair);
    },
  },
];

const bodies: readonly ExchangeCase[] = [
  {
    name: "large bodies in many pieces, both ways",
    async run(pair) {
      const body = pattern(1_500_000);
      const sends: Promise<void>[] = [];
      pair.handle = answering((request) => {
        request.exchange?.head(response(), false);
        sends.push(request.send(request.body, 9_999, true));
      });
      const heard = new Heard();
      heard.exchange = pair.connection.request(post(), false, heard);
      await heard.send(body, 10_000, true);
      await heard.done;
      await Promise.all(sends);
      assert.equal(heard.error, undefined);
      sameBytes(heard.body, body);
    },
  },
  {
    name: "bodies in one piece larger than any window, both ways",
    run: (pair) => echoes(pair, 3_000_000),
  },
  {
    name: "a reader that takes its time holds the sender back, and gets all in the end",
    async run(pair) {
      const body = pattern(6_000_000);
      let sender: Heard | undefined;
      let sent: Promise<void> | undefined;
      pair.handle = answering((request) => {
        sender = request;
        request.exchange?.head(response(), false);
        sent = request.send(body, 20_000, true);
      });
      const heard = ask(pair, post(), undefined, { holds: true });
      await until(pair, () => heard.bytes > 0 && sender?.exchange?.writable === false, "a full window");
      // What is under way on a slow machine still comes.
      let early = -1;
      while (early !== heard.bytes) {
        early = heard.bytes;
        await pair.sleep(300);
      }
      assert.ok(early > 0 && early < body.length, `${early} bytes came unasked`);
      assert.equal(sender?.exchange?.writable, false);
      await pair.sleep(300);
      assert.equal(heard.bytes, early, "nothing more comes before something is given back");
      heard.release();
      await heard.done;
      await sent;
      sameBytes(heard.body, body);
    },
  },
  {
    name: "pieces come as they are sent, both ways at once",
    version: 2,
    async run(pair) {
      pair.handle = (_request, exchange) => {
        exchange.head(response(), false);
        const heard: Heard = new Heard({
          onData: () => sendPiece(exchange, heard.pieces.at(-1) as Uint8Array, false),
          onEnd: () => exchange.trailers(new Head(fields({ done: "1" }))),
        });
        heard.exchange = exchange;
        return heard;
      };
      const heard = new Heard();
      heard.exchange = pair.connection.request(post(), false, heard);
      for (let i = 1; i <= 5; i++) {
        sendPiece(heard.exchange, pattern(i), false);
        await until(pair, () => heard.bytes === i * (i + 1) / 2, "the echo");
      }
      sendPiece(heard.exchange, new Uint8Array(0), true);
      await heard.done;
      assert.equal(heard.trailersHeard?.fields["done"], "1");
    },
  },
  {
    name: "two hundred at once, each with its own answer",
    version: 2,
    async run(pair) {
      pair.handle = echo;
      const all: Heard[] = [];
      for (let i = 0; i < 200; i++) {
        while (!pair.connection.available) await pair.sleep(1);
        all.push(ask(pair, post(`/n/${i % 7}`, { "x-i": `${i}` }), pattern(i * 10)));
      }
      await Promise.all(all.map((heard) => heard.done));
      for (const [i, heard] of all.entries()) {
        assert.equal(heard.error, undefined);
        sameBytes(heard.body, pattern(i * 10));
      }
      assert.equal(pair.connection.inFlight, 0);
    },
  },
];

const endings: readonly ExchangeCase[] = [
  {
    name: "a client that resets is heard of once, and the connection goes on",
    version: 2,
    async run(pair) {
      const server = new Heard();
      pair.handle = (_request, exchange) => {
        server.exchange = exchange;
        exchange.head(response(), false);
        return server;
      };
      const heard = new Heard();
      heard.exchange = pair.connection.request(post(), false, heard);
      await until(pair, () => heard.headHeard !== undefined, "the head");
      heard.exchange.reset("cancel");
      heard.exchange.reset("cancel");
      assert.equal(pair.connection.inFlight, 0);
      await until(pair, () => server.error !== undefined, "the news");
      assert.equal(server.error?.code, "cancelled");
      // What is sent on an exchange that is over goes nowhere.
      sendPiece(server.exchange as Exchange, pattern(5), false);
      server.exchange?.trailers(new Head(fields()));
      sendPiece(heard.exchange, pattern(5), true);
      await goesOn(pair);
      assert.ok(!heard.isDone);
    },
  },
  {
    name: "a server that resets is heard of once; one that refuses has begun nothing",
    version: 2,
    async run(pair) {
      for (const [reason, code, neverStarted] of [
        ["refused", "unavailable", true], ["internal", "internal", false], ["cancel", "cancelled", false],
        ["calm", "resource_exhausted", false],
      ] as const) {
        pair.handle = (_request, exchange) => {
          exchange.reset(reason);
          return new Heard();
        };
        const heard = ask(pair, post(), pattern(10));
        await heard.done;
        assert.deepEqual([heard.error?.code, heard.error?.neverStarted], [code, neverStarted]);
      }
      await goesOn(pair);
    },
  },
  {
    name: "a response that ends before its request ends the exchange, and the connection goes on",
    version: 2,
    async run(pair) {
      const server = new Heard();
      pair.handle = (_request, exchange) => {
        server.exchange = exchange;
        exchange.head(response({}, 413), true);
        return server;
      };
      const heard = new Heard();
      heard.exchange = pair.connection.request(post(), false, heard);
      sendPiece(heard.exchange, pattern(50_000), false);
      await heard.done;
      assert.deepEqual([heard.headHeard?.status, heard.error], [413, undefined]);
      sendPiece(heard.exchange, pattern(50_000), true);
      await goesOn(pair);
      assert.equal(pair.connection.inFlight, 0);
      assert.equal(server.error, undefined);
    },
  },
  {
    name: "a handler that throws costs its own exchange",
    version: 2,
    async run(pair) {
      pair.handle = () => {
        throw new Error("a bug");
      };
      const heard = ask(pair, post(), pattern(10));
      await heard.done;
      assert.equal(heard.error?.code, "internal");
      await goesOn(pair);
    },
  },
  {
    name: "an aborted connection fails what is in flight with that error, then closes",
    async run(pair) {
      const server = new Heard();
      pair.handle = (_request, exchange) => {
        server.exchange = exchange;
        return server;
      };
      const heard = ask(pair, post(), pattern(10));
      await until(pair, () => server.exchange !== undefined, "the request");
      const error = expected("unavailable", "given up");
      pair.connection.abort(error);
      await heard.done;
      assert.equal(heard.error, error);
      assert.ok(!pair.connection.available);
      assert.throws(() => ask(pair, post(), undefined), (error) => RpcError.is(error) && error.neverStarted);
      await until(pair, () => pair.ended() !== undefined, "the server to notice");
      assert.ok(server.error !== undefined || server.isDone);
      assert.equal(pair.told.filter((one) => one.startsWith("closed")).length, 1);
    },
  },
  {
    name: "a server that closes tells everybody",
    async run(pair) {
      const server = new Heard();
      pair.handle = () => server;
      const heard = ask(pair, post(), undefined);
      await until(pair, () => pair.served().inFlight === 1, "the request");
      pair.served().close(expected("unavailable", "shutting down"));
      await heard.done;
      assert.equal(heard.error?.code, "unavailable");
      await until(pair, () => server.error !== undefined, "the news");
      await until(pair, () => pair.told.some((one) => one.startsWith("closed")), "the end");
      await until(pair, () => pair.ended() !== undefined, "the server's end");
    },
  },
  {
    name: "a server that drains finishes what it has, takes no more, and ends",
    async run(pair) {
      const server = new Heard();
      pair.handle = (_request, exchange) => {
        server.exchange = exchange;
        return server;
      };
      const heard = ask(pair, post(), undefined);
      await until(pair, () => pair.served().inFlight === 1, "the request");
      pair.served().drain(expected("unavailable", "draining"));
      if (pair.version === 2) await until(pair, () => pair.told.includes("draining"), "the news");
      else await pair.sleep(50);
      assert.equal(heard.isDone, false);
      server.exchange?.head(response(), false);
      sendPiece(server.exchange as Exchange, pattern(7), true);
      await heard.done;
      assert.equal(heard.error, undefined);
      sameBytes(heard.body, pattern(7));
      await until(pair, () => pair.told.some((one) => one.startsWith("closed")), "the end");
      await until(pair, () => pair.ended() !== undefined, "the server's end");
      assert.throws(() => ask(pair, post(), undefined), (error) => RpcError.is(error) && error.neverStarted);
    },
  },
  {
    name: "a server that drains while idle ends at once",
    async run(pair) {
      await goesOn(pair);
      pair.served().drain(expected("unavailable", "draining"));
      await until(pair, () => pair.told.some((one) => one.startsWith("closed")), "the end");
      await until(pair, () => pair.ended() !== undefined, "the server's end");
    },
  },
  {
    name: "a client that closes waits for what is in flight, as long as it said",
    async run(pair) {
      const server = new Heard();
      pair.handle = (_request, exchange) => {
        server.exchange = exchange;
        return server;
      };
      const heard = ask(pair, post(), undefined);
      await until(pair, () => server.exchange !== undefined, "the request");
      pair.connection.close(5_000);
      assert.ok(!pair.connection.available);
      await pair.sleep(20);
      server.exchange?.head(response(), true);
      await heard.done;
      assert.equal(heard.error, undefined);
      await until(pair, () => pair.told.includes("closed orderly"), "the end");
    },
  },
  {
    name: "a client that closes gives up when its grace is over",
    async run(pair) {
      const server = new Heard();
      pair.handle = () => server;
      const heard = ask(pair, post(), undefined);
      pair.connection.close(100);
      await heard.done;
      assert.ok(heard.error !== undefined);
      await until(pair, () => pair.told.some((one) => one.startsWith("closed")), "the end");
      await until(pair, () => pair.ended() !== undefined, "the server's end");
      assert.ok(server.error !== undefined || !server.isDone);
    },
  },
  {
    name: "an idle client that closes is closed at once",
    async run(pair) {
      pair.connection.close(5_000);
      await until(pair, () => pair.told.includes("closed orderly"), "the end");
      await until(pair, () => pair.ended() !== undefined, "the server's end");
    },
  },
  {
    name: "a sign of life",
    version: 2,
    async run(pair) {
      assert.equal(pair.connection.ping(), true);
      await until(pair, () => pair.told.includes("pinged"), "the answer");
    },
  },
];

export const exchangeCases: readonly ExchangeCase[] = [...simple, ...bodies, ...endings];
