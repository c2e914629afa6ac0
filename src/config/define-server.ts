/** A server's module says what is served; the configuration says where, and how. */
import type { Awaitable, Stack } from "../core/service.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { ClientOf } from "../client/create-client.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Handlers } from "../contract/types.ts";
import { RpcError } from "../core/error.ts";
import type { ServerOptions } from "../server/server.ts";
import type { Config } from "./config.ts";

/** What a module gives its handlers to. */
export interface ServerSetup {
  /** Serves `contract` by `handlers`. */
  implement<S extends AnyContract>(contract: S, handlers: Handlers<S>): ServerSetup;
}

/** Where a server is, and whom it can call. */
export interface ServerPlace {
  /** Its name in the configuration. */
  readonly name: string;
  readonly region: string | undefined;
  readonly zone: string | undefined;
  readonly config: Config;
  readonly runtime: Runtime;
  /** A client by the configuration's policies, which closes after the server. */
  client<S extends AnyContract>(contract: S): ClientOf<S>;
}

/** Called when the server has drained: for databases and files. */
export type Ended = () => Awaitable<void>;

/** Implements contracts; may return what is to be done when the server has drained. */
export type Setup = (server: ServerSetup, place: ServerPlace) => Awaitable<Ended | undefined | void>;

/** What a module says beside what it serves: all that is code, and cannot stand in a file. */
export interface ServerDefinition
  extends Pick<ServerOptions, "codecs" | "http" | "wires" | "load" | "replay" | "admission"> {
  readonly setup: Setup;
  /** Layers of the user's own. */
  readonly stack?: Stack | undefined;
  readonly observer?: Observer | undefined;
}

/**
 * What a module for `meridian serve` exports.
 *
 * @example
 * export default defineServer((server) => {
 *   server.implement(Calculator, { add: ({ a, b }) => ({ sum: a + b }) });
 * });
 */
export function defineServer(definition: ServerDefinition | Setup): ServerDefinition {
  return typeof definition === "function" ? { setup: definition } : definition;
}

/** The definition that a module exports by default. Throws `invalid_argument` saying what belongs there. */
export function serverDefinition(module: Readonly<Record<string, unknown>>, path: string): ServerDefinition {
  const exported = module["default"];
  if (typeof exported === "function") return { setup: exported as Setup };
  const isDefinition = typeof exported === "object" && exported !== null &&
    typeof (exported as Partial<ServerDefinition>).setup === "function";
  if (isDefinition) return exported as ServerDefinition;
  const found = exported === undefined ? "nothing" : `a ${typeof exported}`;
  throw new RpcError("invalid_argument", `${path}: its default export is ${found}, expected ` +
    "`export default defineServer((server) => { server.implement(Contract, { … }); })` (meridian-rpc/config)");
}
