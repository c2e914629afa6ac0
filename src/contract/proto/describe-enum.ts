/** Enums of models as enums of `.proto`. */
import type { EnumModel } from "../model.ts";
import { enumValueName, enumValues, unspecifiedName } from "./describe-names.ts";
import type { EnumDescriptor, EnumValueDescriptor } from "./file.ts";

/**
 * Values keep their names where the grammar allows it. The first has the number 0, as proto3 wants: where no value has
 * it, `NAME_UNSPECIFIED` does.
 */
export function describeEnum(name: string, model: EnumModel): EnumDescriptor {
  const taken = new Set<string>();
  const numbers = new Set<number>();
  const value: EnumValueDescriptor[] = [];
  const add = (wanted: string, number: number): void => {
    // protoc refuses names that differ only by case, by underscores or by the enum's name before them.
    const plain = (text: string): string => stripped(text.replaceAll("_", "").toLowerCase(), name);
    let unique = wanted;
    for (let i = 0; taken.has(plain(unique)); i++) unique = `${wanted}_${Math.abs(number)}${"x".repeat(i)}`;
    taken.add(plain(unique));
    numbers.add(number);
    value.push({ name: unique, number });
  };
  const values = enumValues(model);
  if (values[0]?.number !== 0) add(unspecifiedName(name), 0);
  for (const one of values) add(enumValueName(one.name), one.number);
  return { name, value, options: numbers.size < value.length ? { allowAlias: true } : undefined };
}

function stripped(text: string, name: string): string {
  const prefix = name.replaceAll("_", "").toLowerCase();
  return text.startsWith(prefix) && text.length > prefix.length ? text.slice(prefix.length) : text;
}

/** The names of an enum's values in the scope around the enum at `path`. */
export function enumScopeNames(path: string, { value = [] }: EnumDescriptor): readonly string[] {
  const scope = path.slice(0, path.lastIndexOf(".") + 1);
  return value.map(({ name }) => scope + name);
}
