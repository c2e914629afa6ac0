/** Pickers by the names that files call them, with the options of each. */
import {
  c3, consistentHash, dynamicWeighted, errorAware, leastDelay, leastRequests, peakEwma, prequal, random, roundRobin,
  smoothWeighted, weightedRandom,
} from "../balance/index.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import { flag, number, oneOf, type Reader, shape } from "./rehearsal-readers.ts";

/** Makes a picker for one client. */
export type MakePicker = (runtime: Runtime) => Picker;

const some = number(0, 1e9);
const whole = number(0, 1e9, { whole: true });
const choices = { choices: whole };
const choicesByTime = { ...choices, decayMs: some };

/** What the options of a picker may be, and how they make one. The pickers themselves say what fits together. */
interface Kind {
  readonly options: Readonly<Record<string, Reader<unknown>>>;
  make(runtime: Runtime, options: object): Picker;
}

const kinds = {
  leastRequests: { options: choices, make: (runtime, options) => leastRequests(runtime.random, options) },
  leastDelay: {
    options: { remembered: whole, margin: some, decayMs: some },
    make: (runtime, options) => leastDelay(runtime.random, options),
  },
  peakEwma: { options: choicesByTime, make: (runtime, options) => peakEwma(runtime, options) },
  errorAware: { options: { ...choicesByTime, power: some }, make: (runtime, options) => errorAware(runtime, options) },
  prequal: {
    options: {
      probesPerCall: some, piggyBack: flag, poolSize: whole, maxAgeMs: some, probeTimeoutMs: some, hotQuantile: some,
      removedPerCall: some, delta: some,
    },
    make: (runtime, options) => prequal(runtime, options),
  },
  c3: {
    options: { clients: whole, power: some, newest: some, retryAfterMs: some, choices: whole },
    make: (runtime, options) => c3(runtime, options),
  },
  dynamicWeighted: {
    options: { errorUtilisationPenalty: some, blackoutMs: some, expiryMs: some, updateMs: some },
    make: (runtime, options) => dynamicWeighted(runtime, options),
  },
  consistentHash: {
    options: { balance: some, tableSize: whole }, make: (_, options) => consistentHash(options),
  },
  roundRobin: { options: {}, make: () => roundRobin() },
  random: { options: {}, make: (runtime) => random(runtime.random) },
  weightedRandom: { options: {}, make: (runtime) => weightedRandom(runtime.random) },
  smoothWeighted: { options: {}, make: () => smoothWeighted() },
} satisfies Readonly<Record<string, Kind>>;

export type PickerName = keyof typeof kinds;

export const pickerNames = Object.keys(kinds) as readonly PickerName[];

/** A picker's name, or a mapping from the one name to options. */
export const readPicker: Reader<MakePicker> = (value, place, refuse) => {
  if (typeof value !== "object" || value === null) {
    return pickerNamed(oneOf(pickerNames)(value, place, refuse));
  }
  const readers = Object.fromEntries(pickerNames.map((name) => [name, shape(name, kinds[name].options)]));
  const read = shape("a picker", readers)(value, place, refuse);
  const [name, ...others] = Object.keys(read) as PickerName[];
  if (name === undefined || others.length > 0) {
    return refuse(place, `expected one picker, found ${Object.keys(read).join(", ") || "none"}`);
  }
  return pickerNamed(name, read[name]);
};

export function pickerNamed(name: PickerName, options: object = {}): MakePicker {
  const kind: Kind = kinds[name];
  return (runtime) => kind.make(runtime, options);
}
