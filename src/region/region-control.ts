/** Region control is the switch by which people take a region out of service, shared with the pickers that obey it. */

export interface RegionControl {
  /** Takes all traffic off a region at once; calls in flight go on. */
  drain(region: string): void;
  /** Lets traffic return, by the same hold-down and ramp as after a failure. */
  undrain(region: string): void;
  isDrained(region: string): boolean;
  /** The regions drained now, in the order of their draining. */
  drained(): readonly string[];
  /** Grows by one with every change, so that a picker sees it with one comparison. */
  readonly version: number;
}

/** A switchboard with every region in service. */
export function regionControl(): RegionControl {
  const drained = new Set<string>();
  let version = 0;
  return {
    drain: (region) => {
      if (drained.has(region)) return;
      drained.add(region);
      version++;
    },
    undrain: (region) => {
      if (drained.delete(region)) version++;
    },
    isDrained: (region) => drained.has(region),
    drained: () => [...drained],
    get version() {
      return version;
    },
  };
}
