/**
 * What the contract accepts as a type: any Standard Schema v1 (https://standardschema.dev), Zod 4 above all.
 *
 * Zod types are read through their own `_zod` member, which the compiler resolves without a conditional
 * over the whole schema; other libraries through the `types` of the standard.
 */

/** One complaint of a validation. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** The interface of Standard Schema v1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * Any type of a contract. A loose bound on purpose: comparing the `~standard` member of each Zod schema would
 * near double what the compiler does for a declaration. `rpc` looks closer at run time.
 */
export type AnyType = { readonly _zod: object } | { readonly "~standard": object };

interface ZodLike {
  readonly _zod: { readonly input: unknown; readonly output: unknown };
}

interface StandardTyped {
  readonly "~standard": { readonly types?: { readonly input: unknown; readonly output: unknown } | undefined };
}

/** What may be passed in: defaults may be absent. */
export type TypeInput<T> = T extends ZodLike ? T["_zod"]["input"]
  : T extends StandardTyped ? NonNullable<T["~standard"]["types"]>["input"] : unknown;

/** What comes out of validation: defaults are filled in, transforms applied. */
export type TypeOutput<T> = T extends ZodLike ? T["_zod"]["output"]
  : T extends StandardTyped ? NonNullable<T["~standard"]["types"]>["output"] : unknown;
