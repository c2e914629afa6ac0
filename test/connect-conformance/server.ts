/**
 * The server under test: reads what it shall be from standard input, serves the ConformanceService, and says where.
 *
 * Run by the test runner: `connectconformance --mode server ... -- node test/connect-conformance/server.ts`.
 */
import { createServer } from "../../src/server/index.ts";
import { nodeRuntime, tls } from "../../src/runtime/node/index.ts";
import { conformanceJson } from "./codecs.ts";
import { Served } from "./contract.ts";
import { ServerCompatRequest, type ServerCompatRequestMessage, ServerCompatResponse } from "./messages.ts";
import { conformanceHandlers } from "./service.ts";
import { coderOf, readMessages, writeMessage } from "./stdio.ts";

const responseCoder = coderOf(ServerCompatResponse, "ServerCompatResponse");

async function serve(request: ServerCompatRequestMessage): Promise<void> {
  const { useTls, serverCreds, clientTlsCert, messageReceiveLimit } = request;
  const isMutual = clientTlsCert !== undefined && clientTlsCert.length > 0;
  const server = createServer({
    load: false, codecs: [conformanceJson],
    ...(messageReceiveLimit ? { http: { calls: { maxMessageBytes: messageReceiveLimit } } } : undefined),
    ...(useTls === true ? {
      tls: tls({
        cert: serverCreds?.cert, key: serverCreds?.key,
        ...(isMutual ? { ca: clientTlsCert, clientCertificate: "require" } : undefined),
      }),
    } : undefined),
  });
  server.implement(Served, conformanceHandlers(nodeRuntime.clock));
  const address = await server.listen();
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  writeMessage(responseCoder, { host: "127.0.0.1", port, pemCert: useTls === true ? serverCreds?.cert : undefined });
}

process.on("SIGTERM", () => process.exit(0));
for await (const request of readMessages(ServerCompatRequest, "ServerCompatRequest")) await serve(request);
