/** Bad calls over HTTP: a caller that keeps no rules, and how each protocol says that a call has failed. */
import assert from "node:assert/strict";
import type { Runtime } from "../../src/core/index.ts";
import { codeFromNumber } from "../../src/core/index.ts";
import { http1Connect, http2Connect } from "../../src/http/index.ts";
import { nodeCompressions } from "../../src/runtime/node/index.ts";
import { type Answer, type Asking, envelope, rawClient, type RawClient } from "../conformance/raw-exchange.ts";
import type { Harness, HarnessOptions } from "./harness.ts";
import { join, run } from "./raw-peer.ts";

export type Fields = Readonly<Record<string, string>>;

/** What a caller was told. */
export interface Said {
  /** Of HTTP. */
  readonly status: number;
  /** `ok`, or the error's code. */
  readonly code: string;
  readonly text: string;
  /** The messages before the end. */
  readonly messages: readonly Uint8Array[];
}

/** A protocol as bad callers speak it. */
export interface Spoken {
  readonly name: string;
  readonly versions: readonly (1 | 2)[];
  /** The media type of messages in a codec. */
  type(codec: string): string;
  /** Without envelopes there is one message, the body. */
  readonly isBare: boolean;
  /** By which header a request says how it is compressed, and how long it may take. */
  readonly encoding: string;
  readonly timeout: string;
  /** A message as it lies in the body; `length` is what its header claims. */
  frame(payload: Uint8Array, flags?: number, length?: number): Uint8Array;
  /** Bytes as they lie in the body. */
  raw(bytes: Uint8Array): Uint8Array;
  said(answer: Answer): Said;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const base64 = (bytes: Uint8Array): Uint8Array => text(Buffer.from(bytes).toString("base64"));

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 200)).toString("latin1");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

interface Envelope {
  readonly flags: number;
  readonly payload: Uint8Array;
}

