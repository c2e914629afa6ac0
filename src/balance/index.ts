/** Balance is the pickers that choose among equals: by turn, by weight, by load, by key, by place. */
export { avoidTried } from "./avoid-tried.ts";
export {
  type ChoicesOptions, errorAware, type ErrorAwareOptions, leastRequests, peakEwma, type PeakEwmaOptions,
  powerOfChoices, type Prefers,
} from "./choices.ts";
