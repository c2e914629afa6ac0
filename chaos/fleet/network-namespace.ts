// A network namespace with one cable to this machine, which drops what comes out of it when told to.
import { spawnSync } from "node:child_process";

export interface NetworkNamespace {
  readonly name: string;
  /** The cable's ends: devices out here and inside, and their addresses. */
  readonly outside: string;
  readonly inside: string;
  readonly here: string;
  readonly host: string;
  /** What a command is started behind to run inside. */
  readonly prefix: readonly string[];
  /** From now on nothing that is sent inside comes out, and nobody is told. */
  drop(): void;
  /** From now on nothing that is sent to it gets in, while what it sends comes out. */
  dropInward(): void;
  /** Lets everything through again. */
  restore(): void;
  close(): void;
}

let made = 0;

/** Makes one; answers why not where this machine does not allow it. */
export function networkNamespace(): NetworkNamespace | string {
  const number = made++ % 60;
  const name = `mchaos${process.pid}-${number}`;
  // Names of devices have at most 15 characters.
  const [outside, inside] = [`mco${process.pid}x${number}`, `mci${process.pid}x${number}`] as const;
  const block = process.pid % 250;
  const [here, host] = [`10.213.${block}.${number * 4 + 1}`, `10.213.${block}.${number * 4 + 2}`] as const;
  const steps = [
    ["netns", "add", name],
    ["link", "add", outside, "type", "veth", "peer", "name", inside],
    ["link", "set", inside, "netns", name],
    ["addr", "add", `${here}/30`, "dev", outside],
    ["link", "set", outside, "up"],
    ["-n", name, "addr", "add", `${host}/30`, "dev", inside],
    ["-n", name, "link", "set", inside, "up"],
    ["-n", name, "link", "set", "lo", "up"],
  ];
  const close = (): void => {
    ip("route", "del", "blackhole", `${host}/32`);
    // The cable goes with the namespace, unless it never got there.
    ip("netns", "del", name);
    ip("link", "del", outside);
  };
  for (const step of steps) {
    const why = ip(...step);
    if (why === undefined) continue;
    close();
    return `ip ${step.join(" ")}: ${why}`;
  }
  const atExit = (): void => close();
  process.once("exit", atExit);
  return {
    name, outside, inside, here, host,
    prefix: ["ip", "netns", "exec", name],
    drop: () => void ip("-n", name, "route", "add", "blackhole", `${here}/32`),
    dropInward: () => void ip("route", "add", "blackhole", `${host}/32`),
    restore() {
      ip("-n", name, "route", "del", "blackhole", `${here}/32`);
      ip("route", "del", "blackhole", `${host}/32`);
    },
    close: () => {
      process.off("exit", atExit);
      close();
    },
  };
}

function ip(...args: string[]): string | undefined {
  return run("ip", ...args);
}

/** Runs a program; answers what went wrong. */
export function run(program: string, ...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8", timeout: 10_000 });
  return status === 0 ? undefined : error?.message ?? (stderr.trim() || `exit code ${status}`);
}
