/** Type-level equality for type tests. */

/** True only for identical types: `any`, optionality and readonly are told apart. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the two functions are what is compared
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** `is<Equal<A, B>>()` compiles only if the claim is true. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the claim is checked, never used
export function is<_Claim extends true>(): void {}
