/** Names of elements: those that fields have in JSON, as long as XML has them too. */
import { RpcError } from "../../core/error.ts";
import { type MessagePlan, messagesOf, slotsOf } from "../protobuf/plan.ts";

/** Names without colons, of letters that no reader stumbles over (a part of XML's `NCName`). */
const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** The name of a root: that of its type, or `value`. */
export function elementName(name: string | undefined): string {
  const last = name === undefined ? "" : name.slice(name.lastIndexOf(".") + 1);
  return namePattern.test(last) && !/^xml/i.test(last) ? last : "value";
}

/** Throws `invalid_argument` for a message with a field whose name no element can have. */
export function checkElementNames(root: MessagePlan): void {
  for (const message of messagesOf(root)) {
    const names = message.type === "struct" ? slotsOf(message.fields).map(({ field, case: one }) => (one ?? field).json)
      : message.type === "union" ? message.variants.map(({ json }) => json) : [];
    const bad = names.find((name) => !namePattern.test(name));
    if (bad !== undefined) {
      const type = message.type === "struct" || message.type === "union" ? message.name : "a message";
      throw new RpcError("invalid_argument", `${JSON.stringify(bad)} of ${type} is no name of an XML element; give ` +
        "the field another with .meta({ jsonName })", { phase: "encode" });
    }
  }
}
