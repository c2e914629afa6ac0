import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RecordingSink } from "../../testing/runtime-harness.ts";
import { formatAddress, parseAddress } from "./address.ts";
import { createNodeRuntime, nodeRuntime } from "./index.ts";

const { network } = nodeRuntime;

test("addresses: the three forms, and what is wrong with others", () => {
  assert.deepEqual(parseAddress("localhost:80"), { host: "localhost", port: 80 });
  assert.deepEqual(parseAddress("[::1]:0"), { host: "::1", port: 0 });
  assert.deepEqual(parseAddress("[fe80::1%eth0]:65535"), { host: "fe80::1%eth0", port: 65_535 });
  assert.deepEqual(parseAddress("unix:/run/x.sock"), { path: "/run/x.sock" });
  for (const [address, reason] of Object.entries({
    "": "it is empty", "http://x:80": "it is a URL", "::1:80": "an IPv6 address stands in brackets",
    "host": "it has no port number", "host:": "it has no port number", ":80": "the host is malformed",
    "host:65536": "port 65536 is above 65535", "unix:": "the path after unix: is missing",
    "a b:80": "the host is malformed", "unix:a\0b": "the path holds a zero byte",
  })) {
    assert.throws(() => parseAddress(address), {
      code: "invalid_argument",
      message: `address ${JSON.stringify(address)} cannot be used: ${reason}; ` +
        "write host:port, [v6-address]:port or unix:/path",
    });
  }
  assert.equal(formatAddress("::ffff:10.0.0.1", 5), "10.0.0.1:5");
  assert.equal(formatAddress("::1", 5), "[::1]:5");
});

function listening(address: string) {
  return network.listen(address, (stream) => ({ received: (bytes) => void stream.write(bytes), closed() {} }));
}

async function echo(address: string): Promise<void> {
  const sink = new RecordingSink();
  const stream = network.connect(address, sink);
  stream.write(new Uint8Array(5));
  await sink.untilReceived(5);
  assert.equal(sink.receivedBytes, 5, String(sink.error));
  stream.destroy();
  await sink.untilClosed();
}

test("a Unix socket left by a dead process is replaced; one that answers, and a file, are not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "meridian-"));
  try {
    const path = join(directory, "left.sock");
    // Dies without closing its server, so that the socket's path stays.
    const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    assert.throws(() => execFileSync(process.execPath, ["-e", program], { stdio: "ignore" }));
    assert.ok(existsSync(path));
    const listener = await listening(`unix:${path}`);
    await echo(`unix:${path}`);
    await assert.rejects(listening(`unix:${path}`), { code: "failed_precondition", message: /is in use/ });
    await echo(`unix:${path}`);
    await listener.close();
    assert.ok(!existsSync(path), "the path is there after close");

    writeFileSync(join(directory, "file"), "precious");
    await assert.rejects(listening(`unix:${directory}/file`), { code: "failed_precondition" });
    assert.ok(existsSync(join(directory, "file")));
    await assert.rejects(listening(`unix:${directory}/none/x.sock`), { code: "failed_precondition" });
    await assert.rejects(listening(`unix:${directory}/${"x".repeat(200)}`), { code: "failed_precondition" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("listening fails with the address, the reason and what to do", async () => {
  const first = await listening("127.0.0.1:0");
  await assert.rejects(listening(first.address), {
    code: "failed_precondition", message: `cannot listen on ${first.address}: the address is in use; ` +
      "stop the other process or choose another port (0 picks a free one) (EADDRINUSE)",
  });
  await first.close();
  await assert.rejects(listening("192.0.2.1:80"), { message: /this machine does not have the address/ });
});

test("IPv6, where the machine has it", async (t) => {
  const listener = await listening("[::1]:0").catch(() => undefined);
  if (listener === undefined) {
    t.skip("no IPv6 here");
    return;
  }
  assert.match(listener.address, /^\[::1\]:\d+$/);
  await echo(listener.address);
  await listener.close();
});

test("accepted streams know the address of their peer", async () => {
  const peers: string[] = [];
  const sink = new RecordingSink();
  const listener = await network.listen("127.0.0.1:0", (stream) => {
    peers.push(stream.peer);
    return { received() {}, closed() {} };
  });
  const stream = network.connect(listener.address, sink);
  stream.end();
  await sink.untilClosed();
  assert.match(String(peers[0]), /^127\.0\.0\.1:\d+$/);
  await listener.close();
});

/** A server of node:net that does something rude to whoever connects. */
async function against(rude: (socket: Socket) => void): Promise<{ sink: RecordingSink; close: () => void }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    rude(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const sink = new RecordingSink();
  const { port } = server.address() as { port: number };
  const stream = network.connect(`127.0.0.1:${port}`, sink);
  stream.write(new Uint8Array(1_000));
  await sink.untilOpened();
  for (let i = 0; i < 50 && sink.closedCount === 0; i++) {
    stream.write(new Uint8Array(100_000));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  stream.end();
  await sink.untilClosed();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(sink.closedCount, 1);
  return { sink, close: () => server.close() };
}

test("a peer that resets is an error of the stream, told once", async () => {
  const { sink, close } = await against((socket) => socket.once("data", () => socket.resetAndDestroy()));
  assert.match(String(sink.error), /the connection to 127\.0\.0\.1:\d+ broke: .*(ECONNRESET|EPIPE)/);
  close();
});

test("a peer that destroys, and one that ends at once, close the stream, told once", async () => {
  const destroyed = await against((socket) => socket.once("data", () => socket.destroy()));
  destroyed.close();
  const ended = await against((socket) => {
    socket.resume();
    socket.end();
  });
  assert.equal(ended.sink.error, undefined);
  ended.close();
});

test("a peer that only ends its half is closed by us, after what was queued", async () => {
  let heard = 0;
  const theirEnd = Promise.withResolvers<unknown>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("data", (bytes) => {
      heard += bytes.length;
    });
    socket.on("close", theirEnd.resolve);
    socket.end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const sink = new RecordingSink();
  const { port } = server.address() as { port: number };
  const stream = network.connect(`127.0.0.1:${port}`, sink);
  stream.write(new Uint8Array(300_000));
  await sink.untilClosed();
  assert.equal(sink.error, undefined);
  await theirEnd.promise;
  assert.equal(heard, 300_000);
  server.close();
});

test("the high-water mark is the one that was asked for", async () => {
  const small = createNodeRuntime({ highWaterBytes: 10_000 });
  const sink = new RecordingSink();
  const listener = await listening("127.0.0.1:0");
  const stream = small.network.connect(listener.address, sink);
  assert.equal(stream.write(new Uint8Array(9_999)), true);
  assert.equal(stream.bufferedBytes, 9_999);
  assert.equal(stream.write(new Uint8Array(1)), false);
  await sink.until(({ events }) => events.includes("drained"));
  stream.destroy();
  await sink.untilClosed();
  await listener.close();
});

test("unknown hosts close the stream with the reason", async () => {
  const sink = new RecordingSink();
  network.connect("no-such-host.invalid:80", sink);
  await sink.untilClosed();
  assert.match(String(sink.error), /cannot connect to no-such-host\.invalid:80: /);
});
