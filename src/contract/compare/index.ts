/** What breaks callers between two states of a contract. */
export { compareContracts, compareLocks } from "./compare.ts";
export { type Lock, lockContracts, readLock } from "./lock.ts";
export { type CheckedWire, type Finding, type Rule, type RuleName, rules } from "./rules.ts";
