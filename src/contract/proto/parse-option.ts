/** Options: `option java_package = "…";`, `[deprecated = true]`, and values in the text format. */
import type { TokenCursor } from "./parse-cursor.ts";
import { refuseAt } from "./parse-error.ts";
import type { AggregateField, OptionNode, OptionValue } from "./parse-tree.ts";

/** Deepest nesting of a value in braces. */
const maxDepth = 64;

/** `option name = value;` whose keyword is next. */
export function parseOptionStatement(cursor: TokenCursor): OptionNode {
  cursor.expect("option");
  const option = parseOption(cursor);
  cursor.expect(";");
  return option;
}

/** `[a = 1, (b).c = { … }]` if it is there. */
export function parseBracketed(cursor: TokenCursor): OptionNode[] {
  const options: OptionNode[] = [];
  if (!cursor.take("[")) return options;
  do options.push(parseOption(cursor)); while (cursor.take(","));
  cursor.expect("]");
  return options;
}

function parseOption(cursor: TokenCursor): OptionNode {
  const { position } = cursor;
  const name: { text: string; isExtension: boolean }[] = [];
  do {
    if (cursor.take("(")) {
      name.push({ text: cursor.dotted("the name of an option", true), isExtension: true });
      cursor.expect(")");
    } else name.push({ text: cursor.identifier("the name of an option"), isExtension: false });
  } while (cursor.take("."));
  cursor.expect("=");
  return { position, name, value: cursor.at("{") ? parseAggregate(cursor, 0) : parseScalar(cursor) };
}

function parseScalar(cursor: TokenCursor): OptionValue {
  const { token } = cursor;
  if (token.kind === "string") return { kind: "string", ...cursor.string("a string") };
  if (token.kind === "identifier") return { kind: "identifier", text: cursor.next().text };
  const sign = cursor.take("-") ? -1 : 1;
  if (sign === 1) cursor.take("+");
  const number = cursor.token;
  if (number.kind === "integer") {
    cursor.next();
    return { kind: "number", number: sign * Number(number.value), integer: BigInt(sign) * number.value };
  }
  if (number.kind === "float") {
    cursor.next();
    return { kind: "number", number: sign * Number.parseFloat(number.text), integer: undefined };
  }
  if (number.text === "inf" || number.text === "infinity" || number.text === "nan") {
    cursor.next();
    return { kind: "number", number: number.text === "nan" ? NaN : sign * Infinity, integer: undefined };
  }
  return cursor.refuse("a value");
}

function parseAggregate(cursor: TokenCursor, depth: number): OptionValue {
  if (depth > maxDepth) refuseAt(cursor.position, `a value nested deeper than ${maxDepth}`);
  const close = cursor.take("<") ? ">" : (cursor.expect("{"), "}");
  const fields: AggregateField[] = [];
  while (!cursor.take(close)) {
    fields.push(parseAggregateField(cursor, depth));
    if (!cursor.take(",")) cursor.take(";");
  }
  return { kind: "message", fields };
}

function parseAggregateField(cursor: TokenCursor, depth: number): AggregateField {
  const { position } = cursor;
  const isExtension = cursor.take("[");
  let name = isExtension ? cursor.dotted("a name", false) : cursor.identifier(`a name or "}"`);
  if (isExtension) {
    if (cursor.take("/")) name += `/${cursor.dotted("the name of a type", false)}`;
    cursor.expect("]");
  }
  const hasColon = cursor.take(":");
  if (cursor.at("{") || cursor.at("<")) {
    return { position, name, isExtension, value: parseAggregate(cursor, depth + 1) };
  }
  if (!hasColon) cursor.refuse(`":" or "{"`);
  return { position, name, isExtension, value: parseValue(cursor, depth + 1) };
}

function parseValue(cursor: TokenCursor, depth: number): OptionValue {
  if (cursor.at("{") || cursor.at("<")) return parseAggregate(cursor, depth);
  if (!cursor.take("[")) return parseScalar(cursor);
  if (depth > maxDepth) refuseAt(cursor.position, `a value nested deeper than ${maxDepth}`);
  const values: OptionValue[] = [];
  if (cursor.take("]")) return { kind: "list", values };
  do values.push(parseValue(cursor, depth + 1)); while (cursor.take(","));
  cursor.expect("]");
  return { kind: "list", values };
}
