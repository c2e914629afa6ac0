/**
 * The client under test: makes the calls that it reads from standard input, and tells how each went.
 *
 * Run by the test runner: `connectconformance --mode client ... -- node test/connect-conformance/client.ts`.
 */
import { createClientOn } from "../../src/client/index.ts";
import { protobuf } from "../../src/codec/index.ts";
import { connect, grpc, grpcWeb, type HttpClientOptions, type Protocol } from "../../src/protocol/index.ts";
import { brotli, gzip, nodeRuntime, tls, zstd } from "../../src/runtime/node/index.ts";
import { invoke, type ConformanceClient } from "./call.ts";
import { conformanceJson } from "./codecs.ts";
import { Conformance } from "./contract.ts";
import { ClientCompatRequest, type ClientCompatRequestMessage, ClientCompatResponse } from "./messages.ts";
import { coderOf, readMessages, writeMessage } from "./stdio.ts";

/** Calls that are made at once: the timeouts of some are looked at to half a second. */
const maxCalls = 16;
/** How long a new connection is waited for before its first call: what it takes would be taken from timeouts. */
const maxOpeningMs = 2_000;

const responseCoder = coderOf(ClientCompatResponse, "ClientCompatResponse");
const compressions = {
  COMPRESSION_GZIP: gzip(), COMPRESSION_BR: brotli(), COMPRESSION_ZSTD: zstd(),
} as Readonly<Record<string, ReturnType<typeof gzip> | undefined>>;

/** One client for all calls that ask for the same. */
const clients = new Map<string, ConformanceClient>();

function clientFor(request: ClientCompatRequestMessage): ConformanceClient {
  const { httpVersion, protocol, codec, compression, host, port, serverTlsCert, clientTlsCreds } = request;
  const { messageReceiveLimit, useGetHttpMethod } = request;
  const key = [
    httpVersion, protocol, codec, compression, host, port, messageReceiveLimit, useGetHttpMethod, clientTlsCreds?.cert,
  ].join();
  let client = clients.get(key);
  if (client !== undefined) return client;
  const compressor = compressions[compression ?? ""];
  const options: HttpClientOptions = {
    http: httpVersion === "HTTP_VERSION_1" ? 1 : 2, requestCompression: compressor?.name,
    settings: {
      compressAboveBytes: 0, ...(messageReceiveLimit ? { maxMessageBytes: messageReceiveLimit } : undefined),
    },
  };
  client = createClientOn(nodeRuntime, Conformance, {
    address: `${host ?? "127.0.0.1"}:${port ?? 0}`, protocol: protocolOf(protocol, useGetHttpMethod === true, options),
    codec: codec === "CODEC_JSON" ? conformanceJson : protobuf,
    compressions: compressor === undefined ? [] : [compressor], retry: false, outliers: false, timeoutMs: Infinity,
    ...(serverTlsCert?.length ? {
      tls: tls({
        ca: serverTlsCert, ...(clientTlsCreds && { cert: clientTlsCreds.cert, key: clientTlsCreds.key }),
      }),
    } : undefined),
  });
  clients.set(key, client);
  return client;
}

async function connected(client: ConformanceClient): Promise<ConformanceClient> {
  for (let ms = 0; ms < maxOpeningMs && client.$.endpoints().some(({ status }) => status === "connecting"); ms += 5) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  return client;
}

function protocolOf(protocol: string | undefined, get: boolean, options: HttpClientOptions): Protocol {
  if (protocol === "PROTOCOL_GRPC") return grpc(options);
  return protocol === "PROTOCOL_GRPC_WEB" ? grpcWeb(options) : connect({ ...options, get });
}

async function answer(request: ClientCompatRequestMessage): Promise<void> {
  const { testName } = request;
  try {
    const response = await invoke(await connected(clientFor(request)), request);
    writeMessage(responseCoder, { testName, response });
  } catch (error) {
    writeMessage(responseCoder, { testName, error: { message: String(error) } });
  }
}

process.on("SIGTERM", () => process.exit(0));
const running = new Set<Promise<void>>();
for await (const request of readMessages(ClientCompatRequest, "ClientCompatRequest")) {
  while (running.size >= maxCalls) await Promise.race(running);
  const one = answer(request).finally(() => running.delete(one));
  running.add(one);
}
await Promise.all(running);
for (const client of clients.values()) client.$.close(0);
process.stdout.end(() => process.exit(0));
