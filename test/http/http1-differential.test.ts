/** Our HTTP/1.1 against Node's, undici's and curl's over real sockets, in both directions and cut anywhere. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type IncomingMessage, request as nodeRequest, Agent } from "node:http";
import type { AddressInfo } from "node:net";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { Pool } from "undici";
import type { Network, Runtime } from "../../src/core/index.ts";
import { http1Accept, http1Connect } from "../../src/http/h1/index.ts";
import { type Exchange, Head, type HttpConnection, type HttpHandler, requestHead } from "../../src/http/message.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { withSplits } from "../conformance/splits.ts";
import { fieldsOf, Heard } from "./h1-harness.ts";

const sizes = [0, 1, 100, 20_000, 70_000, 1_000_000];
const bodyOf = (size: number): string => "0123456789abcdef".repeat(Math.ceil(size / 16)).slice(0, size);

/** Sends back what comes, as it comes: `/whole` at the end, anything else piece by piece, with trailers if asked. */
const mirror: HttpHandler = (request, exchange, last) => {
  const head = new Head(fieldsOf({ "x-method": request.method, "x-asked": request.fields["x-asked"] ?? "" }), 200);
  const isWhole = request.path === "/whole";
  const kept: Uint8Array[] = [];
  const end = (): void => {
    if (isWhole) exchange.head(head, false);
    if (request.path === "/trailers") {
      exchange.trailers(new Head(fieldsOf({ "x-end": "yes" })));
      return;
    }
    const writer = exchange.begin();
    for (const bytes of kept) writer.writeBytes(bytes);
    exchange.end(true);
  };
  if (!isWhole) exchange.head(head, false);
  if (last) end();
  return {
    data(bytes, start, stop, isLast) {
      exchange.consumed(stop - start);
      if (isWhole) {
        kept.push(bytes.slice(start, stop));
      } else if (stop > start) {
        exchange.begin().writeBytes(bytes.subarray(start, stop));
        exchange.end(false);
      }
      if (isLast) end();
    },
    trailers: end,
    writable() {},
    failed() {},
  };
};

const networks: Readonly<Record<string, Network>> = {
  "as they come": nodeRuntime.network,
  "cut into pieces": withSplits(nodeRuntime.network, (() => {
    let turn = 0;
    return () => [1, 7, 2, 1_000, 3, 40, 16_000][turn++ % 7] as number;
  })()),
};

async function listen(network: Network): Promise<{ address: string; close: () => Promise<void> }> {
  const accept = http1Accept(nodeRuntime, { handle: mirror, ended: () => undefined });
  return network.listen("127.0.0.1:0", (stream) => accept(stream).sink);
}

async function fetched(agent: Agent, port: string, path: string, body: string, isChunked: boolean): Promise<{
  status: number | undefined; text: string; trailers: NodeJS.Dict<string>; asked: unknown;
}> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = nodeRequest({
    agent, port, path, method: "POST",
    headers: { "x-asked": "a\xe4", ...(isChunked ? undefined : { "content-length": body.length }) },
  }, resolve).on("error", reject);
  // As bytes: Node encodes a head that leaves with text as that text.
  const bytes = Buffer.from(body, "latin1");
  if (isChunked) request.write(bytes.subarray(0, 5));
  request.end(isChunked ? bytes.subarray(5) : bytes);
  const response = await promise;
  let text = "";
  for await (const piece of response.setEncoding("latin1")) text += String(piece);
  return { status: response.statusCode, text, trailers: response.trailers, asked: response.headers["x-asked"] };
}

