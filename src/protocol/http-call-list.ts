/** A call list holds the open calls of a connection in order; a call is its own link, so joining costs no memory. */
import { Alarm } from "../core/alarm.ts";
import type { RpcError } from "../core/error.ts";

/** What a connection asks of a call, whatever its shape. */
export abstract class ListedCall extends Alarm {
  nextCall: ListedCall | undefined = undefined;
  previousCall: ListedCall | undefined = undefined;
  list: CallList | undefined = undefined;

  /** Whether its method bears a repeat. */
  abstract readonly repeatable: boolean;
  /** Sends its request, for which it has waited. */
  abstract send(): void;
  /** Ends it with `error`. Does nothing when it is over. */
  abstract fail(error: RpcError): void;
  /** Gives it up: the server is told, the caller sees `error`. */
  abstract abandon(error: RpcError): void;
}

export class CallList {
  first: ListedCall | undefined = undefined;
  #last: ListedCall | undefined = undefined;
  size = 0;

  add(call: ListedCall): void {
    call.list = this;
    call.previousCall = this.#last;
    if (this.#last === undefined) this.first = call;
    else this.#last.nextCall = call;
    this.#last = call;
    this.size++;
  }

  remove(call: ListedCall): void {
    if (call.list !== this) return;
    const { previousCall, nextCall } = call;
    if (previousCall === undefined) this.first = nextCall;
    else previousCall.nextCall = nextCall;
    if (nextCall === undefined) this.#last = previousCall;
    else nextCall.previousCall = previousCall;
    call.list = call.previousCall = call.nextCall = undefined;
    this.size--;
  }

  /** All calls, as they are now: ending one may end others. */
  all(): ListedCall[] {
    const calls: ListedCall[] = [];
    for (let call = this.first; call !== undefined; call = call.nextCall) calls.push(call);
    return calls;
  }
}
