/**
 * The console of the main job: the gateways' admin services as one, on loopback, for `meridian top`, `why`, `drain`.
 */
import { existsSync } from "node:fs";
import { adminPort, adminSource, mergedAdmin, type ServedAdmin, serveAdmin } from "../../src/admin/index.ts";
import type { HttpHandler } from "../../src/http/index.ts";
import { secret } from "../../src/runtime/node/index.ts";
import type { Supervisor } from "./supervisor.ts";

export interface Console {
  /** `127.0.0.1:7900`, or another port where that is taken. */
  readonly address: string;
  /** Where the token for changes is. */
  readonly tokenFile: string;
  close(): Promise<void>;
}

/** How often it is looked whose admin services there are: processes come and go, and listen elsewhere. */
const lookMs = 250;

export async function openConsole(supervisor: Supervisor): Promise<Console> {
  const token = secret({ file: supervisor.adminTokenPath });
  const merged = mergedAdmin([], { name: "main job", intervalMs: 1_000 });
  const sources = new Map<string, ReturnType<typeof adminSource>>();
  const look = (): void => {
    // A gateway that is down keeps its place, and is listed as missing.
    for (const [name, address] of supervisor.admins) {
      const key = `${name} ${address}`;
      if (sources.has(key)) continue;
      for (const known of sources.keys()) if (known.startsWith(`${name} `)) sources.delete(known);
      sources.set(key, adminSource(name, { address, token }));
    }
    merged.follow([...sources.values()]);
  };
  look();
  const timer = setInterval(look, lookMs);
  const page = await pageIfThere();
  const options = page === undefined ? {} : { page };
  const served: ServedAdmin = await serveAdmin(merged, { ...options, port: adminPort })
    .catch(() => serveAdmin(merged, { ...options, port: 0 }));
  return {
    address: served.address, tokenFile: served.tokenFile ?? "",
    async close() {
      clearInterval(timer);
      merged.close();
      await served.close();
    },
  };
}

/** The live page, where it has been built. */
async function pageIfThere(): Promise<HttpHandler | undefined> {
  const door = new URL("../../src/dashboard/index.ts", import.meta.url);
  if (!existsSync(door)) return undefined;
  const { dashboard } = await import(door.href) as { readonly dashboard?: () => HttpHandler | Promise<HttpHandler> };
  return await dashboard?.();
}