export function envelopesOf(body: Uint8Array): Envelope[] {
  const found: Envelope[] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let at = 0;
  while (at < body.length) {
    const end = at + 5 + view.getUint32(at + 1);
    assert.ok(end <= body.length, "the answer ends within a message");
    found.push({ flags: body[at] as number, payload: body.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

const identity = (bytes: Uint8Array): Uint8Array => bytes;

export const grpcSpoken: Spoken = {
  name: "gRPC", versions: [2], isBare: false, encoding: "grpc-encoding", timeout: "grpc-timeout",
  type: (codec) => `application/grpc+${codec}`, frame: envelope, raw: identity,
  said({ head, trailers, body }) {
    const fields = trailers?.fields ?? head?.fields ?? {};
    return {
      ...statusIn(fields), status: head?.status ?? 0, messages: envelopesOf(body).map((one) => one.payload),
    };
  },
};

function statusIn(fields: Fields): { readonly code: string; readonly text: string } {
  const status = fields["grpc-status"];
  assert.match(status ?? "none", /^\d+$/, `no grpc-status in ${JSON.stringify(fields)}`);
  const code = status === "0" ? "ok" : codeFromNumber(Number(status));
  return { code, text: decodeURIComponent(fields["grpc-message"] ?? "") };
}

function grpcWebSpoken(isText: boolean): Spoken {
  const wrap = isText ? base64 : identity;
  return {
    name: isText ? "gRPC-Web-text" : "gRPC-Web", versions: [1, 2], isBare: false, encoding: "grpc-encoding",
    timeout: "grpc-timeout", type: (codec) => `application/grpc-web${isText ? "-text" : ""}+${codec}`,
    frame: (payload, flags, length) => wrap(envelope(payload, flags, length)), raw: wrap,
    said({ head, trailers, body }) {
      assert.equal(trailers, undefined, "trailers are in the body");
      // Each part has its own padding.
      const bytes = isText ? join(...(Buffer.from(body).toString("latin1").match(/[^=]+=*/g) ?? [])
        .map((part) => new Uint8Array(Buffer.from(part, "base64")))) : body;
      const envelopes = envelopesOf(bytes);
      const last = envelopes.pop();
      assert.equal(last?.flags, 0x80, `the body has no trailers: ${latin1(body)}`);
      const lines = utf8.decode(last.payload).split("\r\n").filter((line) => line !== "");
      return {
        ...statusIn(Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2)))),
        status: head?.status ?? 0, messages: envelopes.map((one) => one.payload),
      };
    },
  };
}

export const webSpoken = grpcWebSpoken(false);
export const webTextSpoken = grpcWebSpoken(true);

export const connectSpoken: Spoken = {
  name: "Connect", versions: [1, 2], isBare: true, encoding: "content-encoding", timeout: "connect-timeout-ms",
  type: (codec) => `application/${codec}`, frame: identity, raw: identity,
  said({ head, body }) {
    const status = head?.status ?? 0;
    if (status === 200) return { status, code: "ok", text: "", messages: [body] };
    assert.equal(head?.fields["content-type"], "application/json", latin1(body));
    const { code, message } = JSON.parse(utf8.decode(body)) as { readonly code: string; readonly message: string };
    return { status, code: code === "canceled" ? "cancelled" : code, text: message, messages: [] };
  },
};

export const connectStreamSpoken: Spoken = {
  name: "Connect's streams", versions: [2], isBare: false, encoding: "connect-content-encoding",
  timeout: "connect-timeout-ms", type: (codec) => `application/connect+${codec}`, frame: envelope, raw: identity,
  said({ head, body }) {
    const envelopes = envelopesOf(body);
    const last = envelopes.pop();
    assert.equal(last?.flags, 2, "the stream does not say how it ended");
    const { error } = JSON.parse(utf8.decode(last.payload)) as { readonly error?: { code: string; message: string } };
    return {
      status: head?.status ?? 0, code: error?.code ?? "ok", text: error?.message ?? "",
      messages: envelopes.map((one) => one.payload),
    };
  },
};

/** `{ n: 7, text: "hi" }` */
export const fine = join([8, 7, 18], run("hi"));
export const maxMessageBytes = 100_000;

/** What servers in these tests have beside what others have. */
export const serving: HarnessOptions = {
  compressions: nodeCompressions, http: { calls: { maxMessageBytes } },
};

export function connectRaw({ runtime, address }: Harness, version: 1 | 2 = 2): Promise<RawClient> {
  return rawClientOf(runtime, address, version);
}

export function rawClientOf(runtime: Runtime, address: string, version: 1 | 2): Promise<RawClient> {
  return rawClient(runtime, version === 1 ? http1Connect() : http2Connect(), address);
}

export interface BadCall {
  readonly method?: string;
  readonly codec?: string;
  readonly fields?: Fields;
  /** Sent in these pieces. */
  readonly body?: readonly Uint8Array[];
  /** Whether the body is left without its end. */
  readonly isOpen?: boolean;
}

/** Makes a call, in pieces as given. */
export function begin(raw: RawClient, spoken: Spoken, call: BadCall): Asking {
  const { method = spoken === connectStreamSpoken ? "Count" : "Echo", codec = "proto", body = [] } = call;
  const path = method.startsWith("/") ? method : `/bad.v1.Target/${method}`;
  const asking = raw.ask({ "content-type": spoken.type(codec), ...call.fields }, path);
  for (const [i, piece] of body.entries()) asking.send(piece, call.isOpen !== true && i === body.length - 1);
  if (body.length === 0 && call.isOpen !== true) asking.send(new Uint8Array(0), true);
  return asking;
}

/** Waits for the answer, and reads it. */
export async function ask(raw: RawClient, spoken: Spoken, call: BadCall): Promise<Said> {
  const answer = await begin(raw, spoken, call).ended;
  assert.equal(answer.failure, undefined);
  return spoken.said(answer);
}

/** A call with nothing wrong must be answered, on the connection that the bad ones were on. */
export async function stillServes(raw: RawClient, spoken: Spoken): Promise<void> {
  if (spoken === connectStreamSpoken) {
    const said = await ask(raw, spoken, { body: [envelope(join([8, 2]))] });
    assert.deepEqual([said.code, said.messages.length], ["ok", 2]);
  } else {
    const said = await ask(raw, spoken, { body: [spoken.frame(fine)] });
    assert.deepEqual([said.code, ...said.messages.map(hex)], ["ok", hex(fine)]);
  }
}

/** How many of the events that tell of bad input there were. */
export function toldOf({ events, handled }: Harness): number {
  return handled.length +
    events.filter(({ name }) => name === "server.call.refused" || name === "server.connection.failed").length;
}
