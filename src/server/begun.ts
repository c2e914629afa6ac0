/**
 * What a handler fails with has been begun. Calls that the handler made in turn may have failed before they started,
 * which says nothing about its own: passed on as it is, such an error would let the caller repeat what may have acted.
 */
import { isPromise, RpcError, type RpcErrorOptions, type Service } from "../core/index.ts";

/** The handler, whose errors from calls of its own no longer say that nothing was started. Streams are as they are. */
export function begun(handler: Service): Service {
  return (request, context) => {
    let answer: unknown;
    try {
      answer = handler(request, context);
    } catch (error) {
      throw ofThisCall(error);
    }
    return isPromise(answer) ? answer.then(undefined, rethrow) : answer;
  };
}

function rethrow(error: unknown): never {
  throw ofThisCall(error);
}

function ofThisCall(error: unknown): unknown {
  if (!RpcError.is(error) || !error.neverStarted) return error;
  // A handler's own word that it did nothing stands: it has no place, since no call was made for it.
  if (!error.remote && error.candidate === undefined && error.phase === undefined) return error;
  const { code, message, retryable, phase, endpoint, region, reason, data, details, retryAfterMs, metadata } = error;
  const options: RpcErrorOptions = {
    retryable: retryable && code === "unavailable", neverStarted: false, phase, endpoint, region, reason, data, details,
    retryAfterMs, metadata, cause: error,
  };
  return new RpcError(code, message, options);
}
