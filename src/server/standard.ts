/** The standard services of a server: health, and reflection where it is wanted. */
import type { Guard } from "../core/identity.ts";
import type { Stack } from "../core/service.ts";
import type { AnyContract } from "../contract/service.ts";
import { Health, type ServerHealth } from "./health.ts";
import { reflectionOf, ServerReflection, ServerReflectionAlpha } from "./reflection.ts";
import { Routes } from "./routes.ts";

export interface StandardOptions {
  readonly health: ServerHealth | undefined;
  readonly reflection: boolean;
  /** The contracts that reflection tells of. */
  readonly contracts: () => readonly AnyContract[];
  /** Layers over reflection, as over the user's handlers: what is served may be nobody's business. */
  readonly stack: Stack;
  /** Who may ask is said of health too, where anything is said. */
  readonly guard: Guard | undefined;
}

/** Health is asked by balancers and orchestrators of a server that is full, too: it stands outside the user's stack. */
export function standardRoutes(options: StandardOptions): Routes {
  const { guard } = options;
  const open = new Routes({ stack: { auth: guard?.layer }, guard, codecs: [] });
  if (options.health !== undefined) open.add(Health, { ...options.health.handlers });
  if (!options.reflection) return open;
  const guarded = new Routes({ stack: options.stack, guard, codecs: [], standard: open });
  const handlers = { ...reflectionOf({ contracts: options.contracts }) };
  guarded.add(ServerReflection, handlers);
  guarded.add(ServerReflectionAlpha, handlers);
  return guarded;
}
