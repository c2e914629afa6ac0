/**
 * `checkLinearizable` looks for an order of the operations on one object that explains every answer: each takes effect
 * at one instant between its call and its answer.
 *
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what was tried
 * ("Testing for linearizability", 2017): a set of operations that leads to a state seen before needs no second look.
 * The problem is NP-hard, so the search is bounded, and says when it gave up. Objects are independent (linearizability
 * is local), so each is searched alone.
 */
import { RpcError } from "../core/error.ts";
import { complaints, type Verdict } from "./checkers.ts";

/** An operation on an object. Times are milliseconds; only their order counts. */
export interface Operation<Argument = unknown, Answer = unknown> {
  readonly object: string;
  readonly name: string;
  readonly argument?: Argument;
  /** Undefined where nobody learnt it. */
  readonly answer?: Answer | undefined;
  readonly startedMs: number;
  /** Infinity where nobody learnt the outcome: then it may take effect at any time, or never. */
  readonly endedMs: number;
  /** For messages: who did it. */
  readonly caller?: string;
}

/** What an object does when nobody else is there. */
export interface SequentialModel<State> {
  readonly initial: State;
  /** The state after the operation; undefined if from this state it cannot have answered as it did. */
  step(state: State, operation: Operation): State | undefined;
  /** Texts are equal where states are. */
  keyOf(state: State): string;
}

/** A register of text: `write` (argument), `read` (answer). */
export const registerModel: SequentialModel<string> = {
  initial: "",
  step(state, { name, argument, answer }) {
    if (name === "write") return String(argument);
    if (name === "read") return answer === undefined || answer === state ? state : undefined;
    throw unknownOperation(name, "read, write");
  },
  keyOf: (state) => state,
};

/** A counter from 0: `add` (argument, answers the new total), `read` (answers the total). */
export const counterModel: SequentialModel<number> = {
  initial: 0,
  step(state, { name, argument, answer }) {
    const next = name === "add" ? state + Number(argument ?? 1) : state;
    if (name !== "add" && name !== "read") throw unknownOperation(name, "read, add");
    return answer === undefined || answer === next ? next : undefined;
  },
  keyOf: String,
};

function unknownOperation(name: string, known: string): RpcError {
  return new RpcError("invalid_argument", `the model has no operation ${JSON.stringify(name)}; it has ${known}`);
}

export interface LinearizableOptions {
  /** Steps of the search, for each object, after which it gives up. Default 200,000. */
  readonly maxSteps?: number;
}

/**
 * Checks every object by itself. Objects whose search gave up count as `undecided` in the figures, not as violations:
 * operations that nobody learnt the outcome of make a search long, since each may be anywhere later.
 */
export function checkLinearizable<State>(
  model: SequentialModel<State>, operations: readonly Operation[], { maxSteps = 200_000 }: LinearizableOptions = {},
): Verdict {
  const found = complaints("linearizable");
  const byObject = new Map<string, Operation[]>();
  for (const operation of operations) {
    const its = byObject.get(operation.object);
    if (its === undefined) byObject.set(operation.object, [operation]);
    else its.push(operation);
  }
  let [undecided, steps] = [0, 0];
  for (const [object, its] of byObject) {
    const search = linearize(model, its, maxSteps);
    steps += search.steps;
    if (search.result === "undecided") undecided++;
    if (search.result === "no") found.add(() => `${object}: no order explains ${told(search.stuckAt)}`);
  }
  return found.verdict({ objects: byObject.size, operations: operations.length, undecided, steps });
}

interface Search {
  readonly result: "yes" | "no" | "undecided";
  readonly steps: number;
  /** The operation whose answer could not be explained by the longest order found. */
  readonly stuckAt?: Operation | undefined;
}

