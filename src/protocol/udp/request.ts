/** Requests as packets say them: the call's number, how far all is done, the method, the time left, the message. */
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import { emptyMetadata } from "../../core/metadata.ts";
import type { Cursor } from "../../wire/cursor.ts";
import { writeText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { type Extras, readExtras, writeExtras } from "../extras.ts";

/** Bits of a request's flags. */
const Flag = { extras: 1, named: 2, oneway: 4 } as const;
const idempotencies = [false, true, "keyed"] as const;
const criticalities = ["default", "critical", "sheddable"] as const;
const maxNameBytes = 512;
/** Most methods that one session numbers. */
export const maxMethods = 4_096;

/** How a request names its method, until the server is known to know its number. */
export interface MethodName {
  readonly path: string;
  readonly codec: string;
  readonly idempotent: MethodInfo["idempotent"];
  readonly criticality: MethodInfo["criticality"];
}

/** A request without its message, which is the rest of the packet. */
export interface RequestHead {
  readonly call: number;
  /** All calls below it are over for the client: none of them comes again. */
  readonly floor: number;
  readonly isOneway: boolean;
  /** Milliseconds that are left; 0 for no limit. */
  readonly timeoutMs: number;
  readonly method: number;
  readonly named: MethodName | undefined;
  readonly extras: Extras | undefined;
}

/** The part of a request that is made anew for each transmission. */
export function writeRequestHead(
  writer: Writer, head: Omit<RequestHead, "extras"> & { readonly hasExtras: boolean },
): void {
  const { named } = head;
  writer.writeVarint(head.call);
  writer.writeVarint(head.floor);
  writer.writeByte((head.hasExtras ? Flag.extras : 0) | (named === undefined ? 0 : Flag.named) |
    (head.isOneway ? Flag.oneway : 0));
  writer.writeVarint(head.timeoutMs);
  writer.writeVarint(head.method);
  if (named === undefined) return;
  writer.writeByte(idempotencies.indexOf(named.idempotent) << 2 | criticalities.indexOf(named.criticality) << 4);
  writeName(writer, named.codec);
  writeName(writer, named.path);
}

/** A varint length and UTF-8. */
export function writeName(writer: Writer, text: string): void {
  const bytes = new Uint8Array(text.length * 3);
  const length = writeText(bytes, 0, text);
  writer.writeVarint(length);
  writer.writeBytes(bytes.subarray(0, length));
}

/** Reads a request; the message is what is left at the cursor. Throws `invalid_argument` for what is none. */
export function readRequestHead(cursor: Cursor): RequestHead {
  const call = cursor.varint();
  const floor = cursor.varint();
  if (call === 0 || floor > call) throw new RpcError("invalid_argument", "a request's numbers contradict each other");
  const flags = cursor.byte();
  const timeoutMs = cursor.varint();
  const method = cursor.varint();
  if (method >= maxMethods) throw new RpcError("invalid_argument", `a method's number is ${maxMethods} or more`);
  let named: MethodName | undefined;
  if ((flags & Flag.named) !== 0) {
    const shape = cursor.byte();
    named = {
      idempotent: idempotencies[shape >> 2 & 3] ?? false, criticality: criticalities[shape >> 4 & 3] ?? "default",
      codec: cursor.text(64), path: cursor.text(maxNameBytes),
    };
  }
  const extras = (flags & Flag.extras) === 0 ? undefined : readExtras(cursor);
  return { call, floor, isOneway: (flags & Flag.oneway) !== 0, timeoutMs, method, named, extras };
}

/** Appends what travels beside a call, if anything does; whether it did. */
export function writeCallExtras(writer: Writer, context: Context): boolean {
  const { metadata, routeKey, idempotencyKey, hops, attempt, priorAttempts } = context;
  if (metadata === emptyMetadata && routeKey === undefined && idempotencyKey === undefined && hops === 0 &&
    attempt === 0 && priorAttempts === 0) return false;
  writeExtras(writer, {
    header: hasEntries(metadata) ? metadata : undefined, routeKey, idempotencyKey,
    hops: hops === 0 ? undefined : hops,
    attempt: attempt === 0 ? undefined : attempt,
    priorAttempts: priorAttempts === 0 ? undefined : priorAttempts,
  });
  return true;
}

function hasEntries(metadata: object): boolean {
  for (const _ in metadata) return true;
  return false;
}

/** Why a method cannot go by datagrams; undefined for one that can. */
export function unfit(method: MethodInfo): RpcError | undefined {
  const why = method.kind !== "unary" ? `is a ${method.kind}, and UDP carries single datagrams`
    : method.oneway === true || method.idempotent !== false ? undefined
    : "is neither one-way nor idempotent, and a datagram's loss leaves open whether it ran";
  return why === undefined ? undefined : new RpcError("unimplemented",
    `${method.path} ${why}: call it by another protocol, e.g. udp({ fallback: native() })`,
    { phase: "encode", neverStarted: true, retryable: false });
}
