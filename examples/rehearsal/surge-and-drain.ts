// A rehearsal as a module, for what a file cannot say: here the servers of each region are reckoned from its traffic.
// One region is drained for maintenance while the callers of another one double.
const perSecond = { "us-east": 600, "eu-west": 400, "ap-south": 200 };
const workMs = 8;
const workers = 4;

/** As many servers as are busy to 45 % by the traffic of their own region. */
const servers = Object.fromEntries(Object.entries(perSecond).map(([region, rate]) =>
  [region, Math.ceil(rate * workMs / 1_000 / workers / 0.45)]));

export const rehearsal = {
  about: "eu-west is drained from 8 s to 20 s, and ap-south calls twice as much from 12 s to 18 s",
  duration: "70s",
  regions: Object.keys(perSecond),
  roundTrips: { "us-east": { "eu-west": "70ms", "ap-south": "190ms" }, "eu-west": { "ap-south": "124ms" } },
  services: { search: { servers, workers, work: { exponential: `${workMs}ms` } } },
  clients: Object.fromEntries(Object.entries(perSecond).map(([region, rate]) =>
    [`web-${region}`, { region, service: "search", rate, timeout: "1s" }])),
  events: [
    { at: "8s", drain: "eu-west", for: "12s" },
    { at: "12s", surge: "web-ap-south", factor: 2, for: "6s" },
  ],
  goals: [
    { of: "errors", most: 0.001 },
    { of: "turns", most: 1, region: "eu-west", from: "9s" },
    { of: "amplification", most: 1.2 },
  ],
};
