/** The main job: three regions on this machine, killed and restored under real calls. `--help` says how. */
import { parseArgs } from "node:util";
import { openConsole } from "./console.ts";
import { regions } from "./geography.ts";
import { openLive } from "./live.ts";
import { fullPhases, runOnce, shortPhases } from "./once.ts";
import { summarise } from "./report.ts";
import { createSupervisor } from "./supervisor.ts";

const help = `npm start -- [options]

Starts a registry and three regions, each a gateway and two servers, and calls them from clients in each
region. On a terminal it shows what happens and lets you kill and restore things; elsewhere it prints a line
a second.

  --once          run once unattended, about half a minute: steady, a region killed, failed over, restored,
                  failed back; then print what happened. Exit code 1 if a write was lost or done twice
  --json          with --once: print one JSON object and nothing else
  --short         with --once: a few seconds, for tests
  --region NAME   with --once: which region dies (default us-east)
  --rate N        calls a second from each region's clients (default 150)
  --direct        clients balance over the servers themselves, without gateways
  --verbose       tell on standard error what the framework observes
  --help          print this
`;

/** Keeps a minute of calls on the screen's behalf. */
const liveKeepMs = 70_000;

const { values } = parseArgs({
  options: {
    once: { type: "boolean", default: false }, json: { type: "boolean", default: false },
    short: { type: "boolean", default: false }, direct: { type: "boolean", default: false },
    help: { type: "boolean", default: false }, region: { type: "string", default: "us-east" },
    verbose: { type: "boolean", default: false }, rate: { type: "string", default: "150" },
  },
});
const callsPerSecond = Number(values.rate);
if (values.help) {
  process.stdout.write(help);
} else if (!regions.some(({ name }) => name === values.region)) {
  refuse(`--region ${values.region}: expected one of ${regions.map(({ name }) => name).join(", ")}`);
} else if (!(callsPerSecond >= 1 && callsPerSecond <= 5_000)) {
  refuse(`--rate ${values.rate}: expected calls a second, from 1 to 5000`);
} else if (values.once || values.json) {
  await once().catch(fail);
} else {
  await live().catch(fail);
}

function refuse(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

/** A run that cannot be completed proves nothing. */
function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function once(): Promise<void> {
  const phases = values.short ? shortPhases : fullPhases;
  const supervisor = createSupervisor({
    callsPerSecond, direct: values.direct, verbose: values.verbose,
    onEvent: (text) => process.stderr.write(`${text}\n`),
    ...(phases.failBack === undefined ? undefined : { failBack: phases.failBack }),
  });
  endOnSignal(() => supervisor.close());
  try {
    await supervisor.start();
    const report = await runOnce(supervisor, values.region, phases);
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${summarise(report)}\n`);
    if (report.writesLost > 0 || report.writesDoubled > 0) process.exitCode = 1;
  } finally {
    supervisor.close();
  }
}

async function live(): Promise<void> {
  let event = (text: string): void => void process.stderr.write(`${text}\n`);
  const supervisor = createSupervisor({
    callsPerSecond, direct: values.direct, verbose: values.verbose, keepMs: liveKeepMs, admin: true,
    onEvent: (text) => event(text),
  });
  endOnSignal(() => supervisor.close());
  try {
    process.stderr.write("starting a registry, three gateways, six servers and three clients\n");
    await supervisor.start();
    const console = await openConsole(supervisor);
    const view = openLive(supervisor);
    event = view.event;
    event(`admin service at ${console.address} (npx meridian top; changes by the token in ${console.tokenFile})`);
    await view.ended;
    view.close();
    await console.close();
  } finally {
    supervisor.close();
  }
}

/** A signal ends the run as its end would: nothing may be left behind. */
function endOnSignal(close: () => void): void {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
  for (const [signal, number] of Object.entries(numbers)) {
    process.once(signal, () => {
      close();
      process.exit(128 + number);
    });
  }
}
