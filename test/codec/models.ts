/** Models that together hold everything the model can say, and values of any model at random. */
import fc from "fast-check";
import type {
  EnumModel, FieldModel, Model, OneofModel, ScalarKind, ScalarModel, StructModel, WellKnownModel, WellKnownName,
} from "../../src/contract/model.ts";

export const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100);

export const scalar = (kind: ScalarKind): ScalarModel => ({ kind: "scalar", scalar: kind });
export const list = (of: Model): Model => ({ kind: "list", of });
export const nullable = (of: Model): Model => ({ kind: "nullable", of });
export const map = (key: ScalarModel | EnumModel, value: Model, as: "object" | "Map" = "object"): Model =>
  ({ kind: "map", key, value, as });
export const struct = (name: string, fields: readonly FieldModel[]): StructModel => ({ kind: "struct", name, fields });
export const field = (
  name: string, number: number, model: Model, presence: FieldModel["presence"] = "required",
  defaultValue?: () => unknown,
): FieldModel => ({ name, number, model, presence, ...(defaultValue === undefined ? {} : { defaultValue }) });

/** Each variant's name with its number and model. */
export const oneof = (variants: Readonly<Record<string, readonly [number, Model]>>): OneofModel => ({
  kind: "oneof",
  variants: Object.entries(variants).map(([name, [number, model]]) => ({ name, number, model })),
});

export const scalarKinds: readonly ScalarKind[] = [
  "bool", "string", "bytes", "int32", "uint32", "sint32", "int64", "uint64", "sint64", "fixed32", "sfixed32",
  "fixed64", "sfixed64", "float", "double", "timestamp",
];
const colour: EnumModel = {
  kind: "enum", name: "Colour",
  values: [{ name: "red", number: 1 }, { name: "green", number: 2 }, { name: "night \"blue\"", number: -7 }],
};
const size: EnumModel = {
  kind: "enum", name: "Size", values: "abcdefghijkl".split("").map((name, number) => ({ name, number })),
};
const open: EnumModel = {
  ...colour, name: "Open", open: true, values: [...colour.values, { name: "none", number: 0 }],
};
const wellKnown = (name: string, of?: ScalarKind): WellKnownModel => ({
  kind: "wellknown", name: `google.protobuf.${name}` as WellKnownName, of: of === undefined ? undefined : scalar(of),
});
/** Messages of google.protobuf that are JSON values or scalars in JavaScript. */
export const wellKnowns: readonly WellKnownModel[] = [
  wellKnown("Value"), wellKnown("Struct"), wellKnown("ListValue"), wellKnown("StringValue", "string"),
  wellKnown("Int64Value", "int64"), wellKnown("UInt64Value", "uint64"), wellKnown("Int32Value", "int32"),
  wellKnown("UInt32Value", "uint32"), wellKnown("BoolValue", "bool"), wellKnown("BytesValue", "bytes"),
  wellKnown("DoubleValue", "double"), wellKnown("FloatValue", "float"),
];
const point = struct("Point", [field("x", 1, scalar("double")), field("y", 2, scalar("double"))]);
const named = struct("Named", [
  field("name", 1, scalar("string")), field("at", 3, point), field("near", 20, point, "optional"),
]);
const tree: StructModel = {
  kind: "struct", name: "Tree",
  get fields(): readonly FieldModel[] {
    return [
      field("label", 1, scalar("string")), field("left", 2, tree, "optional"), field("children", 3, list(tree)),
      field("byName", 4, map(scalar("string"), tree)), field("when", 5, scalar("timestamp"), "optional"),
    ];
  },
};
const shape: Model = {
  kind: "union", name: "Shape", discriminator: "kind",
  variants: [
    {
      name: "circle", number: 1, tag: "circle",
      model: struct("Circle", [field("kind", 1, colour), field("r", 2, scalar("float"))]),
    },
    {
      name: "box", number: 2, tag: 7,
      model: struct("Box", [field("w", 1, scalar("int32")), field("name", 9, scalar("string"))]),
    },
    { name: "none", number: 16, tag: false, model: struct("None", []) },
  ],
};
const either: Model = {
  kind: "union", name: "Either", discriminator: undefined,
  variants: [
    { name: "text", number: 1, tag: undefined, model: scalar("string") },
    { name: "number", number: 2, tag: undefined, model: scalar("int32") },
    { name: "named", number: 3, tag: undefined, model: named },
    { name: "lists", number: 4, tag: undefined, model: list(scalar("bool")) },
    { name: "date", number: 5, tag: undefined, model: scalar("timestamp") },
  ],
};
const messages: readonly Model[] = [
  point, named, tree, shape, either, list(scalar("string")), list(list(scalar("int32"))),
];
const values: readonly Model[] = [
  ...scalarKinds.map(scalar), colour, size, open, { kind: "unknown" }, ...messages, ...wellKnowns,
];
const maps: readonly Model[] = [
  map(scalar("string"), scalar("int32")), map(scalar("string"), named), map(scalar("int32"), scalar("string")),
  map(scalar("bool"), scalar("string")), map(colour, scalar("double")), map(scalar("int32"), list(point), "Map"),
  map(scalar("string"), colour, "Map"), map(scalar("sint32"), shape, "Map"), map(scalar("string"), { kind: "unknown" }),
  map(scalar("uint32"), map(scalar("string"), scalar("bytes"))), map(scalar("string"), nullable(scalar("string"))),
];

