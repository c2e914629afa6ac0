/**
 * A forwarded method is a method as a gateway knows it: a name and a shape from the wire, or the whole of it from a
 * contract that the gateway was given, by which calls change protocol and codec on their way.
 */
import {
  type CallKind, type Context, type MethodInfo, nextMethodOrdinal, RpcError, type Service,
} from "../core/index.ts";
import { belongsTo, contractOf } from "../contract/contract-of.ts";
import { codersOf, type MethodCoders, rawCoders } from "../contract/coders.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyMethod, Method } from "../contract/method.ts";
import type { AnyContract } from "../contract/service.ts";
import { codecByName, codecFor } from "../codec/choose.ts";
import type { MethodShape } from "../protocol/router.ts";

/** What a gateway's connections encode a method with, by the codec that their protocol insists on. */
export interface ForwardedMethod extends MethodInfo {
  codersIn(codec: string | undefined): MethodCoders;
  /** Its types, where a contract says them: for wires whose clients must know them (paths of HTTP, Avro). */
  readonly input?: AnyMethod["input"] | undefined;
}

/** Both ends of a method's way through a gateway. */
export interface Passage {
  readonly method: ForwardedMethod;
  /** Of the side that calls the gateway. */
  readonly coders: MethodCoders;
  /** Reads a route key from a request that came without one. */
  readonly routeKey: ((request: unknown) => string) | undefined;
}

export interface PassageOptions {
  readonly contracts?: readonly AnyContract[] | undefined;
  readonly upstreamCodec?: Codec | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  /** What each protocol by which servers are called insists on. Default: one that takes any. */
  readonly upstreamBinds?: readonly (string | undefined)[] | undefined;
}

/** Makes passages: by contract where one says what the method is, by the shape that the caller told otherwise. */
export function passages(options: PassageOptions): (shape: MethodShape) => Passage {
  const methods = new Map<string, AnyMethod>();
  const bare = new Map<string, AnyMethod | undefined>();
  for (const contract of options.contracts ?? []) {
    for (const method of Object.values(contract.methods)) {
      methods.set(method.path, method);
      methods.set(`${method.service}/${method.wireName}`, method);
      const short = contract.name.slice(contract.name.lastIndexOf(".") + 1);
      const { name: own, wireName } = method;
      for (const name of new Set([own, wireName, `${short}/${own}`, `${short}/${wireName}`])) {
        bare.set(name, bare.has(name) ? undefined : method);
      }
    }
  }
  return (shape) => {
    const known = methods.get(shape.path) ?? (shape.isBare === true ? bare.get(shape.path) : undefined);
    return known === undefined ? byShape(shape, options) : byContract(known, shape, options);
  };
}

/** Messages go through as they are, so the protocols must agree on what they mean. */
function byShape(shape: MethodShape, { upstreamCodec, upstreamBinds = [undefined] }: PassageOptions): Passage {
  const slash = shape.path.lastIndexOf("/");
  const called = shape.path.slice(0, 256);
  if (shape.isBare === true && slash < 1) {
    throw unknown(`no service's method that this gateway knows is "${called}", or several are: a call without its ` +
      "service's full name is forwarded by contract alone");
  }
  if (slash < 1) throw new RpcError("unimplemented", `"${called}" is not service/method`);
  const other = upstreamBinds.map((bound) => bound ?? upstreamCodec?.name ?? shape.codec)
    .find((codec) => codec !== shape.codec);
  if (other !== undefined) {
    throw unknown(`this gateway calls its servers in ${other}, and knows no contract of "${called}" by which a call ` +
      `in ${shape.codec.slice(0, 32)} could be translated`);
  }
  const name = shape.path.slice(slash + 1);
  const coders = rawCoders(shape.codec);
  const method = Object.freeze({
    service: shape.path.slice(0, slash), name, path: shape.path,
    wireName: shape.namedByContract === true ? name.slice(0, 1).toUpperCase() + name.slice(1) : name,
    // Whose wire does not tell a call's kind speaks to servers that need not be told: any call is messages both ways.
    // But JSON-RPC, which decodes, has one each way.
    kind: shape.kind ?? ((shape.isDecoded === true ? "unary" : "bidi_stream") satisfies CallKind),
    idempotent: shape.idempotent, criticality: shape.criticality,
    timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(), codersIn: () => coders,
  });
  return { method, coders, routeKey: undefined };
}

