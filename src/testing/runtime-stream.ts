/** Runtime suite: connecting, listening, and how streams end. */
import { RpcError } from "../core/error.ts";
import type { Listener, Network } from "../core/runtime.ts";
import {
  check, checkEqual, checkPattern, openPair, pattern, RecordingSink, type RuntimeHarness, sleep, type SuiteCase,
} from "./runtime-harness.ts";

export const streamCases: readonly SuiteCase[] = [
  {
    name: "stream: connects and echoes; opened comes first and is not synchronous",
    async body(harness) {
      const listener = await listenEchoing(harness);
      const client = new RecordingSink();
      const stream = harness.client.network.connect(listener.address, client);
      checkEqual(client.events, [], "heard before connect returned");
      // Written before it opened: it must wait.
      stream.write(pattern(100));
      await client.untilReceived(100);
      checkPattern(client, 100);
      checkEqual(client.events, ["opened", "received"], "events");
      stream.end();
      await client.untilClosed();
      checkEqual(client.error, undefined, "error after an orderly close");
      await listener.close();
    },
  },
  {
    name: "stream: where nobody listens, closes once with an error that permits a retry, never synchronously",
    async body(harness) {
      const listener = await harness.server.network.listen(harness.listenAddress(), () => new RecordingSink());
      await listener.close();
      const client = new RecordingSink();
      const stream = harness.client.network.connect(listener.address, client);
      checkEqual(client.events, [], "heard before connect returned");
      stream.write(pattern(10));
      await client.untilClosed();
      await sleep(harness.client, 20);
      checkEqual(client.events, ["closed"], "events");
      checkRefusal(client.error, listener.address);
    },
  },
  {
    name: "stream: an address that cannot be used closes it with invalid_argument, never synchronously",
    async body(harness) {
      for (const address of ["", "nonsense", "http://host:1", "host:port", "host:70000", "::1:80", "unix:"]) {
        const client = new RecordingSink();
        const stream = harness.client.network.connect(address, client);
        checkEqual(client.events, [], "heard before connect returned");
        stream.write(pattern(1));
        stream.pause();
        stream.resume();
        stream.end();
        await client.untilClosed();
        check(RpcError.is(client.error) && client.error.code === "invalid_argument",
          `connecting to "${address}" closed with ${client.error}`);
        check(client.error.message.includes(JSON.stringify(address)), `"${client.error.message}" names no address`);
        await rejects(harness.server.network.listen(address, () => new RecordingSink()), "invalid_argument", "unix:");
      }
    },
  },
  {
    name: "listen: an address in use is refused, and named",
    async body(harness) {
      const listener = await listenEchoing(harness);
      const again = harness.server.network.listen(listener.address, () => new RecordingSink());
      await rejects(again, "failed_precondition", listener.address);
      await listener.close();
      const free = await harness.server.network.listen(listener.address, () => new RecordingSink());
      checkEqual(free.address, listener.address, "address after the first was closed");
      await free.close();
    },
  },
  {
    name: "listen: port 0 picks a port and says which",
    async body(harness) {
      const address = harness.listenAddress();
      const listeners = [await listenEchoing(harness), await listenEchoing(harness)];
      if (address.endsWith(":0")) {
        for (const listener of listeners) check(/:[1-9]\d*$/.test(listener.address), `bound to ${listener.address}`);
      }
      check(listeners[0]?.address !== listeners[1]?.address, "two listeners have one address");
      for (const listener of listeners) await listener.close();
    },
  },
  {
    name: "listen: closing keeps open streams open, twice does no harm",
    async body(harness) {
      const pair = await openPair(harness);
      await pair.listener.close();
      await pair.listener.close();
      pair.clientStream.write(pattern(50));
      await pair.server.untilReceived(50);
      checkPattern(pair.server, 50);
      const late = new RecordingSink();
      harness.client.network.connect(pair.listener.address, late);
      await late.untilClosed();
      checkRefusal(late.error, pair.listener.address);
      await pair.close();
    },
  },
  {
    name: "stream: knows its peer",
    async body(harness) {
      const pair = await openPair(harness);
      checkEqual(pair.clientStream.peer, pair.listener.address, "the dialler's peer");
      check(pair.serverStream.peer.length > 0, "the accepted stream's peer is empty");
      await pair.close();
    },
  },
  {
    name: "close: end delivers what was written before, then closes both sides without error",
    async body(harness) {
      const pair = await openPair(harness);
      pair.clientStream.write(pattern(300_000));
      pair.clientStream.end();
      check(!pair.clientStream.write(pattern(1)), "write after end returned true");
      pair.clientStream.end();
      await Promise.all([pair.server.untilClosed(), pair.client.untilClosed()]);
      checkPattern(pair.server, 300_000);
      await checkClosedOnce(harness, pair.client, pair.server);
      checkEqual([pair.client.error, pair.server.error], [undefined, undefined], "errors");
      await pair.listener.close();
    },
  },
  {
    name: "close: when the peer ends, what we wrote before still arrives",
    async body(harness) {
      const pair = await openPair(harness);
      pair.server.onReceived = (bytes) => {
        pair.serverStream.write(bytes);
      };
      pair.clientStream.write(pattern(50_000));
      pair.clientStream.end();
      await Promise.all([pair.server.untilClosed(), pair.client.untilClosed()]);
      checkPattern(pair.client, 50_000);
      check(!pair.serverStream.write(pattern(1)), "write after closed returned true");
      await checkClosedOnce(harness, pair.client, pair.server);
      await pair.listener.close();
    },
  },
  {
    name: "close: both ends at once",
    async body(harness) {
      const pair = await openPair(harness);
      pair.clientStream.write(pattern(10));
      pair.serverStream.write(pattern(10));
      pair.clientStream.end();
      pair.serverStream.end();
      await Promise.all([pair.server.untilClosed(), pair.client.untilClosed()]);
      checkPattern(pair.client, 10);
      checkPattern(pair.server, 10);
      await checkClosedOnce(harness, pair.client, pair.server);
      await pair.listener.close();
    },
  },
  {
    name: "close: destroy closes us without error and at last the peer, once each, never synchronously",
    async body(harness) {
      const pair = await openPair(harness);
      pair.clientStream.write(pattern(1_000));
      pair.clientStream.destroy();
      checkEqual(pair.client.closedCount, 0, "closed before destroy returned");
      check(!pair.clientStream.write(pattern(1)), "write after destroy returned true");
      pair.clientStream.destroy();
      pair.clientStream.end();
      pair.clientStream.resume();
      await Promise.all([pair.server.untilClosed(), pair.client.untilClosed()]);
      checkEqual(pair.client.error, undefined, "error after our own destroy");
      await checkClosedOnce(harness, pair.client, pair.server);
      await pair.listener.close();
    },
  },
  {
    name: "close: destroy and end before it opened",
    async body(harness) {
      const listener = await listenEchoing(harness);
      const destroyed = new RecordingSink();
      harness.client.network.connect(listener.address, destroyed).destroy();
      const ended = new RecordingSink();
      const stream = harness.client.network.connect(listener.address, ended);
      stream.write(pattern(1_000));
      stream.end();
      await Promise.all([destroyed.untilClosed(), ended.untilClosed()]);
      checkEqual(destroyed.events, ["closed"], "what the destroyed one heard");
      checkPattern(ended, 1_000);
      await checkClosedOnce(harness, destroyed, ended);
      await listener.close();
    },
  },
  {
    name: "close: writing to a peer that destroyed its end ends in closed, never in an escaped error",
    async body(harness) {
      const pair = await openPair(harness);
      pair.serverStream.destroy();
      for (let i = 0; i < 1_000 && pair.client.closedCount === 0; i++) {
        pair.clientStream.write(pattern(1_000));
        if (i % 10 === 0) await sleep(harness.client, 1);
      }
      await pair.client.untilClosed();
      await checkClosedOnce(harness, pair.client, pair.server);
      await pair.listener.close();
    },
  },
];

