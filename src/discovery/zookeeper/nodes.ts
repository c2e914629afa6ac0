/** Nodes are what is read from and written to ZooKeeper's tree over one link. */
import type { Link } from "./link.ts";
import { RpcError } from "../../core/error.ts";
import type { JuteReader } from "./jute.ts";
import {
  type Acl, faults, isFault, readStat, type Stat, writeCreate, writeMultiHead, ZooKeeperFault,
} from "./records.ts";

export interface NewNode {
  readonly path: string;
  readonly data: Uint8Array;
  readonly acl: Acl;
  readonly isEphemeral: boolean;
}

const ignore = (): void => undefined;

/** Brings the server that we read from up to what the ensemble agreed on: any one server may lag behind. */
export function sync(link: Link, path: string): Promise<void> {
  return link.ask("sync", path, (writer) => writer.text(path), ignore);
}

/** The names of a node's children, and a watch on them; undefined if there is no such node. */
export function readChildren(link: Link, path: string): Promise<string[] | undefined> {
  return unlessMissing(link.ask("getChildren2", path, (writer) => writer.text(path).boolean(true),
    (reader) => reader.texts()));
}

/** A node's data, and a watch on it; undefined if there is no such node (which sets no watch). */
export function readData(link: Link, path: string): Promise<Uint8Array | undefined> {
  return unlessMissing(link.ask("getData", path, (writer) => writer.text(path).boolean(true),
    (reader) => reader.buffer()));
}

/** Whether a node exists, and a watch on its coming and going. */
export function readStatOf(link: Link, path: string, watch: boolean): Promise<Stat | undefined> {
  return unlessMissing(link.ask("exists", path, (writer) => writer.text(path).boolean(watch), readStat));
}

export function create(link: Link, node: NewNode): Promise<void> {
  return link.ask("create", node.path, (writer) => writeCreate(writer, node), ignore);
}

export function setData(link: Link, path: string, data: Uint8Array): Promise<void> {
  return link.ask("setData", path, (writer) => writer.text(path).buffer(data).int(-1), ignore);
}

export function remove(link: Link, path: string, version: number): Promise<void> {
  return link.ask("delete", path, (writer) => writer.text(path).int(version), ignore);
}

/** Takes out the node of that version and enters another in one step, so that nobody sees it missing. */
export async function replace(link: Link, node: NewNode, version: number): Promise<void> {
  const fault = await link.ask("multi", node.path, (writer) => {
    writeMultiHead(writer, "delete").text(node.path).int(version);
    writeCreate(writeMultiHead(writer, "create"), node);
    writeMultiHead(writer, "end");
  }, firstFault);
  if (fault !== 0) throw new ZooKeeperFault(fault, "multi", node.path);
}

/** Why a `multi` failed: each of its operations has a result, and those beside the one to blame say 0 or -2. */
function firstFault(reader: JuteReader): number {
  let fault = 0;
  for (let results = 0; results < 3; results++) {
    const type = reader.int();
    const isLast = reader.boolean();
    reader.int();
    if (isLast) return fault;
    if (type === -1) {
      const one = reader.int();
      if (fault === 0 || fault === -2) fault = one;
    } else if (type === 1) reader.text();
  }
  throw new RpcError("invalid_argument", "more results than operations", { phase: "decode" });
}

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isFault(error, faults.noNode)) return undefined;
    throw error;
  }
}
