// The contract of torture.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { bytes, field, oneof, openEnum, rpc, scalar, service, wellKnown } from "../../../src/contract/index.ts";

export const EverythingInnerDepth = openEnum({
  DEPTH_UNSPECIFIED: 0,
  DEPTH_DEEP: 7,
}).meta({ id: "Everything.Inner.Depth" });

/** Not that of Everything. */
export const Inner = z.object({
  digest: bytes(),
}).meta({ id: "Inner" });

export const EverythingInnerInnermost = z.object({
  depth: EverythingInnerDepth,
  get back() {
    return Everything.optional();
  },
  other: Inner.optional(),
}).meta({ id: "Everything.Inner.Innermost" });

export const EverythingInner = z.object({
  depth: EverythingInnerDepth,
  innermost: EverythingInnerInnermost.optional(),
}).meta({ id: "Everything.Inner" });

export const Mood = openEnum({
  MOOD_UNSPECIFIED: 0,
  /** Merry. */
  MOOD_GOOD: 1,
  MOOD_BAD: -2,
  MOOD_LATE: 2147483647,
}).meta({ id: "Mood" });

export const Status = z.object({
  code: z.int32(),
  message: z.string(),
  details: z.array(wellKnown.any()),
}).meta({ id: "google.rpc.Status" });

export const NullValue = openEnum({
  NULL_VALUE: 0,
}).meta({ id: "google.protobuf.NullValue" });

export const Everything = z.object({
  aDouble: scalar("double"),
  aFloat: scalar("float"),
  anInt32: z.int32(),
  anInt64: field(5, z.int64()),
  aUint32: z.uint32(),
  aUint64: z.uint64(),
  aSint32: scalar("sint32"),
  aSint64: scalar("sint64"),
  aFixed32: scalar("fixed32"),
  aFixed64: scalar("fixed64"),
  aSfixed32: scalar("sfixed32"),
  aSfixed64: scalar("sfixed64"),
  aBool: z.boolean(),
  aString: z.string(),
  aBytes: bytes(),
  maybeInt: field(21, z.int32().optional()),
  maybeText: z.string().optional(),
  maybeInner: EverythingInner.optional(),
  maybeMood: Mood.optional(),
  inner: EverythingInner.optional(),
  mood: Mood,
  texts: field(30, z.array(z.string())),
  packed: z.array(z.int32()),
  unpacked: z.array(z.int32()),
  inners: z.array(EverythingInner),
  moods: z.array(Mood),
  labels: field(40, z.record(z.string(), z.string())),
  byNumber: z.map(z.int32(), EverythingInner),
  byFlag: z.map(z.boolean(), Mood),
  byId: z.map(scalar("fixed64"), bytes()),
  get deeper() {
    return z.record(z.string(), Everything);
  },
  get paymentKind() {
    return oneof({
      card: field(50, EverythingInner).describe("By card."),
      note: z.string(),
      later: field(53, z.date()),
      other: Everything,
      feeling: Mood,
    });
  },
  OddName: oneof({
    right: field(52, z.int32()),
    left: field(61, z.int32()),
  }),
  at: field(70, z.date().optional()),
  took: wellKnown.duration().optional(),
  anything: wellKnown.any().optional(),
  object: wellKnown.struct().optional(),
  value: wellKnown.value().optional(),
  list: wellKnown.listValue().optional(),
  mask: wellKnown.fieldMask().optional(),
  nothing: wellKnown.empty().optional(),
  nickname: wellKnown.wrapped(z.string()).optional(),
  big: wellKnown.wrapped(z.int64()).optional(),
  flag: wellKnown.wrapped(z.boolean()).optional(),
  times: z.array(z.date()),
  values: z.record(z.string(), wellKnown.value()),
  status: Status.optional(),
  null: NullValue,
  renamed: field(100, z.string().meta({ jsonName: "otherName" })),
  foo1: z.string().meta({ protoName: "foo_1" }),
  camelCase: z.string().meta({ protoName: "camelCase" }),
  ALLCAPS: z.string().meta({ protoName: "ALL_CAPS" }),
  trailing: z.string().meta({ protoName: "trailing_" }),
  constructor: z.string(),
  needed: field(110, EverythingInner).describe("It may not be left out."),
}).meta({ id: "Everything" });

/** Two nodes. */
export const Pair = z.object({
  get left() {
    return Node.optional();
  },
  get right() {
    return Node.optional();
  },
}).meta({ id: "Pair" });

export const Node = z.object({
  name: z.string(),
  get parent() {
    return Node.optional();
  },
  get children() {
    return z.array(Node);
  },
  get named() {
    return z.record(z.string(), Node);
  },
  pair: Pair.optional(),
}).meta({ id: "Node" });

export const Nobody = z.object({}).meta({ id: "Nobody" });

/** Tries all there is. */
export const Torture = service("torture.v1.Torture", {
  all: rpc({ input: Everything, output: Everything }),
  empty: rpc({ input: wellKnown.empty(), output: wellKnown.empty(), safe: true }),
  getURL: rpc({ kind: "client_stream", input: Node, output: Node, idempotent: true }),
  sayIt: rpc({ kind: "server_stream", wireName: "say_it", input: Node, output: EverythingInner }),
  thenCall: rpc({ wireName: "then", input: z.date(), output: wellKnown.wrapped(z.string()) }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "torture.proto",
  package: "torture.v1",
  options: {
    deprecated: true,
    go_package: "example.com/torture/v1;torturev1",
    optimize_for: "CODE_SIZE",
  },
  types: {
    Everything: {
      options: { deprecated: true },
      reserved: ["4", "90 to 95", "536870000 to max"],
      reservedNames: ["gone", "forgotten"],
      fields: {
        a_fixed64: { jstype: "JS_STRING" },
        unpacked: { packed: false },
        renamed: { deprecated: true },
      },
      oneofs: { OddName: "Odd_Name" },
      optional: ["maybe_inner"],
    },
    "Everything.Inner": { reserved: ["3"] },
    Mood: {
      options: { allow_alias: true },
      reserved: ["9 to 11", "-5"],
      reservedNames: ["MOOD_GONE"],
      values: { MOOD_BAD: { deprecated: true } },
      aliases: { MOOD_MERRY: 1 },
    },
  },
  services: {
    Torture: { options: { deprecated: true }, methods: { GetURL: { deprecated: true } } },
  },
};
