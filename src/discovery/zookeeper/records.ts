/**
 * Records are the requests and answers of ZooKeeper's protocol that discovery needs.
 *
 * Layout: zookeeper.jute of Apache ZooKeeper 3.8, https://github.com/apache/zookeeper/blob/release-3.8.0/
 * zookeeper-jute/src/main/resources/zookeeper.jute; numbers of operations: ZooDefs.java beside it.
 */
import { RpcError } from "../../core/error.ts";
import { type JuteReader, JuteWriter } from "./jute.ts";

export const operations = {
  create: 1, delete: 2, exists: 3, getData: 4, setData: 5, sync: 9, ping: 11, getChildren2: 12, check: 13, multi: 14,
  removeWatches: 18, auth: 100, closeSession: -11,
} as const;

export type Operation = keyof typeof operations;

/** Numbers that stand for no request of ours in the head of an answer. */
export const reserved = { notification: -1, ping: -2, auth: -4 } as const;

/** What an answer's head says. */
export const faults = {
  noNode: -101, noAuth: -102, badVersion: -103, noChildrenForEphemerals: -108, nodeExists: -110, sessionExpired: -112,
  authFailed: -115,
} as const;

export interface Handshake {
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export interface Stat {
  readonly version: number;
  /** The session that a node ends with; 0 for one that stays. */
  readonly owner: bigint;
}

export type Acl = readonly { readonly permissions: number; readonly scheme: string; readonly id: string }[];

/**
 * The first frame. It claims to have seen no transaction, so that a server whose data were lost answers, rather than
 * closing the connection without a word; whoever reads asks for `sync` first instead, which promises more.
 */
export function connectFrame({ timeoutMs, sessionId, password }: Handshake): Uint8Array {
  return new JuteWriter().int(0).long(0n).int(timeoutMs).long(sessionId).buffer(password).boolean(false).frame();
}

/** The answer to it: a timeout of 0 says that the session is no more. */
export function readHandshake(reader: JuteReader): Handshake {
  reader.int();
  const timeoutMs = reader.int();
  const sessionId = reader.long();
  return { timeoutMs, sessionId, password: Uint8Array.from(reader.buffer()) };
}

export function request(number: number, operation: Operation): JuteWriter {
  return new JuteWriter().int(number).int(operations[operation]);
}

export function authFrame(scheme: string, auth: Uint8Array): Uint8Array {
  return request(reserved.auth, "auth").int(0).text(scheme).buffer(auth).frame();
}

/** What `create` takes. */
export function writeCreate(
  writer: JuteWriter, node: { path: string; data: Uint8Array; acl: Acl; isEphemeral: boolean },
): JuteWriter {
  writer.text(node.path).buffer(node.data).int(node.acl.length);
  for (const { permissions, scheme, id } of node.acl) writer.int(permissions).text(scheme).text(id);
  return writer.int(node.isEphemeral ? 1 : 0);
}

/** The head of one operation within `multi`. */
export function writeMultiHead(writer: JuteWriter, operation: Operation | "end"): JuteWriter {
  return writer.int(operation === "end" ? -1 : operations[operation]).boolean(operation === "end").int(-1);
}

export function readStat(reader: JuteReader): Stat {
  reader.long();
  reader.long();
  reader.long();
  reader.long();
  const version = reader.int();
  reader.int();
  reader.int();
  const owner = reader.long();
  reader.int();
  reader.int();
  reader.long();
  return { version, owner };
}

/** A watch that fired: what happened matters less than where, since all is read again. */
export function readEvent(reader: JuteReader): { readonly type: number; readonly path: string } {
  const type = reader.int();
  reader.int();
  return { type, path: reader.text() };
}

/** An answer's number as an error, with the path it is about. */
export class ZooKeeperFault extends RpcError {
  readonly fault: number;

  constructor(fault: number, operation: Operation, path: string) {
    super(fault === faults.noAuth ? "permission_denied" : "unavailable",
      `ZooKeeper refused ${operation} of ${path}: ${explain(fault)}`, { remote: true });
    this.fault = fault;
  }
}

/** Whether `error` is the answer with this number. */
export function isFault(error: unknown, fault: number): boolean {
  return error instanceof ZooKeeperFault && error.fault === fault;
}

const reasons: Readonly<Record<number, string>> = {
  [faults.noNode]: "there is no such node",
  [faults.noAuth]: "its ACL does not allow that to the credentials given here (option `auth`)",
  [faults.badVersion]: "it was changed meanwhile",
  [faults.noChildrenForEphemerals]: "a node above it is ephemeral; is the prefix taken by something else?",
  [faults.nodeExists]: "it exists already",
  [faults.sessionExpired]: "the session has expired",
  [faults.authFailed]: "the credentials were refused",
  [-4]: "the server lost its quorum",
  [-6]: "the server does not know the operation",
  [-8]: "the server does not accept the path",
  [-114]: "the ACL is not valid",
  [-119]: "the server is read-only now",
  [-127]: "the server's quota or rate was exceeded",
};

function explain(fault: number): string {
  return `${reasons[fault] ?? "error"} (${fault})`;
}