function listenEchoing(harness: RuntimeHarness): Promise<Listener> {
  return harness.server.network.listen(harness.listenAddress(), (stream) => ({
    received(bytes) {
      stream.write(bytes);
    },
    closed() {},
  }));
}

function checkRefusal(error: Error | undefined, address: string): void {
  check(RpcError.is(error), `refused with ${error}, expected an RpcError`);
  checkEqual([error.code, error.neverStarted, error.retryable], ["unavailable", true, true],
    "code, neverStarted, retryable");
  check(error.message.includes(address), `"${error.message}" does not name ${address}`);
}

/** Waits a little, so that a second `closed` would show, and checks that `closed` came last. */
async function checkClosedOnce(harness: RuntimeHarness, ...sinks: readonly RecordingSink[]): Promise<void> {
  await sleep(harness.client, 20);
  for (const sink of sinks) {
    checkEqual(sink.closedCount, 1, "times closed");
    checkEqual(sink.events.at(-1), "closed", "the last thing heard");
  }
}

async function rejects(listening: ReturnType<Network["listen"]>, code: string, part: string): Promise<void> {
  let outcome: unknown;
  try {
    await (await listening).close();
  } catch (error) {
    outcome = error;
  }
  check(RpcError.is(outcome) && outcome.code === code, `listen gave ${String(outcome)}, expected ${code}`);
  check(outcome.message.includes(part), `"${outcome.message}" does not name ${part}`);
}
