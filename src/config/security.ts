/** The section `security`: who may call what, for all servers and gateways; its rules change while they serve. */
import { RpcError } from "../core/error.ts";
import type { GuardMaker } from "../core/identity.ts";
import { readSecurityConfig, type SecurityConfig, securityJsonSchema } from "../security/config.ts";
import { type AuthorisationRules, createAuthorisationRules } from "../security/rules.ts";
import type { Part } from "./part.ts";
import { type ForeignSchema, refused, type Typed } from "./schema.ts";
import { type ConfigTools, lent } from "./tools.ts";

export const securitySchema: Typed<SecurityConfig> & ForeignSchema = {
  kind: "foreign",
  doc: "Who calls, whether they may, and what of it is written down: identities, `rules`, trust, audit, requests, " +
    "as in docs/security.md. `rules` are live, all else needs a restart. Default: whoever may connect may call.",
  json: securityJsonSchema,
  check(value, refuse) {
    return readSecurityConfig(value, [], (place, what, at) => {
      refuse(place, what, at);
      throw refused;
    });
  },
  needsRestart: (before, after) => JSON.stringify(withoutRules(before)) !== JSON.stringify(withoutRules(after)),
};

function withoutRules(section: unknown): unknown {
  if (typeof section !== "object" || section === null) return section;
  return { ...section, rules: undefined };
}

/** The guard of all servers and gateways of a process, and what a reload changes of it. */
export interface OpenSecurity {
  readonly auth: GuardMaker;
  readonly part: Part;
}

export function openSecurity(section: SecurityConfig | undefined, tools: ConfigTools): OpenSecurity | undefined {
  if (section === undefined) return undefined;
  const rules: AuthorisationRules = createAuthorisationRules(section.rules ?? []);
  const auth = lent(tools.guard, "security")(section, rules);
  const part: Part = {
    prepare(next) {
      const after = next.security;
      // Without the section nobody would be asked who he is: that is for a restart, and not for a slip.
      if (after === undefined) return { commit: () => undefined, abort: () => undefined };
      const wanted = after.rules ?? [];
      try {
        createAuthorisationRules(wanted);
      } catch (error) {
        const { code, message } = RpcError.from(error);
        throw new RpcError(code, `security.rules: ${message}`, { cause: error });
      }
      return { commit: () => rules.set(wanted), abort: () => undefined };
    },
  };
  return { auth, part };
}
