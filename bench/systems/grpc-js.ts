// gRPC as Node users have it: @grpc/grpc-js, with a codec that protobufjs compiles from the schema.
import { readFileSync } from "node:fs";
import {
  Client, credentials, Server, ServerCredentials, type MethodDefinition, type sendUnaryData,
  type ServerReadableStream, type ServerUnaryCall, type ServerWritableStream,
} from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { Caller, Setting } from "../harness/system.ts";
import { type EchoRecord, type Shape, smallRecord } from "../records.ts";

const source = readFileSync(new URL("grpc/echo.proto", import.meta.url), "utf8");
const { root } = protobuf.parse(source, { keepCase: true });

interface Coder<T> {
  readonly encode: (value: T) => Buffer;
  readonly decode: (bytes: Buffer) => T;
}

function coder<T>(message: string): Coder<T> {
  const type = root.lookupType(`bench.v1.${message}`);
  return {
    encode: (value) => type.encode(value as protobuf.Message).finish() as Buffer,
    decode: (bytes) => type.decode(bytes) as unknown as T,
  };
}

const records: Record<Shape, Coder<EchoRecord>> = { S: coder("SmallRecord"), M: coder("UserRecord") };
const counts = coder<{ count: number }>("Count");

function method<Request, Response>(
  name: string, request: Coder<Request>, response: Coder<Response>, streams: { request: boolean; response: boolean },
): MethodDefinition<Request, Response> {
  return {
    path: `/bench.v1.Echo/${name}`, requestStream: streams.request, responseStream: streams.response,
    requestSerialize: request.encode, requestDeserialize: request.decode,
    responseSerialize: response.encode, responseDeserialize: response.decode,
  };
}

const unary = { request: false, response: false };
const service = {
  S: method("Small", records.S, records.S, unary),
  M: method("User", records.M, records.M, unary),
  receive: method("Receive", counts, records.S, { request: false, response: true }),
  send: method("Send", records.S, counts, { request: true, response: false }),
};

function echo(call: ServerUnaryCall<EchoRecord, EchoRecord>, reply: sendUnaryData<EchoRecord>): void {
  reply(null, call.request);
}

function receive(call: ServerWritableStream<{ count: number }, EchoRecord>): void {
  let left = call.request.count;
  const record = smallRecord(1);
  const write = (): void => {
    while (left > 0) {
      left--;
      if (!call.write(record)) {
        call.once("drain", write);
        return;
      }
    }
    call.end();
  };
  write();
}

type Count = { count: number };

function count(call: ServerReadableStream<EchoRecord, Count>, reply: sendUnaryData<Count>): void {
  let counted = 0;
  call.on("data", () => counted++);
  call.on("end", () => reply(null, { count: counted }));
}

export function serve(port: number, { certificate }: Setting): Promise<void> {
  const server = new Server();
  server.addService(service, { S: echo, M: echo, receive, send: count });
  return new Promise((resolve, reject) => {
    const security = certificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
        { cert_chain: readFileSync(certificate.certificate), private_key: readFileSync(certificate.key) },
      ]);
    server.bindAsync(`127.0.0.1:${port}`, security, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

export async function connect(port: number, shape: Shape, { certificate }: Setting): Promise<Caller> {
  const security = certificate === undefined
    ? credentials.createInsecure()
    : credentials.createSsl(readFileSync(certificate.certificate));
  const client = new Client(`127.0.0.1:${port}`, security);
  const { path } = service[shape];
  const { encode, decode } = records[shape];
  return {
    call: (record) => new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, encode, decode, record, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(error);
      });
    }),
    receive: (wanted) =>
      client.makeServerStreamRequest(service.receive.path, counts.encode, records.S.decode, { count: wanted }),
    send: (offered) => new Promise((resolve, reject) => {
      const { path } = service.send;
      const call = client.makeClientStreamRequest(path, records.S.encode, counts.decode, (error, reply) => {
        if (error === null) resolve(reply?.count ?? 0);
        else reject(error);
      });
      const record = smallRecord(1);
      let left = offered;
      const write = (): void => {
        while (left > 0) {
          left--;
          if (!call.write(record)) {
            call.once("drain", write);
            return;
          }
        }
        call.end();
      };
      write();
    }),
    close: () => client.close(),
  };
}