/** An entry of the history: an operation begins, or it ends. A doubly linked list, as operations come and go. */
interface Entry {
  readonly operation: Operation;
  readonly index: number;
  /** The end that belongs to this beginning; undefined for an end, and where nobody learnt the outcome. */
  readonly end: Entry | undefined;
  readonly isEnd: boolean;
  /**
   * Of a beginning without an end, the one before it that does the same. Nobody learnt of either, and whatever the
   * later one explains the earlier one explains as well: it is placed first, and n of them are tried n ways, not 2^n.
   */
  twin: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

interface Placed<State> {
  readonly entry: Entry;
  readonly stateBefore: State;
}

function linearize<State>(model: SequentialModel<State>, operations: readonly Operation[], maxSteps: number): Search {
  const head = historyOf(operations);
  let pending = operations.filter(({ endedMs }) => endedMs < Infinity).length;
  const done = new Uint32Array(Math.ceil(operations.length / 32));
  const seen = new Set<string>();
  const placed: Placed<State>[] = [];
  let state = model.initial;
  let entry = head.next;
  let steps = 0;
  let longest = -1;
  let stuckAt: Operation | undefined;
  while (pending > 0) {
    if (++steps > maxSteps) return { result: "undecided", steps };
    if (entry !== undefined && !entry.isEnd) {
      const next = isDue(entry) ? model.step(state, entry.operation) : undefined;
      if (next !== undefined && isNew(entry.index, next)) {
        placed.push({ entry, stateBefore: state });
        state = next;
        flip(entry.index);
        if (entry.end !== undefined) pending--;
        lift(entry);
        entry = head.next;
      } else {
        entry = entry.next;
      }
      continue;
    }
    // An end that comes before its operation was placed, or nothing left to place: take the last one back.
    if (placed.length > longest) [longest, stuckAt] = [placed.length, entry?.operation];
    const last = placed.pop();
    if (last === undefined) return { result: "no", steps, stuckAt };
    state = last.stateBefore;
    flip(last.entry.index);
    if (last.entry.end !== undefined) pending++;
    unlift(last.entry);
    entry = last.entry.next;
  }
  return { result: "yes", steps };

  function isDue({ twin }: Entry): boolean {
    return twin === undefined || ((done[twin.index >> 5] as number) & (1 << (twin.index & 31))) !== 0;
  }

  function flip(index: number): void {
    done[index >> 5] = (done[index >> 5] as number) ^ (1 << (index & 31));
  }

  /** Whether this set of operations has not led to this state before. */
  function isNew(index: number, next: State): boolean {
    flip(index);
    const key = `${done.join()} ${model.keyOf(next)}`;
    flip(index);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  }
}

/** Beginnings and ends in order of time; at equal times beginnings first, so that these operations overlap. */
function historyOf(operations: readonly Operation[]): Entry {
  const entries = operations.flatMap((operation, index): Entry[] => {
    const links = { operation, index, twin: undefined, previous: undefined, next: undefined };
    if (operation.endedMs === Infinity) return [{ ...links, end: undefined, isEnd: false }];
    const end: Entry = { ...links, end: undefined, isEnd: true };
    return [{ ...links, end, isEnd: false }, end];
  });
  const timeOf = ({ isEnd, operation }: Entry): number => (isEnd ? operation.endedMs : operation.startedMs);
  entries.sort((a, b) => timeOf(a) - timeOf(b) || Number(a.isEnd) - Number(b.isEnd));
  const head: Entry = {
    operation: { object: "", name: "", startedMs: 0, endedMs: 0 }, index: -1, end: undefined, isEnd: false,
    twin: undefined, previous: undefined, next: undefined,
  };
  const lastLike = new Map<string, Entry>();
  let last = head;
  for (const entry of entries) {
    if (entry.end === undefined && !entry.isEnd && entry.operation.answer === undefined) {
      const like = JSON.stringify([entry.operation.name, entry.operation.argument]);
      entry.twin = lastLike.get(like);
      lastLike.set(like, entry);
    }
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

/** Takes an operation out of the list: it is placed. */
function lift(entry: Entry): void {
  unlink(entry);
  if (entry.end !== undefined) unlink(entry.end);
}

/** Puts it back; in the reverse order, so that the links fit. */
function unlift(entry: Entry): void {
  if (entry.end !== undefined) relink(entry.end);
  relink(entry);
}

function unlink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry.next;
  if (entry.next !== undefined) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry;
  if (entry.next !== undefined) entry.next.previous = entry;
}

function told(operation: Operation | undefined): string {
  if (operation === undefined) return "what was answered";
  const { name, argument, answer, startedMs, endedMs, caller } = operation;
  const call = `${name}(${argument === undefined ? "" : JSON.stringify(argument)})`;
  const who = caller === undefined ? "" : ` of ${caller}`;
  return `${call}${who} from ${startedMs.toFixed(1)} to ${endedMs.toFixed(1)} ms answering ${String(answer)}`;
}