for (const [name, network] of Object.entries(networks)) {
  test(`node:http's client on our server, reads ${name}`, async () => {
    const { address, close } = await listen(network);
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    const port = address.split(":")[1] ?? "";
    for (const path of ["/whole", "/pieces", "/trailers"]) {
      for (const size of sizes) {
        for (const isChunked of [false, true]) {
          const body = bodyOf(size);
          const got = await fetched(agent, port, path, body, isChunked);
          assert.equal(got.status, 200);
          assert.ok(got.text === body, `${path} ${size}: ${got.text.length} bytes came back`);
          assert.equal(got.asked, "a\xe4");
          assert.deepEqual({ ...got.trailers }, path === "/trailers" ? { "x-end": "yes" } : {});
        }
      }
    }
    agent.destroy();
    await close();
  });

  test(`our client on node:http's server, reads ${name}`, async () => {
    const server = createServer((request, response) => {
      response.setHeader("x-asked", request.headers["x-asked"] ?? "");
      if (request.url === "/trailers") response.setHeader("trailer", "x-end");
      if (request.url !== "/whole") {
        request.pipe(response, { end: false });
        request.on("end", () => {
          response.addTrailers(request.url === "/trailers" ? { "x-end": "yes" } : {});
          response.end();
        });
        return;
      }
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => response.end(Buffer.concat(pieces)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = await dial({ ...nodeRuntime, network }, address);
    for (const path of ["/whole", "/pieces", "/trailers"]) {
      for (const size of sizes) {
        for (const isChunked of [false, true]) {
          const body = bodyOf(size);
          const sink = await exchanged(connection, address, path, body, isChunked);
          assert.deepEqual(sink.errors, []);
          assert.equal(sink.heads[0]?.status, 200);
          assert.ok(sink.body === body, `${path} ${size}: ${sink.body.length} bytes came back`);
          assert.equal(sink.heads[0]?.fields["x-asked"], "a\xe4");
          assert.equal(sink.events.at(-1)?.startsWith("trailers"), path === "/trailers");
        }
      }
    }
    connection.close(0);
    server.closeAllConnections();
    server.close();
  });
}

function dial(runtime: Runtime, address: string): Promise<HttpConnection> {
  return new Promise((resolve, reject) => {
    const connection = http1Connect()(runtime, address, {
      opened: () => resolve(connection), available() {}, draining() {}, pinged() {},
      closed: (error) => reject(error ?? new Error("closed")),
    });
  });
}

/** Hears one exchange to its end, giving back what it heard. */
class Ending extends Heard {
  exchange: Exchange | undefined = undefined;
  readonly #resolve: (sink: Ending) => void;
  #sendMore: (() => void) | undefined;

  constructor(resolve: (sink: Ending) => void, sendMore: () => void) {
    super();
    this.#resolve = resolve;
    this.#sendMore = sendMore;
  }

  override head(...given: Parameters<Heard["head"]>): void {
    super.head(...given);
    this.#check();
  }

  override data(...given: Parameters<Heard["data"]>): void {
    super.data(...given);
    this.exchange?.consumed(given[2] - given[1]);
    this.#check();
  }

  override trailers(...given: Parameters<Heard["trailers"]>): void {
    super.trailers(...given);
    this.#check();
  }

  override writable(): void {
    this.#sendMore?.();
  }

  override failed(...given: Parameters<Heard["failed"]>): void {
    super.failed(...given);
    this.#resolve(this);
  }

  #check(): void {
    if (this.isLast) this.#resolve(this);
  }
}

function exchanged(
  connection: HttpConnection, authority: string, path: string, body: string, isChunked: boolean,
): Promise<Ending> {
  return new Promise((resolve) => {
    const bytes = Buffer.from(body, "latin1");
    let sent = 0;
    const send = (): void => {
      while (sink.exchange !== undefined && sent <= bytes.length) {
        const end = isChunked ? Math.min(sent + 30_000, bytes.length) : bytes.length;
        sink.exchange.begin().writeBytes(bytes.subarray(sent, end));
        const isLast = end === bytes.length;
        sink.exchange.end(isLast);
        sent = isLast ? bytes.length + 1 : end;
        if (!sink.exchange.writable) return;
      }
    };
    const sink = new Ending(resolve, send);
    sink.exchange = connection.request(
      requestHead("POST", path, "http", authority, fieldsOf({ "x-asked": "a\xe4" })), false, sink);
    if (isChunked) setImmediate(send);
    else send();
  });
}

test("our client on our server, many exchanges at once", async () => {
  const { address, close } = await listen(nodeRuntime.network);
  const connection = await dial(nodeRuntime, address);
  const all = Array.from({ length: 200 }, (_, i) =>
    exchanged(connection, address, i % 2 === 0 ? "/whole" : "/trailers", bodyOf(i * 500), i % 3 === 0));
  for (const [i, sink] of (await Promise.all(all)).entries()) assert.ok(sink.body === bodyOf(i * 500), String(i));
  assert.equal(connection.inFlight, 0);
  connection.close(0);
  await close();
});

test("undici on our server, pipelining", async () => {
  const { address, close } = await listen(nodeRuntime.network);
  const pool = new Pool(`http://${address}`, { connections: 2, pipelining: 8 });
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const { statusCode, body } = await pool.request({
      path: i % 2 === 0 ? "/whole" : "/pieces", method: "PUT", body: bodyOf(i * 100), idempotent: true,
    });
    assert.equal(statusCode, 200);
    assert.ok(await body.text() === bodyOf(i * 100));
  }));
  await pool.close();
  await close();
});

const curl = promisify(execFile);
let hasCurl = false;

before(async () => {
  hasCurl = await curl("curl", ["--version"]).then(() => true, () => false);
});

test("curl on our server: kept connections, HEAD, HTTP/1.0, expectations, chunks", async (context) => {
  if (!hasCurl) {
    context.skip("curl is not installed");
    return;
  }
  const { address, close } = await listen(nodeRuntime.network);
  const run = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await curl("curl", ["-sS", "-i", "--max-time", "10", ...args]);
    return stdout;
  };
  const url = `http://${address}`;
  assert.match(await run("-d", "hello", `${url}/whole`, `${url}/pieces`), /hello.*HTTP\/1\.1 200 OK.*hello$/s);
  assert.match(await run("-I", `${url}/whole`), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s);
  assert.match(await run("-0", "-d", "old", `${url}/pieces`), /connection: close\r\n\r\nold$/);
  assert.match(await run("-H", "Expect: 100-continue", "-d", "wait", `${url}/whole`), /100 Continue.*wait$/s);
  assert.match(await run("-H", "Transfer-Encoding: chunked", "-d", "in chunks", `${url}/whole`), /in chunks$/);
  assert.match(await run("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", `${url}/whole`), /^HTTP\/1\.1 200/);
  await close();
});

