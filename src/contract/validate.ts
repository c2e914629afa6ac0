/**
 * `validator` turns the validation of a schema into one function that returns the value to use or throws one
 * RpcError, which names each path, what was expected and what came.
 */
import { RpcError } from "../core/error.ts";
import { complaint, type Issue } from "./complaint.ts";
import { refusePollution } from "./pollution.ts";
import { isSensitiveAt } from "./sensitive.ts";
import type { StandardResult, StandardSchema } from "./standard.ts";
import { asZod } from "./zod/def.ts";
import { isOpen } from "./zod/open.ts";

/** Zod's own synchronous entry, which Zod's Standard Schema member is not. */
interface SafeParser {
  safeParse?(value: unknown): { success: boolean; data?: unknown; error?: { issues: readonly Issue[] } };
}

/** `label` is what messages call the value, e.g. `input`. */
export function validator(type: StandardSchema, label: string): (value: unknown) => unknown {
  const zod = asZod(type);
  const parser = zod as SafeParser | undefined;
  if (zod === undefined || typeof parser?.safeParse !== "function") return standardValidator(type, label);
  let open: boolean | undefined;
  return (value) => {
    // Zod never copies a `__proto__` key, but hands whatever an open part holds through as it came.
    open ??= isOpen(zod);
    if (open) refusePollution(value, label);
    const result = guarded(label, () => (parser as Required<SafeParser>).safeParse(value));
    if (result.success) return result.data;
    throw complaint(label, value, result.error?.issues ?? [], (path) => isSensitiveAt(zod, path));
  };
}

function standardValidator(type: StandardSchema, label: string): (value: unknown) => unknown {
  const standard = type["~standard"];
  return (value) => {
    refusePollution(value, label);
    const result = guarded(label, () => standard.validate(value)) as StandardResult<unknown>;
    if (result.issues === undefined) return result.value;
    throw complaint(label, value, result.issues);
  };
}

/** Turns what a check throws into an RpcError, and refuses a check that does not answer at once. */
function guarded<T>(label: string, validate: () => T | Promise<unknown>): T {
  let result: T | Promise<unknown>;
  try {
    result = validate();
  } catch (error) {
    if (RpcError.is(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (message.includes("during synchronous parse")) throw asynchronous(label);
    throw new RpcError("internal", `${label}: its validation threw: ${message.slice(0, 200)}`,
      { phase: "validate", cause: error });
  }
  if (result instanceof Promise) {
    // Nobody will ever ask for it; its failure must not end the process.
    result.catch(() => {});
    throw asynchronous(label);
  }
  return result;
}

function asynchronous(label: string): RpcError {
  return new RpcError("internal",
    `${label}: its validation is asynchronous, but calls are validated at once; move the check into the handler`,
    { phase: "validate" });
}
