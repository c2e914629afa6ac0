/** Keys of maps that are plain objects: property names on one side, typed keys on the wire. */

/** The map key that a property name stands for; the name itself when it stands for none. */
export function keyOfProperty(scalar: string, name: string): unknown {
  if (scalar === "string") return name;
  if (scalar === "bool") return name === "true" || (name === "false" ? false : name);
  if (!/^(?:0|-?[1-9]\d{0,19})$/.test(name)) return name;
  return scalar.endsWith("64") ? BigInt(name) : Number(name);
}

/** Sets an own property whatever its name is: assigning to `__proto__` would set the prototype. */
export function setProperty(record: Record<string, unknown>, key: unknown, value: unknown): void {
  const name = typeof key === "string" ? key : String(key);
  if (name === "__proto__") {
    Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true });
  } else record[name] = value;
}
