/** The set-ups that bench/stack.ts compares: each a client with one part more than the one before. */
import type { ClientOptions } from "../../src/index.ts";

/** Beside a client's options, whether it counts: what `createClient` takes. */
type Options = Partial<ClientOptions> & { readonly metrics?: boolean };

export interface SetUp {
  readonly name: string;
  /** Of the client; absent for the bare wire, which has none. */
  readonly options?: Options;
  readonly server: "bare" | "full";
  /** How many servers are called, each over a connection. */
  readonly endpoints: number;
  readonly isBare?: boolean;
  /** Whether the goal is told of it. */
  readonly isGoal?: boolean;
}

const nothing = {
  stack: () => ({}), retry: false, hedge: false, tuning: false, throttle: false, outliers: false, slowStart: false,
  loadThresholds: false, metrics: false,
} as const satisfies Options;
const { outliers: _, slowStart: __, loadThresholds: ___, ...judged } = nothing;
const { tuning: ____, throttle: _____, ...learning } = judged;

export const setUps: readonly SetUp[] = [
  { name: "bare wire", server: "bare", endpoints: 1, isBare: true },
  { name: "+ endpoint, balancer and picker", options: nothing, server: "bare", endpoints: 1 },
  { name: "+ outlier detection, slow start", options: judged, server: "bare", endpoints: 1 },
  { name: "+ live latency, adaptive throttle", options: learning, server: "bare", endpoints: 1 },
  { name: "+ idempotency keys, retry and budget", options: { hedge: false, metrics: false }, server: "bare",
    endpoints: 1 },
  { name: "+ hedging", options: { metrics: false }, server: "bare", endpoints: 1 },
  { name: "+ metrics: all client defaults", options: {}, server: "bare", endpoints: 1 },
  { name: "+ region preference", options: { region: "here" }, server: "bare", endpoints: 1 },
  { name: "all client defaults, server with all of its", options: {}, server: "full", endpoints: 1, isGoal: true },
  { name: "two connections: bare wire", server: "bare", endpoints: 2, isBare: true },
  { name: "two endpoints: all client defaults", options: {}, server: "bare", endpoints: 2 },
  { name: "two endpoints: all client defaults, server too", options: {}, server: "full", endpoints: 2, isGoal: true },
];
