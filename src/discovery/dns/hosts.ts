/** Hosts of services: their addresses of both families, and how many of them are asked for at once. */
import { RpcError } from "../../core/error.ts";
import type { Answer, Found } from "./answer.ts";
import type { RecordType } from "./message.ts";
import type { Resolver } from "./resolver.ts";

export type Family = "both" | "ipv4" | "ipv6";

/** `refreshAtMs` is -Infinity where something could not be asked: again as soon as may be. */
export type HostAddresses =
  | { readonly state: "found"; readonly addresses: readonly string[]; readonly refreshAtMs: number }
  /** `isCertain`: whoever is responsible for the name says so. */
  | { readonly state: "absent"; readonly isCertain: boolean; readonly why: string; readonly refreshAtMs: number }
  | { readonly state: "failed"; readonly error: RpcError; readonly refreshAtMs: number };

type Outcome = Answer | { readonly state: "failed"; readonly error: RpcError; readonly refreshAtMs: number };

const typesOf: Readonly<Record<Family, readonly RecordType[]>> = {
  both: ["A", "AAAA"], ipv4: ["A"], ipv6: ["AAAA"],
};

/**
 * The addresses of `name`, from what came `along` with an answer as long as that holds. A family that cannot be asked
 * keeps what was found last; an answer that there is nothing is believed if it is certain, or if the other family
 * shows that the server knows the host.
 */
export async function addressesOf(
  resolver: Resolver, name: string, family: Family, along?: ReadonlyMap<string, Found>,
): Promise<HostAddresses> {
  const types = typesOf[family];
  const outcomes = await Promise.all(types.map((type) => ask(resolver, name, type, along)));
  const isKnown = outcomes.some(({ state }) => state === "found");
  const held = outcomes.map((outcome, i): Outcome => {
    const isDoubtful = outcome.state === "failed" || (outcome.state === "absent" && !outcome.isCertain && !isKnown);
    return isDoubtful ? resolver.lastGood({ name, type: types[i] ?? "A" }) ?? outcome : outcome;
  });
  const refreshAtMs = Math.min(...outcomes.map((one) => one.refreshAtMs));
  const records = held.flatMap((one) => (one.state === "found" ? one.records : []));
  const addresses = records.flatMap((data) => (data.kind === "A" || data.kind === "AAAA" ? [data.address] : []));
  if (addresses.length > 0) return { state: "found", addresses: [...new Set(addresses)], refreshAtMs };
  const bad = records.find((data) => data.kind === "malformed");
  if (bad?.kind === "malformed") return failed(`${name} has no address that can be read: ${bad.why}`);
  const failure = outcomes.find((one) => one.state === "failed");
  if (failure?.state === "failed") return failure;
  const isCertain = outcomes.some((one) => one.state === "absent" && one.isCertain);
  return { state: "absent", isCertain, why: `${name} has no address`, refreshAtMs };
}

function failed(message: string): Extract<HostAddresses, { state: "failed" }> {
  return { state: "failed", error: new RpcError("unavailable", message, { phase: "resolve" }), refreshAtMs: -Infinity };
}

async function ask(
  resolver: Resolver, name: string, type: RecordType, along: ReadonlyMap<string, Found> | undefined,
): Promise<Outcome> {
  const found = along?.get(`${type} ${name}`);
  if (found !== undefined && resolver.nowMs < found.refreshAtMs) return found;
  try {
    return await resolver.ask({ name, type });
  } catch (error) {
    return { state: "failed", error: RpcError.from(error, "unavailable"), refreshAtMs: -Infinity };
  }
}

/** `work` for each of `items`, so many at once. */
export async function mapSome<T, R>(
  items: readonly T[], atOnce: number, work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
