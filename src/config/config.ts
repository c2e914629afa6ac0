/** A Config is what an operator decides, in one file: servers, clients, gateways, regions, discovery, logs. */
import { clientPolicy, servicesSchema } from "./client-schema.ts";
import { discoverySchema } from "./discovery-schema.ts";
import { choice, group, ms, name, text, type TypeOf } from "./schema.ts";
import { securitySchema } from "./security.ts";
import {
  adminSchema, gatewaysSchema, regionsSchema, registrySchema, residencySchema, serverDefaults, serversSchema,
} from "./server-schema.ts";

const telemetry = group("telemetry", "What is told of what happens.", {
  log: group("log", "Lines of JSON on standard error.", {
    level: choice("The least that gets a line. Default `info`.", ["debug", "info", "warning", "error", "none"]),
    calls: choice("Which calls get a line. Default `failed`.", ["all", "failed", "none"]),
    slowMs: ms("Calls that took at least so long get a line, whatever their end. Default none."),
  }),
});

/** The whole of it: the one place where sections are named. */
export const configSchema = group("the configuration", "Meridian's configuration.", {
  $schema: text("For editors: where the JSON Schema is.", { maxChars: 4_096 }),
  region: name("Where this machine is: of all servers, gateways and clients that do not say so themselves.", {
    restart: true,
  }),
  zone: name("A part of the region.", { restart: true }),
  discovery: discoverySchema,
  registry: registrySchema,
  server: serverDefaults,
  servers: serversSchema,
  gateways: gatewaysSchema,
  client: clientPolicy,
  services: servicesSchema,
  regions: regionsSchema,
  residency: residencySchema,
  security: securitySchema,
  admin: adminSchema,
  telemetry,
});

/** What a file says, once it has been checked. Secrets are not in it: only where they are. */
export type Config = TypeOf<typeof configSchema>;

/**
 * Checks the types of a configuration in TypeScript, and returns it.
 *
 * @example
 * export default defineConfig({ region: "eu-west", client: { timeoutMs: 2_000 } });
 */
export function defineConfig(config: Config): Config {
  return config;
}
