/** Which JSON values a type without structure takes. */
import { isRecord } from "../protobuf/fits.ts";

export function fitsJson(value: unknown, form: "any" | "struct" | "list"): boolean {
  return form === "struct" ? isRecord(value) : form === "list" ? Array.isArray(value) : true;
}
