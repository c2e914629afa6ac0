// @connectrpc/connect-node with messages of @bufbuild/protobuf: `grpc`, and Connect as `h1-json`, `h2-proto` and so on.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { Certificate } from "../harness/certificate.ts";
import type { Caller, Setting } from "../harness/system.ts";
import { type EchoRecord, type Shape, smallRecord } from "../records.ts";
import { echoService, methodOf } from "./grpc/descriptors.ts";

const Echo = echoService();
const small = methodOf(Echo, "Small").input;
const count = methodOf(Echo, "Send").output;

/** Its methods are found at run time, so their types are ours to say. */
interface EchoMethods {
  small(record: unknown): Promise<unknown>;
  user(record: unknown): Promise<unknown>;
  receive(request: { count: number }): AsyncIterable<unknown>;
  send(records: AsyncIterable<unknown>): Promise<{ count: number }>;
}

async function* records(length: number): AsyncGenerator {
  const record = create(small, smallRecord(1) as never);
  for (let i = 0; i < length; i++) yield record;
}

const handlers: EchoMethods = {
  small: async (record) => record,
  user: async (record) => record,
  receive: ({ count }) => records(count),
  async send(sent) {
    let counted = 0;
    for await (const _ of sent) counted++;
    return create(count, { count: counted }) as unknown as { count: number };
  },
};

export function serve(port: number, { certificate, variant }: Setting): Promise<void> {
  const handle = connectNodeAdapter({ routes: (router) => void router.service(Echo, handlers as never) });
  const server = variant.startsWith("h1")
    ? createServer(handle)
    : certificate === undefined ? createHttp2Server(handle) : createSecureServer(pemOf(certificate), handle);
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", () => resolve());
  });
}

function pemOf({ certificate, key }: Certificate): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(certificate), key: readFileSync(key) };
}

export async function connect(port: number, shape: Shape, { certificate, variant }: Setting): Promise<Caller> {
  const baseUrl = `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const trust = certificate === undefined ? {} : { nodeOptions: { ca: readFileSync(certificate.certificate) } };
  const client = createClient(Echo, transportOf(variant, { baseUrl, ...trust })) as Client<typeof Echo> & EchoMethods;
  return {
    call: shape === "S" ? (record: EchoRecord) => client.small(record) : (record: EchoRecord) => client.user(record),
    receive: (length) => client.receive({ count: length }),
    send: async (length) => (await client.send(records(length))).count,
    // Its connections are the transport's own; the process that called ends with the measurement.
    close: () => undefined,
  };
}

function transportOf(variant: string, options: { baseUrl: string }): Transport {
  if (variant === "grpc") return createGrpcTransport(options);
  return createConnectTransport({
    ...options, httpVersion: variant.startsWith("h1") ? "1.1" : "2", useBinaryFormat: variant.endsWith("proto"),
  });
}

