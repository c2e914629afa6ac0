// A network namespace with one cable to this machine, which drops what comes out of it when told to.
import { spawnSync } from "node:child_process";

export interface NetworkNamespace {
  /** The address of this machine's other end, inside. */
  readonly host: string;
  /** What a command is started behind to run inside. */
  readonly prefix: readonly string[];
  /** From now on nothing that is sent inside comes out, and nobody is told. */
  drop(): void;
  /** Lets it out again. */
  restore(): void;
  close(): void;
}

/** Makes one; answers why not where this machine does not allow it. */
export function networkNamespace(): NetworkNamespace | string {
  const name = `mchaos${process.pid}`;
  // Names of devices have at most 15 characters.
  const [outside, inside] = [`mco${process.pid}`, `mci${process.pid}`];
  const block = process.pid % 250;
  const [here, host] = [`10.213.${block}.1`, `10.213.${block}.2`];
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
    host,
    prefix: ["ip", "netns", "exec", name],
    drop: () => void ip("-n", name, "route", "add", "blackhole", `${here}/32`),
    restore: () => void ip("-n", name, "route", "del", "blackhole", `${here}/32`),
    close: () => {
      process.off("exit", atExit);
      close();
    },
  };
}

/** Runs `ip`; answers what went wrong. */
function ip(...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8", timeout: 10_000 });
  return status === 0 ? undefined : error?.message ?? (stderr.trim() || `exit code ${status}`);
}
