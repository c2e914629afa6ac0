/** Runtime suite: datagrams. Each that a case waits for is sent again until it comes, since any may be lost. */
import { RpcError } from "../core/error.ts";
import type { DatagramSocket, Runtime } from "../core/runtime.ts";
import { check, checkEqual, pattern, type RuntimeHarness, sleep, type SuiteCase } from "./runtime-harness.ts";

export const datagramCases: readonly SuiteCase[] = [
  {
    name: "datagram: arrives whole, with its sender's address, by which it is answered",
    async body(harness) {
      const server = await openPort(harness.server, harness.listenAddress());
      const client = await openPort(harness.client, nearAddress(harness));
      check(/:[1-9]\d*$/.test(client.socket.address), `port 0 became ${client.socket.address}`);
      for (const size of [1, 12, 1_200, 9_000]) {
        const request = await exchange(harness.client, client, server, pattern(size));
        checkEqual(request.from, client.socket.address, "the sender's address");
        checkEqual([...request.bytes], [...pattern(size)], `a datagram of ${size} bytes`);
        const answer = await exchange(harness.client, server, client, pattern(size, 7), request.from);
        checkEqual(answer.from, server.socket.address, "the answerer's address");
        checkEqual([...answer.bytes], [...pattern(size, 7)], `an answer of ${size} bytes`);
      }
      await Promise.all([client.socket.close(), server.socket.close()]);
    },
  },
  {
    name: "datagram: is never delivered within send, and an empty one is one too",
    async body(harness) {
      const server = await openPort(harness.server, harness.listenAddress());
      const client = await openPort(harness.client, nearAddress(harness));
      check(client.socket.send(pattern(3), server.socket.address), "send to an open socket returned false");
      checkEqual(server.heard.length, 0, "heard before send returned");
      const empty = await exchange(harness.client, client, server, new Uint8Array(0));
      checkEqual(empty.bytes.length, 0, "bytes of an empty datagram");
      await Promise.all([client.socket.close(), server.socket.close()]);
    },
  },
  {
    name: "datagram: what cannot be sent is dropped and said so; nobody listening is no error",
    async body(harness) {
      const gone = await openPort(harness.server, harness.listenAddress());
      await gone.socket.close();
      await gone.socket.close();
      const client = await openPort(harness.client, nearAddress(harness));
      const { socket } = client;
      for (let i = 0; i < 20; i++) socket.send(pattern(10), gone.socket.address);
      check(socket.maxBytes >= 1_232, `maxBytes is ${socket.maxBytes}`);
      check(!socket.send(new Uint8Array(socket.maxBytes + 1), gone.socket.address), "sent more than maxBytes");
      for (const to of ["", "nonsense", "host:port", "127.0.0.1:70000", "unix:/a"]) {
        check(!socket.send(pattern(1), to), `send to "${to}" returned true`);
      }
      await sleep(harness.client, 20);
      const server = await openPort(harness.server, harness.listenAddress());
      await exchange(harness.client, client, server, pattern(10));
      await Promise.all([client.socket.close(), server.socket.close()]);
      check(!socket.send(pattern(1), server.socket.address), "send after close returned true");
    },
  },
  {
    name: "datagram: nothing is heard after close, and the port is free again",
    async body(harness) {
      const server = await openPort(harness.server, harness.listenAddress());
      const client = await openPort(harness.client, nearAddress(harness));
      await exchange(harness.client, client, server, pattern(10));
      for (let i = 0; i < 20; i++) client.socket.send(pattern(10), server.socket.address);
      const closing = server.socket.close();
      const count = server.heard.length;
      await closing;
      await sleep(harness.client, 50);
      checkEqual(server.heard.length, count, "datagrams heard after close");
      const again = await openPort(harness.server, server.socket.address);
      checkEqual(again.socket.address, server.socket.address, "the address bound again");
      await exchange(harness.client, client, again, pattern(10));
      await Promise.all([client.socket.close(), again.socket.close()]);
    },
  },
  {
    name: "datagram: an address in use, or one that cannot be used, is refused and named",
    async body(harness) {
      const server = await openPort(harness.server, harness.listenAddress());
      await rejects(harness.server, server.socket.address, "failed_precondition", server.socket.address);
      for (const address of ["", "nonsense", "host:port", "host:70000", "::1:80", "unix:/tmp/datagrams"]) {
        await rejects(harness.server, address, "invalid_argument", "");
      }
      await server.socket.close();
    },
  },
];

interface Heard {
  readonly bytes: Uint8Array;
  readonly from: string;
}

interface Port {
  readonly socket: DatagramSocket;
  readonly heard: Heard[];
}

async function openPort({ network }: Runtime, address: string): Promise<Port> {
  const heard: Heard[] = [];
  const socket = await network.datagrams(address, (bytes, from) => {
    heard.push({ bytes: bytes.slice(), from });
  });
  return { socket, heard };
}

/** Where a client of the harness's server binds: any port of its own host, in the same family. */
function nearAddress(harness: RuntimeHarness): string {
  return harness.listenAddress().startsWith("[") ? "[::1]:0" : "127.0.0.1:0";
}

/** Sends `bytes` until `to` has heard them, which it returns. */
async function exchange(
  runtime: Runtime, from: Port, to: Port, bytes: Uint8Array, address = to.socket.address,
): Promise<Heard> {
  const same = ({ bytes: other }: Heard): boolean =>
    other.length === bytes.length && other.every((byte, i) => byte === bytes[i]);
  for (;;) {
    from.socket.send(bytes, address);
    for (let i = 0; i < 20; i++) {
      const found = to.heard.find(same);
      if (found !== undefined) return found;
      await sleep(runtime, 5);
    }
  }
}

async function rejects({ network }: Runtime, address: string, code: string, part: string): Promise<void> {
  let outcome: unknown;
  try {
    await (await network.datagrams(address, () => {})).close();
  } catch (error) {
    outcome = error;
  }
  check(RpcError.is(outcome) && outcome.code === code,
    `datagrams at "${address}" gave ${String(outcome)}, expected ${code}`);
  check(outcome.message.includes(part), `"${outcome.message}" does not name ${part}`);
}
