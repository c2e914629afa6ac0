/** Errors in `.proto` sources: where, what was found, what was expected. */
import { RpcError } from "../../core/error.ts";

/** Where something stands in a file; both count from 1. */
export interface Position {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** `greeter.proto:3:7`. */
export function describePosition({ path, line, column }: Position): string {
  return `${path}:${line}:${column}`;
}

/** Throws `invalid_argument`: `greeter.proto:3:7: expected ";", found "}"`. */
export function refuseAt(position: Position, message: string): never {
  throw new RpcError("invalid_argument", `${describePosition(position)}: ${message}`);
}
