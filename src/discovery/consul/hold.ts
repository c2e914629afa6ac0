/** Holds an entry in Consul: registered with the agent, said to live at a third of its time, taken out at the end. */
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { jsonOf, statusError } from "../../http/request-answer.ts";
import { type EngineEntry, superseded } from "../engine.ts";
import type { Agent } from "./agent.ts";
import { pause } from "./follow.ts";
import { ownKey } from "./meta.ts";
import { registrationOf, type ServiceRegistration } from "./registration.ts";
import type { ConsulSettings } from "./settings.ts";

export interface HoldParts {
  readonly runtime: Runtime;
  readonly settings: ConsulSettings;
  readonly agent: Agent;
}

/** A close waits for no more than two seconds in all: the check turns critical by itself. */
const withdrawMs = 900;

/** Resolves once the entry was taken out after `signal` aborted; rejects when the agent has lost it. */
export async function holdEntry(
  parts: HoldParts, entry: EngineEntry, held: () => void, signal: AbortSignal,
): Promise<void> {
  const { runtime: { clock }, settings, agent } = parts;
  const wanted = registrationOf(settings, entry);
  const everyMs = settings.ttlMs / 3;
  const patienceMs = Math.max(1_000, Math.min(settings.timeoutMs, everyMs));
  // Without the checks of whoever had the id before.
  const path = "/v1/agent/service/register?replace-existing-checks=true";
  try {
    const answer = await agent.ask({ method: "PUT", path, body: wanted, timeoutMs: patienceMs });
    if (answer.status !== 200) throw statusError(`${agent.name}, asked to register ${wanted.ID},`, answer);
    held();
    while (!signal.aborted) {
      await pause(clock, everyMs, signal);
      if (signal.aborted) break;
      // Somebody else's, under the same id, is left to them for as long as they have it, rather than fought for.
      if (await renew(parts, wanted, entry.registrant, patienceMs) !== "lost") continue;
      throw new RpcError("unavailable", `${agent.name} has forgotten ${wanted.ID}: it was restarted, wiped or told to`);
    }
  } finally {
    if (signal.aborted && signal.reason !== superseded) await withdraw(agent, wanted, entry.registrant);
  }
}

/** Says that the entry's server lives, unless the agent asks it itself; `lost` where it must be entered again. */
async function renew(
  { settings, agent }: HoldParts, wanted: ServiceRegistration, registrant: string, timeoutMs: number,
): Promise<"held" | "lost" | "taken"> {
  if (settings.check.kind === "ttl") {
    const path = `/v1/agent/check/pass/${encodeURIComponent(wanted.Check.CheckID)}`;
    const { status } = await agent.ask({ method: "PUT", path, timeoutMs });
    if (status === 200) return "held";
    // 404, or 500 of older agents: it does not know the check, since it was wiped, or another took the id over.
  }
  const owner = await ownerOf(agent, wanted.ID, timeoutMs);
  if (owner === undefined) return "lost";
  if (owner !== registrant) return "taken";
  return settings.check.kind === "ttl" ? "lost" : "held";
}

/** Who registered the service; undefined if nobody did. Services of others have no registrant, hence "". */
async function ownerOf(agent: Agent, id: string, timeoutMs: number): Promise<string | undefined> {
  const answer = await agent.ask({ method: "GET", path: `/v1/agent/service/${encodeURIComponent(id)}`, timeoutMs });
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw statusError(agent.name, answer);
  const value = jsonOf(agent.name, answer) as { readonly Meta?: Readonly<Record<string, unknown>> | null } | null;
  const owner = value?.Meta?.[ownKey.registrant];
  return typeof owner === "string" ? owner : "";
}

async function withdraw(agent: Agent, { ID }: ServiceRegistration, registrant: string): Promise<void> {
  try {
    if (await ownerOf(agent, ID, withdrawMs) !== registrant) return;
    const path = `/v1/agent/service/deregister/${encodeURIComponent(ID)}`;
    await agent.ask({ method: "PUT", path, timeoutMs: withdrawMs });
  } catch (error) {
    // It runs out by itself; whoever closes is not kept for it.
    if (!RpcError.is(error)) throw error;
  }
}