const everyCase = (from: number): OneofModel =>
  oneof(Object.fromEntries([...values, ...maps, nullable(point)].map((model, i) => [`c${i}`, [from + i, model]])));

/** Null is among its values by itself. */
function hasNull(model: Model): boolean {
  return model.kind === "unknown" || (model.kind === "wellknown" && model.name === "google.protobuf.Value");
}

/** At the edges of what a tag of one, two, three, four and five bytes can say. */
const farNumbers = [1, 15, 16, 17, 2047, 2048, 262_143, 262_144, 33_554_432, 536_870_911];

/** Every kind of value in every place. */
export const models: Readonly<Record<string, Model>> = {
  scalars: struct("Scalars", scalarKinds.map((kind, i) => field(kind, i + 1, scalar(kind)))),
  finite: struct("Finite", (["float", "double"] as const).map((kind, i) =>
    field(kind, i + 1, { ...scalar(kind), finite: true }))),
  required: struct("Required", values.map((model, i) => field(`v${i}`, i + 1, model))),
  optional: struct("Optional", [...values, ...maps].map((model, i) => field(`v${i}`, i + 1, model, "optional"))),
  defaults: struct("Defaults", [
    field("count", 1, scalar("int32"), "default", () => 5), field("name", 2, scalar("string"), "default", () => "x"),
    field("tags", 3, list(scalar("string")), "default", () => ["a"]),
    field("at", 4, point, "default", () => ({ x: 1, y: 2 })), field("colour", 5, colour, "default", () => "red"),
    field("none", 6, nullable(scalar("int64")), "default", () => null),
  ]),
  nullable: struct("Nullable", values.filter((model) => !hasNull(model))
    .map((model, i) => field(`v${i}`, i + 1, nullable(model)))),
  optionalNullable: struct("OptionalNullable", values.filter((model) => !hasNull(model))
    .map((model, i) => field(`v${i}`, i + 1, nullable(model), "optional"))),
  lists: struct("Lists", [...values, nullable(colour), maps[0] as Model]
    .map((model, i) => field(`v${i}`, i + 1, list(model)))),
  maps: struct("Maps", maps.map((model, i) => field(`v${i}`, i + 1, model))),
  numbers: struct("Numbers", farNumbers.flatMap((number, i) =>
    [field(`v${i}`, number, i % 3 === 0 ? scalar("int64") : i % 3 === 1 ? list(scalar("string")) : point)])),
  names: struct("Names", ["constructor", "toString", "a b", "\"];throw 1;//", "\u2028", "class", "${v}", "length"]
    .map((name, i) => field(name, i + 1, scalar("string"), i % 2 === 0 ? "optional" : "required"))),
  empty: struct("Empty", []),
  oneofs: struct("Oneofs", [
    field("first", 1, everyCase(1), "optional"), field("between", 70, scalar("string")),
    // Numbers around those of other fields, so that its cases are written in several places.
    field("around", 69,
      oneof({ low: [69, scalar("int32")], high: [71, named], far: [90_000, scalar("string")] }), "optional"),
    field("needed", 72, oneof({ a: [72, scalar("sint64")], "b\"": [73, colour] })),
    field("defaulted", 74, oneof({ length: [74, scalar("double")], free: [75, { kind: "unknown" }] }), "default",
      () => ({ case: "length", value: 1 })),
  ]),
  smallOneof: struct("SmallOneof", [
    field("x", 1, scalar("int32")), field("of", 2, oneof({ y: [2, point], z: [3, scalar("bool")] }), "optional"),
  ]),
  tree, shape, either,
  ...Object.fromEntries(values.map((model, i) => [`bare${i}`, model])),
  ...Object.fromEntries(maps.map((model, i) => [`bareMap${i}`, model])),
  bareNullable: nullable(point), bareNullableList: nullable(list(scalar("uint64"))),
};

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 30, maxLength: 150 }) },
  { weight: 1, arbitrary: fc.nat(300).map((length) => "abc é".repeat(length)) },
).filter((value) => value !== "__proto__");
const int32 = fc.oneof(fc.integer(), fc.integer({ min: -200, max: 20_000 }), fc.constantFrom(0, -1, 127, 128, 16_384));
const uint32 = int32.map((value) => value >>> 0);
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), int32.map(BigInt),
  fc.constantFrom(0n, 2n ** 31n, 2n ** 32n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n));

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

