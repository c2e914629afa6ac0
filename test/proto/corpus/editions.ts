// The contract of editions.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { openEnum, rpc, service } from "../../../src/contract/index.ts";

export const Color = openEnum({
  COLOR_UNSPECIFIED: 0,
  COLOR_RED: 1,
}).meta({ id: "Color" });

export const Shape = z.enum(["SHAPE_ROUND", "SHAPE_SQUARE"]).meta({
  id: "Shape",
  numbers: {
    SHAPE_ROUND: 1,
    SHAPE_SQUARE: 2,
  },
});

export const Thing = z.object({
  implicit: z.string(),
  explicit: z.string().optional(),
  defaulted: z.int32().default(7),
  expanded: z.array(z.int32()),
  color: Color,
  shape: Shape.optional(),
  get child() {
    return Thing.optional();
  },
}).meta({ id: "Thing" });

export const Editions = service("editions.v1.Editions", {
  get: rpc({ input: Thing, output: Thing }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "editions.proto",
  package: "editions.v1",
  types: { Thing: { reserved: ["8", "9"], reservedNames: ["gone"] } },
};
