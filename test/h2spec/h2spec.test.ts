/** h2spec, the conformance suite of others for HTTP/2 servers, run against ours over a real socket. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { type Exchange, Head, http2Accept, type HttpSink } from "../../src/http/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";

/** All cases, with those that h2spec calls strict. */
const cases = 146;

/** Where h2spec is: named, on the path, or where Go installs. */
function findH2spec(): string | undefined {
  const named = process.env["MERIDIAN_H2SPEC"];
  if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  try {
    folders.push(join(execFileSync("go", ["env", "GOPATH"], { encoding: "utf8" }).trim(), "bin"));
  } catch {
    // Without Go it may still be on the path.
  }
  return folders.map((folder) => join(folder, "h2spec")).find((file) => existsSync(file));
}

const ok = new Head({ "content-type": "text/plain" }, 200);
const text = new TextEncoder().encode("hello");

class Hello implements HttpSink {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  answer(): void {
    this.#exchange.head(ok, false);
    this.#exchange.begin().writeBytes(text);
    this.#exchange.end(true);
  }

  data(_bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#exchange.consumed(end - start);
    if (last) this.answer();
  }

  trailers(): void {
    this.answer();
  }

  writable(): void {
    // All was given at once.
  }

  failed(): void {
    // h2spec breaks rules on purpose.
  }
}

test("every case of h2spec passes, the strict ones too", async (t) => {
  const h2spec = findH2spec();
  if (h2spec === undefined) {
    const why = "h2spec is not installed (go install github.com/summerwind/h2spec/cmd/h2spec@latest), and " +
      "MERIDIAN_H2SPEC does not name it";
    assert.notEqual(process.env["MERIDIAN_REQUIRE"], "all", why);
    t.skip(why);
    return;
  }
  const accept = http2Accept(nodeRuntime, {
    ended: () => undefined,
    handle(_request, exchange, last) {
      const hello = new Hello(exchange);
      if (last) hello.answer();
      return hello;
    },
  });
  const listener = await nodeRuntime.network.listen("127.0.0.1:0", (stream) => accept(stream).sink);
  const [host, port] = listener.address.split(":") as [string, string];
  const output = await new Promise<string>((resolve, reject) => {
    const options = ["--strict", "-h", host, "-p", port, "-o", "10"];
    execFile(h2spec, options, { timeout: 300_000 }, (error, stdout, stderr) => {
      if (stdout === "") reject(error ?? new Error(stderr));
      else resolve(stdout);
    });
  });
  await listener.close();
  const [, all, passed, skipped, failed] = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output) ?? [];
  assert.deepEqual({ all, passed, skipped, failed },
    { all: `${cases}`, passed: `${cases}`, skipped: "0", failed: "0" }, output.slice(output.indexOf("Failures:")));
});
