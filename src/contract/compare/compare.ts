/** `compareLocks` finds what breaks callers who have an older contract than the server. */
import { lockContracts, type Lock, type LockedMethod } from "./lock.ts";
import { type CheckedWire, type Finding, type RuleName, rules } from "./rules.ts";
import { TypeComparer } from "./compare-types.ts";
import type { AnyContract } from "../service.ts";

/** {@link compareLocks} of two sets of contracts. */
export function compareContracts(before: readonly AnyContract[], after: readonly AnyContract[]): readonly Finding[] {
  return compareLocks(lockContracts(before), lockContracts(after));
}

/**
 * What breaks, wire by wire, when servers are of `after` and callers still of `before`: requests are written as before
 * and read as after, answers and errors the other way about. Empty if nothing does. docs/check.md has the rules.
 */
export function compareLocks(before: Lock, after: Lock): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (rule: RuleName, wire: CheckedWire, place: string, what: string): void => {
    findings.push({ rule, wire, place, what, ...rules[rule] });
  };
  const types = new TypeComparer(before, after, say);
  for (const [service, methods] of Object.entries(before.contracts)) {
    const now = after.contracts[service];
    if (now === undefined) {
      say("service-removed", "all", service, "the service is gone");
      continue;
    }
    for (const [name, method] of Object.entries(methods)) {
      const place = `${service}/${name}`;
      const twin = now[name];
      if (twin === undefined) say("method-removed", "all", place, "the method is gone");
      else compareMethods(method, twin, place, types, say);
    }
  }
  return findings;
}

type Say = (rule: RuleName, wire: CheckedWire, place: string, what: string) => void;

function compareMethods(old: LockedMethod, now: LockedMethod, place: string, types: TypeComparer, say: Say): void {
  if (old.kind !== now.kind) {
    say("method-kind", "all", place, `it was ${old.kind}, and is ${now.kind}`);
    return;
  }
  if (old.wireName !== now.wireName) {
    say("method-wire-name", "protobuf", place, `it was called ${old.wireName}, and is ${now.wireName}`);
  }
  const isWeaker = old.idempotent === true ? now.idempotent !== true : old.idempotent === "keyed" &&
    now.idempotent === false;
  if (isWeaker) say("method-idempotency", "all", place, `idempotent was ${old.idempotent}, and is ${now.idempotent}`);
  if (old.safe && !now.safe) say("method-safe", "http", place, "it was safe, and is not");
  if (old.oneway !== now.oneway) {
    say("method-oneway", "avro", place, now.oneway ? "it became one-way" : "it is one-way no longer");
  }
  for (const path of old.http) {
    if (!now.http.includes(path)) say("http-path-removed", "http", place, `${path} is gone`);
  }
  types.compare(old.input, now.input, "request", `${place}, input`);
  types.compare(old.output, now.output, "answer", `${place}, output`);
  compareErrors(old, now, place, types, say);
}

function compareErrors(old: LockedMethod, now: LockedMethod, place: string, types: TypeComparer, say: Say): void {
  for (const [name, error] of Object.entries(old.errors)) {
    const twin = now.errors[name];
    const at = `${place}, errors.${name}`;
    if (twin === undefined) {
      say("error-removed", "all", at, "the error is declared no longer");
      continue;
    }
    if (error.code !== twin.code) say("error-code", "all", at, `its code was ${error.code}, and is ${twin.code}`);
    if (error.id !== twin.id) say("error-id", "thrift", at, `its number was ${error.id}, and is ${twin.id}`);
    types.compare(error.type, twin.type, "answer", at);
  }
  for (const name of Object.keys(now.errors)) {
    if (name in old.errors) continue;
    for (const wire of ["thrift", "avro"] as const) say("error-added", wire, `${place}, errors.${name}`,
      "the error is new");
  }
}
