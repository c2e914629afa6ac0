// The program of a measured process: one side of one system, under orders of the process that started it.
//
//   node child.ts server SYSTEM PORT
//   node child.ts between GATEWAY PORT SERVERPORT
//   node child.ts client SYSTEM PORT SHAPE LOAD TIMING      (the last two as JSON)
//
// Ends by itself when its parent does, or after the longest time any measurement takes.
import { recordsOf, type Shape } from "../records.ts";
import { certificateIn, certificatesVariable } from "./certificate.ts";
import { type Load, type Measured, offer, type Timing } from "./load.ts";
import type { Setting, System } from "./system.ts";

/** What a measured process says. */
export type Report =
  | { readonly type: "ready" }
  /** The warm-up is over. */
  | { readonly type: "begun" }
  | { readonly type: "measured"; readonly measured: Measured }
  | { readonly type: "cpu"; readonly cpuSeconds: number; readonly atMs: number }
  | { readonly type: "failed"; readonly message: string };

const maxLifeMs = 180_000;

const certificates = process.env[certificatesVariable];

function tell(report: Report): void {
  process.send?.(report);
}

async function serve(system: System, port: number, setting: Setting): Promise<void> {
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    tell({ type: "cpu", cpuSeconds: (user + system) / 1e6, atMs: performance.now() });
  });
  await system.serve(port, setting);
  tell({ type: "ready" });
}

/** What a file in bench/gateways exports: something that stands between clients and a server. */
interface Gateway {
  /** Resolves once connections to the one port are forwarded to the other. */
  readonly forward: (port: number, serverPort: number) => Promise<(() => Promise<void>) | void>;
}

async function forward(name: string, port: number, serverPort: number): Promise<void> {
  const gateway = (await import(`../gateways/${name}.ts`)) as Gateway;
  const stop = await gateway.forward(port, serverPort);
  if (stop !== undefined) stopFirst = stop;
  tell({ type: "ready" });
}

interface Order {
  readonly shape: Shape;
  readonly load: Load;
  readonly timing: Timing;
}

async function call(system: System, port: number, setting: Setting, { shape, load, timing }: Order): Promise<void> {
  const caller = await system.connect(port, shape, setting);
  const measured = await offer(caller, recordsOf(shape), {
    load, timing, begin: () => tell({ type: "begun" }),
  });
  tell({ type: "measured", measured });
  await caller.close();
}

function orderOf([shape, load = "", timing = ""]: readonly string[]): Order {
  return { shape: shape as Shape, load: JSON.parse(load) as Load, timing: JSON.parse(timing) as Timing };
}

/** Ends what this process has started. */
let stopFirst: () => Promise<void> = () => Promise.resolve();

async function end(): Promise<void> {
  await stopFirst();
  process.exit();
}

process.once("disconnect", () => void end());
process.once("SIGTERM", () => void end());
setTimeout(() => process.exit(3), maxLifeMs).unref();
const [role, name = "", port, ...rest] = process.argv.slice(2);
try {
  if (role === "between") {
    await forward(name, Number(port), Number(rest[0]));
  } else {
    const [file, variant = ""] = name.split(":");
    const system = (await import(`../systems/${file}.ts`)) as System;
    const setting = { variant, certificate: certificates === undefined ? undefined : certificateIn(certificates) };
    if (role === "server") await serve(system, Number(port), setting);
    else await call(system, Number(port), setting, orderOf(rest));
  }
} catch (error) {
  tell({ type: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