function wellKnownValue(model: WellKnownModel): fc.Arbitrary<unknown> {
  if (model.of !== undefined) return scalarValue(model.of);
  if (model.name === "google.protobuf.Struct") return fc.dictionary(text, json, { maxKeys: 4, noNullPrototype: true });
  return model.name === "google.protobuf.ListValue" ? fc.array(json, { maxLength: 4 }) : json;
}

function scalarValue({ scalar, finite }: ScalarModel): fc.Arbitrary<unknown> {
  switch (scalar) {
    case "bool": return fc.boolean();
    case "string": return text;
    case "bytes": return fc.uint8Array({ maxLength: 300 });
    case "int32": case "sint32": case "sfixed32": return int32;
    case "uint32": case "fixed32": return uint32;
    case "int64": case "sint64": case "sfixed64": return int64;
    case "uint64": case "fixed64": return int64.map((value) => BigInt.asUintN(64, value));
    case "float": return fc.float(finite === true ? { noNaN: true, noDefaultInfinity: true } : {});
    case "double": return fc.double(finite === true ? { noNaN: true, noDefaultInfinity: true } : {});
    case "timestamp":
      return fc.date({
        min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true,
      });
    default: return scalar satisfies never;
  }
}

/** Values of a model. `fuel` runs out so that recursive ones end. */
export function valuesOfModel(model: Model, fuel = 4): fc.Arbitrary<unknown> {
  switch (model.kind) {
    case "scalar": return scalarValue(model);
    case "enum": {
      const names = fc.constantFrom(...model.values.map(({ name }) => name));
      const isUnknown = (number: number) => model.values.every((value) => value.number !== number);
      return model.open === true ? fc.oneof(names, int32.filter(isUnknown)) : names;
    }
    case "wellknown": return wellKnownValue(model);
    case "unknown": return json;
    case "nullable": return fc.option(valuesOfModel(model.of, fuel), { nil: null });
    case "list":
      if (fuel <= 0) return fc.constant([]);
      return fc.array(valuesOfModel(model.of, fuel - 1), { maxLength: fuel <= 2 ? 2 : 8 });
    case "map": {
      if (fuel <= 0) return fc.constant(null).map(() => (model.as === "Map" ? new Map() : {}));
      const entries = fc.array(fc.tuple(valuesOfModel(model.key, fuel), valuesOfModel(model.value, fuel - 1)),
        { maxLength: 3 });
      return entries.map((pairs) => (model.as === "Map" ? orderedMap(pairs) : Object.fromEntries(pairs) as unknown));
    }
    case "struct": return structValue(model, fuel);
    case "union": return fc.oneof(...model.variants.map(({ model: variant, tag }) => {
      const value = valuesOfModel(variant, fuel - 1);
      return tag === undefined || model.discriminator === undefined
        ? value
        : value.map((inner) => ({ ...inner as object, [model.discriminator as string]: tag }));
    }));
    case "oneof": return fc.oneof(...model.variants.map((variant) =>
      valuesOfModel(variant.model, fuel - 1).map((value) => ({ case: variant.name, value }))));
    default: return model satisfies never;
  }
}

/** Integers in the order in which an object keeps them, so that other implementations write the same bytes. */
function orderedMap(pairs: readonly (readonly [unknown, unknown])[]): Map<unknown, unknown> {
  const map = new Map(pairs);
  const keys = Object.keys(Object.fromEntries([...map.keys()].map((key) => [String(key), key])));
  return new Map(keys.flatMap((name) => [...map].filter(([key]) => String(key) === name)));
}

function structValue({ fields }: StructModel, fuel: number): fc.Arbitrary<unknown> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  const optional: string[] = [];
  for (const { name, model, presence } of fields) {
    parts[name] = presence === "optional" && fuel <= 0 ? fc.constant(undefined) : valuesOfModel(model, fuel - 1);
    if (presence === "optional") optional.push(name);
  }
  const requiredKeys = fields.map(({ name }) => name).filter((name) => !optional.includes(name));
  return fc.record(parts, { requiredKeys }).map((value) =>
    Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)));
}

const presences = ["required", "optional"] as const;

/** Models at random. */
export const randomModel: fc.Arbitrary<StructModel> = fc.letrec<{ model: Model; struct: StructModel }>((tie) => ({
  model: fc.oneof({ depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...values), tie("struct"), tie("model").map(list), fc.constantFrom(...maps),
    tie("model").filter((model) => model.kind !== "nullable" && !hasNull(model)).map(nullable),
    tie("model").map((value) => map(scalar("string"), value))),
  struct: fc.array(fc.tuple(tie("model"), fc.constantFrom(...presences), fc.nat(12)), { maxLength: 8 })
    .map((parts) => {
      let number = 0;
      return struct("Random", parts.map(([model, presence, gap], i) =>
        field(`f${i}`, number += gap + 1, model, presence)));
    }),
})).struct;
