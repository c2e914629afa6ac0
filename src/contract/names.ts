/** Names of types and variants, derived where the user gave none. */

/** `list_all` and `listAll` → `ListAll`; what is no letter or digit separates words. */
export function pascalCase(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const name = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
  return /^[0-9]/.test(name) || name === "" ? `_${name}` : name;
}

/** `list_all` and `ListAll` → `listAll`. */
export function camelCase(text: string): string {
  const name = pascalCase(text);
  return name.slice(0, 1).toLowerCase() + name.slice(1);
}

/** `name`, or `name2`, `name3`… if it is taken; takes it. */
export function uniqueName(taken: Set<string>, name: string): string {
  let unique = name;
  for (let i = 2; taken.has(unique); i++) unique = `${name}${i}`;
  taken.add(unique);
  return unique;
}
