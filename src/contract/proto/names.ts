/** Names of fields in `.proto`, in JSON and in TypeScript, and how each follows from another. */

/** `placed_at` → `placedAt`: the JSON name that Protocol Buffers derives, which is our property's name too. */
export function lowerCamel(name: string): string {
  return name.replace(/_+([^_])?/g, (_, next: string | undefined) => (next ?? "").toUpperCase());
}

/** `placedAt` → `placed_at`. */
export function snake(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/**
 * The name in `.proto` of a property: its `protoName` if it has one; else in snake_case, unless that would change
 * its name in JSON.
 */
export function protoFieldName(name: string, protoName?: string): string {
  if (protoName !== undefined) return protoName;
  const snaked = snake(name);
  return lowerCamel(snaked) === lowerCamel(name) && /^[a-z_][a-z0-9_]*$/.test(snaked) ? snaked : name;
}

/** `foo_bar` → `FooBar`, as protoc names the entry message of the map `foo_bar`. */
export function upperCamel(name: string): string {
  const camel = lowerCamel(name);
  return camel.slice(0, 1).toUpperCase() + camel.slice(1);
}
