/**
 * `schemaOf` makes a Schema of a Zod 4 or other Standard Schema type.
 *
 * Nothing is read until somebody asks: a contract of hundreds of methods costs nothing until it is called.
 */
import { RpcError } from "../core/error.ts";
import type { Model } from "./model.ts";
import type { Schema } from "./schema.ts";
import type { AnyType, StandardSchema } from "./standard.ts";
import { validator } from "./validate.ts";
import { asZod } from "./zod/def.ts";
import { readZod } from "./zod/read.ts";

/** Whether `value` is something `schemaOf` takes. */
export function isType(value: unknown): value is AnyType {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as { "~standard"?: { validate?: unknown } })["~standard"];
  return typeof standard === "object" && typeof standard.validate === "function";
}

/**
 * The schema of a type.
 *
 * `name` is the PascalCase name of its struct where the type has none of its own (`.meta({ id })`); names of
 * anonymous inner structs begin with it. `label` is what error messages call the value, e.g. `input`.
 */
export function schemaOf(type: AnyType, name: string, label = "value"): Schema {
  return new LazySchema(type as StandardSchema, name, label);
}

interface Reading {
  readonly model: Model | undefined;
  readonly modelError: RpcError | undefined;
  /** Whether the model leaves something to check. */
  readonly checks: boolean;
}

class LazySchema implements Schema {
  readonly name: string;
  readonly validate: (value: unknown) => unknown;
  readonly #type: StandardSchema;
  readonly #label: string;
  #reading: Reading | undefined = undefined;

  constructor(type: StandardSchema, name: string, label: string) {
    this.#type = type;
    this.name = name;
    this.#label = label;
    this.validate = validator(type, label);
  }

  get model(): Model | undefined {
    return (this.#reading ??= this.#read()).model;
  }

  get modelError(): RpcError | undefined {
    return (this.#reading ??= this.#read()).modelError;
  }

  get refine(): ((value: unknown) => unknown) | undefined {
    return (this.#reading ??= this.#read()).checks ? this.validate : undefined;
  }

  #read(): Reading {
    const zod = asZod(this.#type);
    if (zod === undefined) {
      const vendor = this.#type["~standard"].vendor;
      return {
        model: undefined, checks: true,
        modelError: new RpcError("invalid_argument",
          `${this.#label}: the structure of a ${vendor} schema cannot be read; ` +
          "use the JSON or MessagePack codec, or a Zod 4 schema"),
      };
    }
    try {
      const { model, checks } = readZod(zod, this.name, this.#label);
      return { model, checks, modelError: undefined };
    } catch (error) {
      return { model: undefined, checks: true, modelError: RpcError.from(error, "invalid_argument") };
    }
  }
}
