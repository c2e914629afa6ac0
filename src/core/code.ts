/** The closed set of status codes: those of gRPC, since every wire we speak can carry them. */
export type Code =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** Index is the gRPC status number; 0 is "ok", which is no error and therefore no {@link Code}. */
const codesByNumber: readonly (Code | "ok")[] = [
  "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
  "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range",
  "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
];

const numbersByCode = new Map(codesByNumber.map((code, number) => [code, number]));

/** The gRPC number of a code, 1 to 16. */
export function codeNumber(code: Code): number {
  return numbersByCode.get(code) ?? 2;
}

/** The code of a gRPC number; anything outside 1 to 16 is "unknown". */
export function codeFromNumber(number: number): Code {
  const code = codesByNumber[number];
  return code === undefined || code === "ok" ? "unknown" : code;
}
