/** `meridian drain`, `undrain`, `split` and `mirror`: what operators change of what runs. */
import { Command, InvalidArgumentError } from "commander";
import type { AdminSource } from "../admin/index.ts";
import { adminExits, type AdminFlags, asking, exiting, jsonLine, withAdmin } from "./admin-access.ts";

interface Reasoned extends AdminFlags {
  readonly reason?: string;
}

interface SplitFlags extends Reasoned {
  readonly percent: number;
  readonly toService?: string;
  readonly toRegion?: string[];
  readonly toAttribute?: string[];
  readonly header?: string;
  readonly routeKey?: string;
}

interface MirrorFlags extends Reasoned {
  readonly percent: number;
  readonly toService?: string;
  readonly unsafe?: boolean;
}

type Calls = AdminSource["calls"];

/** The four commands. `ended` hears exit codes. */
export function operatingCommands(ended: (code: number) => void): Command[] {
  const run = (flags: AdminFlags, change: (calls: Calls) => Promise<{ text: string }>): Promise<void> =>
    exiting(ended, () => asking(flags, false, async (calls) => {
      const done = await change(calls);
      process.stdout.write(`${flags.json === true ? jsonLine(done) : done.text}\n`);
      return 0;
    }));
  return [drainCommand("drain", run), drainCommand("undrain", run), splitCommand(run), mirrorCommand(run)];
}

type Run = (flags: AdminFlags, change: (calls: Calls) => Promise<{ text: string }>) => Promise<void>;

function reasoned(command: Command): Command {
  return withAdmin(command).option("--reason <text>", "for the audit, and for whoever wonders")
    .addHelpText("after", adminExits);
}

function drainCommand(name: "drain" | "undrain", run: Run): Command {
  return reasoned(new Command(name)
    .description(name === "drain"
      ? "Takes a region, or one endpoint, out of service: no new calls go there, those in flight end."
      : "Lets a region or an endpoint back; its share grows slowly.")
    .argument("<region|endpoint>", "a region's name, or an endpoint's id (host:port, unless registered otherwise)"))
    .action((target: string, flags: Reasoned) => run(flags, async (calls) => {
      const { reason = "" } = flags;
      const request = await isEndpoint(calls, target) ? { endpoint: target, reason } : { region: target, reason };
      return name === "drain" ? calls.drain(request) : calls.undrain(request);
    }));
}

/** A region is meant where one has the name; ids of endpoints mostly have a port. */
async function isEndpoint(calls: Calls, target: string): Promise<boolean> {
  const { endpoints } = await calls.endpoints({ search: target, limit: 1_000 });
  return endpoints.some(({ id }) => id === target) || /:\d+$/.test(target) || target.startsWith("unix:");
}

function splitCommand(run: Run): Command {
  return reasoned(new Command("split")
    .description("Sends a share of a service's calls elsewhere: a canary by weight, header or route key.")
    .argument("<service[/method]>", "whose calls")
    .requiredOption("--percent <n>", "the share, 0 to 100; 0 ends the split", percent)
    .option("--to-attribute <name=value...>", "to endpoints with these attributes, e.g. version=2")
    .option("--to-service <name>", "to servers that registered under this name")
    .option("--to-region <region...>", "to these regions")
    .option("--header <name[=value]>", "only calls with this metadata")
    .option("--route-key <key>", "only calls with this route key"))
    .action((target: string, flags: SplitFlags) => run(flags, (calls) => {
      const [header, headerValue] = pair(flags.header);
      return calls.split({
        ...named(target), percent: flags.percent, reason: flags.reason ?? "", header, headerValue,
        routeKey: flags.routeKey, toService: flags.toService, regions: flags.toRegion,
        ...(flags.toAttribute === undefined ? undefined : { attributes: attributesOf(flags.toAttribute) }),
      });
    }));
}

function mirrorCommand(run: Run): Command {
  return reasoned(new Command("mirror")
    .description("Sends copies of a share of a service's calls elsewhere, and disregards their answers.")
    .argument("<service[/method]>", "whose calls")
    .requiredOption("--percent <n>", "the share, 0 to 100; 0 ends it", percent)
    .option("--to-service <name>", "to servers that registered under this name")
    .option("--unsafe", "also methods that may change something: the receiver sees writes"))
    .action((target: string, flags: MirrorFlags) => {
      if (flags.percent > 0 && flags.toService === undefined) {
        throw new InvalidArgumentError("Say where the copies go: --to-service NAME.");
      }
      return run(flags, (calls) => calls.mirror({
        ...named(target), percent: flags.percent, toService: flags.toService ?? "-", unsafe: flags.unsafe,
        reason: flags.reason ?? "",
      }));
    });
}

function named(target: string): { service: string; method?: string } {
  const slash = target.indexOf("/");
  return slash < 0 ? { service: target } : { service: target.slice(0, slash), method: target.slice(slash + 1) };
}

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ""));
  if (text !== "" && value >= 0 && value <= 100) return value;
  throw new InvalidArgumentError("Write a number from 0 to 100.");
}

function pair(text: string | undefined): [name?: string, value?: string] {
  if (text === undefined) return [];
  const at = text.indexOf("=");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function attributesOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => {
    const [name = "", value] = pair(text);
    if (value === undefined) throw new InvalidArgumentError(`Write --to-attribute name=value, not ${text}.`);
    return [name, value];
  }));
}
