/** A fallback answers instead of a call that failed in a way that was foreseen: with a value, or another source's. */
import {
  badOption, type Code, type Context, isPromise, type Layer, type Observer, RpcError,
} from "../core/index.ts";

export interface FallbackOptions {
  /** What is answered instead: a value, or what this answers. It must be of the shape of the method's answer. */
  readonly answer: {} | null | undefined | ((error: RpcError, request: unknown, context: Context) => unknown);
  /**
   * The errors it is for. Default `unavailable`, `deadline_exceeded` and `resource_exhausted`: the service could not
   * answer. Others say something about the request, which nobody else would see.
   */
  readonly codes?: readonly Code[] | undefined;
  /** Decides instead of `codes`. */
  readonly isFor?: ((error: RpcError, context: Context) => boolean) | undefined;
  /** The methods it is for, by name. Default all unary ones. */
  readonly methods?: readonly string[] | undefined;
  /** Hears `fallback.used` for every call so answered. */
  readonly observer?: Observer | undefined;
}

const defaultCodes: readonly Code[] = ["unavailable", "deadline_exceeded", "resource_exhausted"];

/**
 * Makes the layer; outermost, so that it is used when everything else has failed. A fallback that fails itself leaves
 * the call's own error standing. A call that its caller cancelled is not answered.
 */
export function fallback(options: FallbackOptions): Layer {
  if (options.codes !== undefined && options.isFor !== undefined) {
    throw badOption("codes", options.codes, "`isFor` decides instead: give one of them");
  }
  if (!("answer" in options)) throw badOption("answer", undefined, "a fallback needs something to answer");
  const { codes = defaultCodes, methods, observer } = options;
  const isFor = options.isFor ?? ((error: RpcError) => codes.includes(error.code));

  function instead(thrown: unknown, request: unknown, context: Context): unknown {
    const error = RpcError.from(thrown);
    if (context.cancelReason !== undefined || error.code === "cancelled" || !isFor(error, context)) throw thrown;
    const used = <T>(value: T): T => {
      observer?.event?.("fallback.used", { method: context.method.path, code: error.code, why: error.message });
      return value;
    };
    if (typeof options.answer !== "function") return used(options.answer);
    let answer: unknown;
    try {
      answer = (options.answer as (error: RpcError, request: unknown, context: Context) => unknown)(
        error, request, context);
    } catch {
      throw thrown;
    }
    return isPromise(answer) ? answer.then(used, () => Promise.reject(thrown as Error)) : used(answer);
  }

  return (next) => (request, context) => {
    const { kind, name } = context.method;
    if (kind !== "unary" || (methods !== undefined && !methods.includes(name))) return next(request, context);
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      return instead(error, request, context);
    }
    return isPromise(answer) ? answer.then(undefined, (error: unknown) => instead(error, request, context)) : answer;
  };
}
