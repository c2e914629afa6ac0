/** Names of properties in JSON: one name, one field. */
import { RpcError } from "../../core/error.ts";
import { type MessagePlan, messagesOf, slotsOf } from "../protobuf/plan.ts";

/** Throws `invalid_argument` for a message two of whose fields have the same name in JSON. */
export function checkNames(root: MessagePlan): void {
  for (const message of messagesOf(root)) {
    if (message.type !== "struct") continue;
    const owners = new Map<string, string>();
    for (const { field, case: one } of slotsOf(message.fields)) {
      const { json, name } = one ?? field;
      const owner = owners.get(json);
      if (owner !== undefined) {
        throw new RpcError("invalid_argument",
          `fields ${JSON.stringify(owner)} and ${JSON.stringify(name)} of ${message.name} are both ` +
          `${JSON.stringify(json)} in JSON; give one of them a name with .meta({ jsonName })`, { phase: "encode" });
      }
      owners.set(json, name);
    }
  }
}
