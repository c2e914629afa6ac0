/** Faults of the swarm: what each does to the world, and how it is taken back. */
import type { Discovery, Watcher } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress } from "../core/endpoint.ts";
import type { FaultyRuntime } from "./faulty-runtime.ts";
import type { SwarmFault } from "./swarm-setup.ts";
import type { SimulatedWorld } from "./world.ts";

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What faults need to get at; by host. */
export interface FaultStage {
  readonly world: SimulatedWorld;
  readonly runtimes: Map<string, FaultyRuntime>;
  /** What clients are told by discovery. */
  readonly lies: Map<string, LyingDiscovery>;
  /** When clients stand still. */
  readonly stalls: Map<string, Span[]>;
  /** How slow and faulty handlers are, on the wire of bytes. */
  readonly troubles: Map<string, { slowness: number; errors: number }>;
  /** Starts a server anew. */
  readonly restart: Map<string, () => void>;
}

/** A discovery that tells the truth until it is told not to. */
export interface LyingDiscovery extends Discovery {
  lie(how: "empty" | "stale" | "duplicate" | "silent"): void;
  /** Tells the truth again, at once. */
  repent(): void;
}

/** Passes on what the world's registry tells about `name`, truthfully or not. */
export function lyingDiscovery({ discovery }: SimulatedWorld, name: string): LyingDiscovery {
  let watchers: Watcher[] = [];
  let truth: readonly EndpointAddress[] | undefined;
  let first: readonly EndpointAddress[] | undefined;
  let isHonest = true;
  discovery.watch(name, {
    snapshot(endpoints) {
      truth = endpoints;
      if (endpoints.length > 0) first ??= endpoints;
      if (isHonest) for (const watcher of watchers) watcher.snapshot(endpoints);
    },
  });
  const tell = (endpoints: readonly EndpointAddress[]): void => {
    for (const watcher of watchers) watcher.snapshot(endpoints);
  };
  return {
    watch(_name, watcher) {
      watchers.push(watcher);
      if (truth !== undefined) watcher.snapshot(truth);
      return () => {
        watchers = watchers.filter((one) => one !== watcher);
      };
    },
    lie(how) {
      isHonest = false;
      if (how === "empty") tell([]);
      // What was true at the beginning, and half of it.
      if (how === "stale") tell((first ?? []).slice(0, Math.ceil((first?.length ?? 0) / 2)));
      if (how === "duplicate") tell([...truth ?? [], ...(truth ?? []).map((one) => endpointAddress(one))]);
    },
    repent() {
      isHonest = true;
      if (truth !== undefined) tell(truth);
    },
  };
}

/** Plans a fault and its end. */
export function playFault(stage: FaultStage, fault: SwarmFault): void {
  const { world } = stage;
  const { atMs, untilMs, kind, target, size } = fault;
  world.at(atMs, () => {
    world.trace(`${kind} ${target} ${size}`);
    const end = begin(stage, fault);
    world.at(untilMs, () => {
      world.trace(`end of ${kind} ${target}`);
      end();
    });
  });
}

type End = () => void;

function begin(stage: FaultStage, fault: SwarmFault): End {
  const { world, restart } = stage;
  const { kind, target, other = "*", size } = fault;
  switch (kind) {
    case "crash": case "silentCrash": {
      const server = world.servers.get(target);
      const isSilent = kind === "silentCrash";
      if (server === undefined) world.crash(target, { isSilent });
      else server.crash({ isSilent });
      return () => restart.get(target)?.();
    }
    case "silence":
      world.silence(target);
      return () => world.wake(target);
    case "clientStall": {
      world.silence(target);
      stage.stalls.get(target)?.push({ fromMs: fault.atMs, untilMs: fault.untilMs });
      return () => world.wake(target);
    }
    case "partition": case "oneWay":
      world.partition(target, other, { isOneWay: kind === "oneWay" });
      return () => world.heal(target, other);
    case "loss":
      world.link(target, other, { lossRate: size });
      return () => world.link(target, other, { lossRate: 0 });
    case "slowLink":
      world.link(target, other, { jitterMs: size });
      return () => world.link(target, other, { jitterMs: 0 });
    default: return beginWithin(stage, fault);
  }
}

/** Faults within a program. */
function beginWithin({ world, runtimes, lies, troubles }: FaultStage, { kind, target, size }: SwarmFault): End {
  const server = world.servers.get(target);
  const trouble = troubles.get(target) ?? { slowness: 1, errors: 0 };
  const lie = (how: Parameters<LyingDiscovery["lie"]>[0]): End => {
    lies.get(target)?.lie(how);
    return () => lies.get(target)?.repent();
  };
  switch (kind) {
    case "slowServer":
      trouble.slowness = size;
      server?.setSpeed(1 / size);
      return () => {
        trouble.slowness = 1;
        server?.setSpeed(1);
      };
    case "errors":
      trouble.errors = size;
      server?.setErrors(size);
      return () => {
        trouble.errors = 0;
        server?.setErrors(0);
      };
    case "wallJump": {
      const runtime = runtimes.get(target);
      runtime?.jumpWall(size);
      return () => runtime?.jumpWall(-size);
    }
    case "leap": {
      const runtime = runtimes.get(target);
      runtime?.leap(size);
      // The time of day is set right in the end; monotonic time never goes back.
      return () => runtime?.jumpWall(-size);
    }
    case "randomRepeats": {
      const runtime = runtimes.get(target);
      runtime?.repeatRandom(size);
      return () => runtime?.repeatRandom(0);
    }
    case "emptySnapshot": return lie("empty");
    case "staleSnapshot": return lie("stale");
    case "duplicateSnapshot": return lie("duplicate");
    case "discoveryStops": return lie("silent");
    default: throw new Error(`${kind} is no fault of a program`);
  }
}
