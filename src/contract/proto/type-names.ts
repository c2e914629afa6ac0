/** Names of models that were types of `.proto` files. */

/**
 * What the type at `names` (from the file down) of package `of` is called in a contract of package `home`: by its names
 * alone in its own package (`Outer.Inner`), by its full name in another one. Undefined for a name that could not be
 * told from that of a package again: packages begin with small letters, types with capitals.
 */
export function modelName(of: string, names: readonly string[], home: string): string | undefined {
  const local = names.join(".");
  if (of === home && names.length === 1) return local;
  if (!names.every((name) => /^[A-Z]/.test(name))) return undefined;
  if (of === home) return local;
  return of === "" || of.split(".").some((part) => /^[A-Z]/.test(part)) ? undefined : `${of}.${local}`;
}

/** A model's name in parts. */
export interface TypeName {
  /** The package it names; undefined for that of the contract. */
  readonly package: string | undefined;
  /** From the file down: of `geo.v1.Outer.Inner` these are `Outer` and `Inner`. */
  readonly path: readonly string[];
}

/** The other way: reads what {@link modelName} gave. A name without capitals is one name of the contract's package. */
export function readTypeName(name: string): TypeName {
  const parts = name.split(".");
  const first = parts.findIndex((part) => /^[A-Z]/.test(part));
  if (first === -1) return { package: undefined, path: [name] };
  return { package: first === 0 ? undefined : parts.slice(0, first).join("."), path: parts.slice(first) };
}
