// A network namespace with one cable to this machine, which drops what comes out of it when told to.
import { spawnSync } from "node:child_process";

export interface NetworkNamespace {
  /** The address of this machine's other end, inside. */
  readonly host: string;
  /** What a command is started behind to run inside. */
  readonly prefix: readonly string[];
  /** From now on nothing that is sent inside comes out, and nobody is told. */
  drop(): void;
  /** From now on nothing that is sent to it gets in, while what it sends comes out. */
  dropInward(): void;
  /** From now on so many of a hundred packets are lost, either way; answers why not where the kernel cannot. */
  lose(percent: number): string | undefined;
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
  const [outside, inside] = [`mco${process.pid}x${number}`, `mci${process.pid}x${number}`];
  const block = process.pid % 250;
  const [here, host] = [`10.213.${block}.${number * 4 + 1}`, `10.213.${block}.${number * 4 + 2}`];
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
    host,
    prefix: ["ip", "netns", "exec", name],
    drop: () => void ip("-n", name, "route", "add", "blackhole", `${here}/32`),
    dropInward: () => void ip("route", "add", "blackhole", `${host}/32`),
    lose(percent) {
      const loss = ["root", "netem", "loss", `${percent}%`];
      return run("tc", "qdisc", "add", "dev", outside, ...loss) ??
        run("tc", "-n", name, "qdisc", "add", "dev", inside, ...loss);
    },
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
function run(program: string, ...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8", timeout: 10_000 });
  return status === 0 ? undefined : error?.message ?? (stderr.trim() || `exit code ${status}`);
}
