/** Refusals of what has no place in the schema model: one wording, with a way out. */
import { RpcError } from "../../core/error.ts";

/** Throws `invalid_argument`: `input.tags: z.set() has no place in a schema model; use z.array()`. */
export function refuse(path: string, what: string, advice: string): never {
  throw new RpcError("invalid_argument",
    `${path}: ${what} has no place in a schema model; ${advice} ` +
    "(the JSON and MessagePack codecs take it as it is)", { phase: "encode" });
}
