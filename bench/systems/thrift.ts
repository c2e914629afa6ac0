// Apache Thrift: the npm package with framed transport and binary protocol, client and processor as it generates them.
import type { Server } from "node:net";
import thrift from "thrift";
import type { Caller } from "../harness/system.ts";
import { type EchoRecord, type Shape, type UserRecord } from "../records.ts";
import { type Protocol, readFields, Small, type Struct, types, User } from "./thrift/structs.ts";

const { CALL, REPLY }: { CALL: number; REPLY: number } = thrift.Thrift.MessageType;
const options = { transport: thrift.TFramedTransport, protocol: thrift.TBinaryProtocol };

type EchoStruct = Struct & EchoRecord;

const structs: Record<Shape, (record?: EchoRecord) => EchoStruct> = {
  S: (record) => new Small(record),
  M: (record) => new User(record as UserRecord | undefined),
};

/** Arguments and result are structs of one field; the result's has the id 0. */
function writeWrapped(output: Protocol, name: string, { id, struct }: { id: number; struct: Struct }): void {
  output.writeStructBegin(name);
  output.writeFieldBegin(id === 0 ? "success" : "record", types.STRUCT, id);
  struct.write(output);
  output.writeFieldEnd();
  output.writeFieldStop();
  output.writeStructEnd();
}

function readWrapped(input: Protocol, id: number, struct: EchoStruct): EchoStruct {
  readFields(input, (found) => {
    if (found !== id) return false;
    struct.read(input);
    return true;
  });
  input.readMessageEnd();
  return struct;
}

type Answer = (error: Error | null, record?: EchoRecord) => void;
type Transport = new (transport: unknown) => Protocol;

class EchoClient {
  readonly output: unknown;
  readonly pClass: Transport;
  /** By sequence number; the connection adds entries of its own. */
  readonly _reqs: Record<number, Answer> = {};
  #seqid = 0;

  constructor(output: unknown, pClass: Transport) {
    this.output = output;
    this.pClass = pClass;
  }

  echo(shape: Shape, record: EchoRecord, answer: Answer): void {
    const seqid = ++this.#seqid;
    this._reqs[seqid] = answer;
    const output = new this.pClass(this.output);
    output.writeMessageBegin(shape, CALL, seqid);
    writeWrapped(output, `Echo_${shape}_args`, { id: 1, struct: structs[shape](record) });
    output.writeMessageEnd();
    output.flush();
  }

  recv_S(input: Protocol, messageType: number, seqid: number): void {
    this.#receive("S", input, { messageType, seqid });
  }

  recv_M(input: Protocol, messageType: number, seqid: number): void {
    this.#receive("M", input, { messageType, seqid });
  }

  #receive(shape: Shape, input: Protocol, { messageType, seqid }: { messageType: number; seqid: number }): void {
    const answer = this._reqs[seqid];
    delete this._reqs[seqid];
    if (messageType !== REPLY) {
      const error = new thrift.Thrift.TApplicationException() as Error & Struct;
      error.read(input);
      input.readMessageEnd();
      answer?.(error);
      return;
    }
    answer?.(null, readWrapped(input, 0, structs[shape]()));
  }
}

type Handler = (record: EchoRecord, answer: Answer) => void;

class EchoProcessor {
  readonly #handler: Handler;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  process(input: Protocol, output: Protocol): void {
    const { fname, rseqid } = input.readMessageBegin();
    const shape = fname as Shape;
    this.#handler(readWrapped(input, 1, structs[shape]()), (_error, record) => {
      output.writeMessageBegin(shape, REPLY, rseqid);
      writeWrapped(output, `Echo_${shape}_result`, { id: 0, struct: record as EchoStruct });
      output.writeMessageEnd();
      output.flush();
    });
  }
}

export function serve(port: number): Promise<void> {
  const server = thrift.createServer(EchoProcessor, (record: EchoRecord, answer: Answer) => {
    answer(null, record);
  }, options) as Server;
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const connection = thrift.createConnection("127.0.0.1", port, options);
  const client = thrift.createClient(EchoClient, connection) as EchoClient;
  await new Promise((resolve, reject) => {
    connection.once("connect", resolve);
    connection.once("error", reject);
  });
  return {
    call: (record) => new Promise((resolve, reject) => {
      client.echo(shape, record, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(error);
      });
    }),
    close: () => connection.end(),
  };
}
