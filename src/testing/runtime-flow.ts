/** Runtime suite: order, back-pressure, pausing, and what is said about bytes under way. */
import type { ByteStream } from "../core/runtime.ts";
import {
  check, checkEqual, checkPattern, openPair, pattern, type RecordingSink, sleep, type SuiteCase,
} from "./runtime-harness.ts";

const largeBytes = 8 << 20;
const chunkBytes = 50_000;
const maxBufferedBytes = 64 << 20;

export const flowCases: readonly SuiteCase[] = [
  {
    name: "flow: many small writes arrive in order",
    async body(harness) {
      const pair = await openPair(harness);
      let position = 0;
      for (let i = 0; i < 2_000; i++) {
        const length = 1 + (i * 7) % 90;
        pair.clientStream.write(pattern(length, position));
        position += length;
        if (i % 100 === 0) await sleep(harness.client, 1);
      }
      await pair.server.untilReceived(position);
      checkPattern(pair.server, position);
      await pair.close();
    },
  },
  {
    name: "flow: an empty write is written and delivers nothing",
    async body(harness) {
      const pair = await openPair(harness);
      const calls: string[] = [];
      const done = Promise.withResolvers<void>();
      pair.clientStream.write(new Uint8Array(0), () => calls.push("empty"));
      pair.clientStream.write(pattern(5), () => {
        calls.push("five");
        done.resolve();
      });
      await Promise.all([done.promise, pair.server.untilReceived(5)]);
      checkEqual(calls, ["empty", "five"], "written");
      checkPattern(pair.server, 5);
      await pair.close();
    },
  },
  {
    name: "flow: written is called once a write, in order, not synchronously; nothing is buffered at the end",
    async body(harness) {
      const pair = await openPair(harness);
      const calls: number[] = [];
      const done = Promise.withResolvers<void>();
      for (let i = 0; i < 100; i++) {
        pair.clientStream.write(pattern(1_000, i * 1_000), () => {
          calls.push(i);
          if (i === 99) done.resolve();
        });
      }
      checkEqual(calls, [], "written before write returned");
      await done.promise;
      await pair.server.untilReceived(100_000);
      checkEqual(calls, Array.from({ length: 100 }, (_, i) => i), "order of written");
      checkPattern(pair.server, 100_000);
      checkEqual(pair.clientStream.bufferedBytes, 0, "bufferedBytes");
      await pair.close();
    },
  },
  {
    name: "flow: bytes given to received stay as they are, though the writer uses its array again",
    async body(harness) {
      const pair = await openPair(harness);
      const scratch = new Uint8Array(4_000);
      for (let i = 0; i < 20; i++) {
        scratch.set(pattern(4_000, i * 4_000));
        await new Promise<void>((resolve) => {
          pair.clientStream.write(scratch, resolve);
        });
        scratch.fill(0xee);
      }
      await pair.server.untilReceived(80_000);
      checkPattern(pair.server, 80_000);
      await pair.close();
    },
  },
  {
    name: "flow: large transfers both ways at once, each stopping when told to",
    async body(harness) {
      const pair = await openPair(harness);
      await Promise.all([
        transfer(pair.clientStream, pair.client), transfer(pair.serverStream, pair.server),
        pair.client.untilReceived(largeBytes), pair.server.untilReceived(largeBytes),
      ]);
      checkPattern(pair.client, largeBytes);
      checkPattern(pair.server, largeBytes);
      await pair.close();
    },
  },
  {
    name: "flow: a paused reader gets nothing, makes the writer stop, and gets everything once resumed",
    async body(harness) {
      const pair = await openPair(harness);
      pair.serverStream.pause();
      const drains = () => pair.client.events.filter((event) => event === "drained").length;
      let position = 0;
      let drained = 0;
      // What lies between takes some megabytes before it pushes back for good; nothing takes this many.
      do {
        drained = drains();
        while (position < maxBufferedBytes && pair.clientStream.write(pattern(chunkBytes, position))) {
          position += chunkBytes;
          if (position % (chunkBytes * 20) === 0) await sleep(harness.client, 1);
        }
        position += chunkBytes;
        await sleep(harness.client, 50);
      } while (drains() > drained);
      check(position < maxBufferedBytes, "write never returned false for good although nobody read");
      checkEqual(pair.server.receivedBytes, 0, "bytes received while paused");
      check(pair.clientStream.bufferedBytes > 0, "bufferedBytes is 0 although nobody read");
      pair.serverStream.resume();
      checkEqual(pair.server.receivedBytes, 0, "bytes received before resume returned");
      await Promise.all([
        pair.server.untilReceived(position), pair.client.until(() => drains() > drained),
      ]);
      checkPattern(pair.server, position);
      await pair.close();
    },
  },
  {
    name: "flow: a reader may pause from within received, again and again",
    async body(harness) {
      const pair = await openPair(harness);
      let paused = 0;
      let whilePaused = 0;
      let isPaused = false;
      pair.server.onReceived = () => {
        if (isPaused) whilePaused++;
        isPaused = true;
        paused++;
        pair.serverStream.pause();
        harness.server.clock.after(1, () => {
          isPaused = false;
          pair.serverStream.resume();
        });
      };
      await Promise.all([transfer(pair.clientStream, pair.client, 1 << 20), pair.server.untilReceived(1 << 20)]);
      checkPattern(pair.server, 1 << 20);
      check(paused > 1, "everything came in one piece");
      checkEqual(whilePaused, 0, "times received while paused");
      await pair.close();
    },
  },
  {
    name: "flow: destroying with much under way frees it and closes both",
    async body(harness) {
      const pair = await openPair(harness);
      pair.serverStream.pause();
      for (let i = 0; i < 200; i++) pair.clientStream.write(pattern(chunkBytes));
      pair.clientStream.destroy();
      pair.serverStream.resume();
      await Promise.all([pair.client.untilClosed(), pair.server.untilClosed()]);
      checkEqual(pair.client.closedCount + pair.server.closedCount, 2, "times closed");
      await pair.listener.close();
    },
  },
];

/** Writes the pattern as fast as the stream permits. */
async function transfer(stream: ByteStream, sink: RecordingSink, totalBytes = largeBytes): Promise<void> {
  let position = 0;
  let drains = 0;
  while (position < totalBytes) {
    const length = Math.min(chunkBytes, totalBytes - position);
    const heard = sink.events.filter((event) => event === "drained").length;
    const mayGoOn = stream.write(pattern(length, position));
    position += length;
    if (!mayGoOn && position < totalBytes) {
      drains = heard + 1;
      await sink.until(({ events }) => events.filter((event) => event === "drained").length >= drains);
    }
  }
}