function unknown(why: string): RpcError {
  return new RpcError("unimplemented", `${why}: give it the contract (\`contracts\`)`,
    { neverStarted: true, retryable: false });
}

function byContract(known: AnyMethod, shape: MethodShape, options: PassageOptions): Passage {
  if (shape.kind !== undefined && shape.kind !== known.kind) {
    throw new RpcError("unimplemented", `${known.path} is ${known.kind}, not ${shape.kind}: the contracts differ, or ` +
      "the wire that it was called by has no such calls", { neverStarted: true, retryable: false });
  }
  const nearCodec = codecByName(shape.codec, options.codecs);
  const { upstreamBinds = [undefined] } = options;
  const isOpen = nearCodec.bound !== true && shape.isDecoded !== true;
  const openCodec = options.upstreamCodec ?? (isOpen ? nearCodec : codecFor(known));
  const detailCodec = codecByName("proto", options.codecs);
  const nearCoders = codersOf(known, nearCodec, detailCodec);
  const translates = shape.isDecoded === true ||
    upstreamBinds.some((bound) => !passes(nearCodec, bound, openCodec));
  const coders = translates ? nearCoders : passing(nearCoders);
  const { service, name, path, wireName, kind, idempotent, criticality, http, errors, errorIds, errorCodes } = known;
  const method = Object.freeze({
    service, name, path, wireName, kind, idempotent, criticality, http, errors, errorIds, errorCodes,
    error: (known as Partial<Method>).error?.bind(known),
    input: known.input, output: known.output, safe: known.safe === true, oneway: known.oneway === true,
    timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
    codersIn: translates
      ? remembered((bound: string | undefined) =>
        onwardCoders(known, bound === undefined ? openCodec : codecByName(bound, options.codecs), detailCodec))
      : () => coders,
  });
  const contract = contractOf(known);
  if (contract !== undefined) belongsTo(method, contract);
  return { method, coders, routeKey: routeKeyOf(known, translates ? undefined : nearCoders) };
}

/**
 * Whether messages may go on as they came. Those of a codec that belongs to one protocol may within it; a protocol that
 * insists on a codec which others have too (JSON) may write more than the codec does: paths, lines, its envelope.
 */
function passes(near: Codec, bound: string | undefined, open: Codec): boolean {
  return bound === undefined ? open.name === near.name : near.bound === true && bound === near.name;
}

/** That servers' codec cannot say a type is told as what it is: this gateway cannot translate the method. */
function onwardCoders(known: AnyMethod, codec: Codec, details: Codec): MethodCoders {
  try {
    return codersOf(known, codec, details);
  } catch (error) {
    const why = RpcError.from(error, "internal").message;
    throw new RpcError("unimplemented", `this gateway calls its servers in ${codec.name}, in which ${known.path} ` +
      `cannot be said: ${why}`, { neverStarted: true, retryable: false, cause: error });
  }
}

function remembered<Key, Value extends object>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) made.set(key, value = make(key));
    return value;
  };
}

/** Hands messages through, but knows the errors that the contract declares: wires name their types differently. */
function passing(coders: MethodCoders): MethodCoders {
  const { detail, reasonsOf, errorIds } = coders;
  return { ...rawCoders(coders.codec), error: (reason) => coders.error(reason), detail, reasonsOf, errorIds };
}

/** With `coders` requests are bytes, which must be read first. */
function routeKeyOf(method: AnyMethod, coders: MethodCoders | undefined): Passage["routeKey"] {
  const read = method.routeKey as ((request: unknown) => string) | undefined;
  if (read === undefined || method.kind === "client_stream" || method.kind === "bidi_stream") return undefined;
  if (coders === undefined) return read;
  return (request) => {
    const bytes = request as Uint8Array;
    return read(coders.request.decode(bytes, 0, bytes.length));
  };
}

/** Gives calls that came without a route key the one that their contract reads from their request. */
export function keyed(routeKey: Passage["routeKey"], service: Service): Service {
  if (routeKey === undefined) return service;
  return (request: unknown, context: Context) =>
    service(request, context.routeKey === undefined ? context.with({ routeKey: routeKey(request) }) : context);
}
