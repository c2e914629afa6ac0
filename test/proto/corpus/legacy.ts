// The contract of legacy.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { bytes, oneof, rpc, scalar, service } from "../../../src/contract/index.ts";

export const RequestOrder = z.enum(["ASCENDING", "DESCENDING"]).meta({
  id: "Request.Order",
  numbers: {
    ASCENDING: 1,
    DESCENDING: 2,
  },
});

export const Request = z.object({
  page: z.int32().default(1),
  query: z.string().default("say \"hi\"\n"),
  strict: z.boolean().default(true),
  since: z.int64().default(-9000000000n),
  ratio: scalar("double").default(Infinity),
  key: bytes().default(() => Uint8Array.of(1, 255)),
  order: RequestOrder.default("DESCENDING"),
  plain: z.int32().optional(),
  ids: z.array(z.int32()),
  loose: z.array(z.int32()),
  named: RequestOrder.default("DESCENDING"),
}).meta({ id: "Request" });

export const Response = z.object({
  request: Request.optional(),
  result: oneof({
    text: z.string(),
    code: z.int32(),
  }),
}).meta({ id: "Response" });

export const Legacy = service("legacy.Legacy", {
  get: rpc({ input: Request, output: Response }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "legacy.proto",
  package: "legacy",
  types: {
    Request: { reserved: ["100 to 199"], fields: { ids: { packed: true } } },
    "Request.Order": { options: { allow_alias: true }, aliases: { DOWN: 2 } },
  },
};
