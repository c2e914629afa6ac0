/** What bench/telemetry.ts compares: each telemetry at both ends, over the same client and server without. */
export const setUps = [
  "off", "metrics", "traces at 1 %", "traces at 1 %, marked", "traces at 100 %", "logs",
  "metrics, traces at 1 %, logs",
] as const;

export type SetUp = (typeof setUps)[number];
