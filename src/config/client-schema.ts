/** What a configuration may say of clients: one policy for all, and of methods, what each may have of its own. */
import {
  choice, either, flag, group, list, map, ms, name, number, oneOf, oneOrMore, orFalse, path, share, text, type TypeOf,
  whole,
} from "./schema.ts";

const codes = [
  "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
  "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable",
  "data_loss", "unauthenticated",
] as const;

const maxAttempts = whole("Attempts in all, the first included. Default 3.", { least: 1, most: 5 });
const retriedCodes = list("Codes that are retried although the error does not say that it is retryable. Default none.",
  choice("A status code.", codes), { most: 16 });

const retry = group("retry", "How failed calls are repeated.", {
  maxAttempts,
  codes: retriedCodes,
  minAttemptMs: ms("A retry is not begun with less time left than this. Default 1."),
  backoff: group("backoff", "Waits from the second retry on; the first goes elsewhere at once.", {
    initialMs: ms("Bound of the first wait. Default 10."),
    multiplier: number("Growth of the bound from one wait to the next. Default 2.", { least: 0.001, most: 1_000 }),
    maxMs: ms("The bound never exceeds this. Default 1,000."),
  }),
  budget: group("budget", "How much retries may add to calls.", {
    ratio: number("Retries allowed per call, on average. Default 0.2.", { most: 10 }),
    minPerSecond: number("Retries allowed each second however few calls there are. Default 10.", { most: 1e6 }),
    burstMs: ms("What may be saved up: so many milliseconds of the whole traffic. Default 700."),
    failedRetryCost: number("What a retry costs in all when it fails too. Default 10.", { least: 1, most: 1_000 }),
    keyShare: share("Share of the budget that one pair of regions may spend. Default 0.8.", { least: 0.01 }),
  }),
});

const hedge = group("hedge", "How calls that are late are sent a second time, elsewhere.", {
  maxAttempts: whole("Attempts in all, the first included. Default 3.", { least: 2, most: 5 }),
  delayMs: ms("A fixed delay. Default: by the live quantile.", { most: 3_600_000 }),
  quantile: share("Share of calls that are answered before a hedge leaves. Default 0.985.", {
    least: 0.5, most: 0.9999,
  }),
  leastDelayMs: ms("Least delay by quantile. Default 1.", { most: 3_600_000 }),
  mostDelayMs: ms("Most delay by quantile. Default 2,000.", { most: 3_600_000 }),
  minSamples: whole("Samples below which nothing is hedged. Default 100.", { least: 10, most: 1_000_000 }),
  ratio: share("Hedges for each call, on average. Default 0.02."),
  maxLoad: share("Utilisation that servers report from which nothing is hedged. Default 0.8."),
  holdMs: ms("How long nothing is hedged after a server said that it has no room. Default 1,000."),
});

const throttle = group("throttle", "How calls are turned away here while servers turn many away.", {
  k: number("Calls made for each that is accepted before any is turned away. Default 2.", { least: 1.1, most: 100 }),
  windowMs: ms("The window over which calls are counted. Default 2,000.", { least: 100 }),
  minCalls: whole("Calls of the window below which none is turned away. Default 20.", { most: 1_000_000 }),
  maxReject: share("Largest share that is turned away. Default 0.95.", { most: 0.99 }),
  probeMs: ms("A call goes through at least so often. Default 100.", { least: 1 }),
});

const outliers = group("outliers", "How servers that fail or are slow are kept out.", {
  consecutiveFailures: whole("Failures in a row that eject at once. Default 5.", { least: 1, most: 1_000_000 }),
  certainty: number("How sure statistics must be, in nats. Default 12.", { least: 1, most: 100 }),
  intervalMs: ms("How often they are looked at. Default 250.", { least: 10 }),
  baseEjectionMs: ms("How long a first ejection lasts; a second lasts twice as long. Default 30,000.", { least: 1 }),
  maxEjectionMs: ms("Longest ejection. Default 300,000.", { least: 1 }),
  maxEjectedShare: share("Part of the servers that may be out for failures in a row. Default 0.5.", { most: 0.5 }),
  maxStatisticalShare: share("Part beyond which statistics alone eject nobody. Default 0.3.", { most: 0.5 }),
});

const some = number("See docs/balancing.md.", { most: 1e9 });
const count = whole("See docs/balancing.md.", { least: 1, most: 1_000_000 });
const choices = { choices: whole("Servers compared for each call. Default 2.", { least: 2, most: 1_000 }) };
const decayMs = ms("Time in which old figures lose their weight.", { least: 1 });

/** The options of each picker, by its name. */
export const pickerFields = {
  leastRequests: group("leastRequests", "The less loaded of two (P2C): the default.", choices),
  peakEwma: group("peakEwma", "Peak of the moving average of latency, times calls in flight.", { ...choices, decayMs }),
  errorAware: group("errorAware", "Peak EWMA that counts failures as well.", { ...choices, decayMs, power: some }),
  leastDelay: group("leastDelay", "The least expected wait.", { remembered: count, margin: some, decayMs }),
  prequal: group("prequal", "Probes for load and latency ahead of calls.", {
    probesPerCall: some, piggyBack: flag("Whether replies count as probes."), poolSize: count, maxAgeMs: some,
    probeTimeoutMs: some, hotQuantile: share("Above which quantile of calls in flight a server is hot."),
    removedPerCall: some, delta: some,
  }),
  c3: group("c3", "C3's ranking by queue and service time.", {
    clients: count, power: some, newest: share("Weight of the newest sample."), choices: count,
  }),
  dynamicWeighted: group("dynamicWeighted", "By weights that follow from the load that servers report.", {
    errorUtilisationPenalty: some, blackoutMs: some, expiryMs: some, updateMs: some,
  }),
  consistentHash: group("consistentHash", "By route key, with bounded loads.", { balance: some, tableSize: count }),
  roundRobin: group("roundRobin", "In turn.", {}),
  random: group("random", "By chance.", {}),
  weightedRandom: group("weightedRandom", "By chance, as their weights say.", {}),
  smoothWeighted: group("smoothWeighted", "In turn, as their weights say.", {}),
} as const;

export type PickerName = keyof typeof pickerFields;
export const pickerNames = Object.keys(pickerFields) as readonly PickerName[];

const regions = group("regions", "How regions share the calls: see docs/failure-detection.md and docs/balancing.md.", {
  order: list("Regions in order of preference after the own one. Default: by round trip.", name("A region."),
    { most: 256 }),
  minZoneEndpoints: whole("Fewest ready servers of the own region for zones to count. Default 6.", { most: 1_000_000 }),
  overprovisioning: number("A region's health counts times this, at most 1. Default 1.4.", { least: 1, most: 100 }),
  panicThreshold: share("Health below which a needed region uses ejected servers as well. Default 0.5."),
  spillAtUtilisation: share("Utilisation above which the excess goes elsewhere. Default 0.75.", {
    least: 0.01, most: 100,
  }),
  concurrencyPerWeight: number("Attempts in flight per unit of weight that make 100 %. Default: not reckoned.",
    { least: 0.001, most: 1e6 }),
  attemptsPerRegion: whole("Attempts of one call in a region before it goes to another. Default 2.", {
    least: 1, most: 5,
  }),
  reportExpiryMs: ms("Age at which a server's load report is disregarded. Default 10,000."),
  connectGraceMs: ms("How long servers that connect for the first time count as able. Default 1,000."),
  holdDownMs: ms("How long a region must stay up before traffic returns. Default 5,000; doubles with each flap."),
  maxHoldDownMs: ms("Longest such wait. Default 60,000."),
  rampMs: ms("Time from nothing to everything. Default 30,000."),
  flapWindowMs: ms("A region up so long has its flaps forgotten. Default 60,000."),
  refreshMs: ms("How often distances and shares are reckoned anew. Default 100.", { least: 1 }),
});

const probes = group("probes", "Active probes of servers that no traffic tells of.", {
  kind: choice("What is asked. Default `ping`.", ["ping", "grpc", "http", "tcp"]),
  port: whole("Another port than calls go to. Default the same.", { least: 1, most: 65_535 }),
  path: text("Of `http`: what is got. Default `/healthz`."),
  service: text("Of `grpc`: whose health. Default the whole server's."),
  intervalMs: ms("From one probe of a server to the next. Default 5,000.", { least: 100 }),
  jitter: share("How much each interval differs. Default 0.2."),
  timeoutMs: ms("Time for one probe. Default 1,000.", { least: 1 }),
  unhealthyAfter: whole("Failures in a row that take a server out. Default 3.", { least: 1, most: 1_000 }),
  healthyAfter: whole("Successes in a row that let it back. Default 2.", { least: 1, most: 1_000 }),
  maxAtOnce: whole("Most probes under way at once. Default 16.", { least: 1, most: 10_000 }),
});

const view = group("view", "What is made of what discovery tells: see docs/discovery-views.md.", {
  coalesceMs: ms("Changes of one name are told at most so often; 0 for each. Default 100.", { most: 60_000 }),
  subset: group("subset", "Keeps connections to a part of the servers only.", {
    clientId: text("Who this client is: the name of the host or pod, say."),
    size: whole("Servers kept of each group. Default 20.", { least: 1, most: 100_000 }),
    per: choice("What a group is. Default `region`.", ["region", "zone"]),
  }, { required: ["clientId"] }),
  guard: orFalse("Holds back what would take away too many at once.", group("guard", "Holds back removals.", {
    hold: choice("Which removals are held back. Default `bulk`.", ["bulk", "all"]),
    windowMs: ms("Removals within so long are taken together. Default 10,000."),
    confirmMs: ms("After so long the source is believed, whoever answers. Default 600,000."),
  })),
}, { restart: true });

/** Whom a client trusts, and its own certificate. Files are read again when they change. */
export const clientTls = group("tls", "TLS of calls: whom we trust, and our own certificate.", {
  caFile: path("The authorities that vouch for servers. Default: those that Node trusts."),
  certFile: path("Our certificate, for mutual TLS."),
  keyFile: path("Its key."),
  serverName: text("The name that servers' certificates must be for. Default: the host of the address."),
  verify: flag("`false` accepts any certificate: never in production. Default true."),
  minVersion: choice("Oldest version of TLS. Default `TLSv1.2`.", ["TLSv1.2", "TLSv1.3"]),
}, { restart: true });

export const protocols = ["native", "grpc", "grpc-web", "connect", "http-json", "json-rpc", "thrift", "avro"] as const;
export const codecs = ["proto", "msgpack", "json"] as const;

/** What a client does, but for how it speaks. */
export const policyFields = {
  timeoutMs: ms("Time of a unary call that says nothing and whose method says nothing. Default 15,000.", {
    least: 1,
  }),
  deadlineReserveMs: ms("What a call made for another leaves of that one's time. Default 1 to 20.", {
    most: 3_600_000,
  }),
  retry: orFalse("How failed calls are repeated; `false` for single attempts.", retry),
  hedge: orFalse("How late calls are sent a second time; `false` for never.", hedge),
  throttle: orFalse("How calls are turned away here while servers turn many away; `false` for never.", throttle),
  outliers: orFalse("How servers that fail or are slow are kept out; `false` for never.", outliers),
  slowStart: orFalse("How servers that come back warm up; `false` for at once.",
    group("slowStart", "How servers that come back warm up.", {
      windowMs: ms("From the least share to all of it. Default 10,000.", { least: 1 }),
      minShare: share("The least share. Default 0.02.", { least: 0.001 }),
    })),
  picker: either("How one server of a region is chosen. Default `leastRequests`.",
    choice("By its name.", pickerNames as readonly [PickerName, ...PickerName[]]),
    oneOf("a picker", "By its name, with options.", pickerFields)),
  regions,
  probes,
  failover: group("failover", "Which servers take over from which.", {
    overprovisioning: number("Servers of the next priority join when those before are down to one part in this. " +
      "Default 1.4.", { least: 1, most: 1e6 }),
    groups: group("groups", "Sets of servers that take over from one another as a whole.", {
      by: list("What makes a group: `region`, `zone` or names of attributes.", text("A label."), {
        least: 1, most: 8,
      }),
      order: list("Groups in order of preference.", text("A group."), { most: 256 }),
      active: whole("How many groups are in use at once. Default 1.", { least: 1, most: 1_000 }),
      minHealth: share("Share of its weight that must be able for a group to be used. Default 0.71."),
      failBackMs: ms("How long a group that failed must be well before it is used again. Default 30,000."),
    }, { required: ["by"] }),
  }),
  connectTimeoutMs: ms("Time for a connection to open. Default 3,000.", { least: 1 }),
  reconnectMinMs: ms("First pause before connecting again. Default 50.", { least: 1 }),
  reconnectMaxMs: ms("Longest pause before connecting again. Default 3,000.", { least: 1 }),
  idleCheckMs: ms("A connection silent for so long is asked for a sign of life before a call. Default 10,000."),
  heartbeatMs: ms("While calls are in flight, silence of so long is answered by a ping. Default 100.", { least: 1 }),
  suspectAfterMs: ms("Silence of so long makes a server with calls in flight suspect. Default 300.", { least: 1 }),
  deadAfterMs: ms("So long after that, the connection is ended. Default 3,000.", { least: 1 }),
  idleHeartbeatMs: ms("A connection without calls is pinged so often. Default 5,000.", { least: 1 }),
  eagerConnections: whole("So many servers are connected to ahead of the first call. Default 64.", { most: 100_000 }),
} as const;

/** How a client speaks. */
export const speechFields = {
  protocol: choice("What is spoken. Default `native`, Meridian's own wire.", protocols, { restart: true }),
  codec: choice("How messages are encoded. Default: the codec of the call, or `proto`.", codecs, { restart: true }),
  tls: clientTls,
  maxMessageBytes: whole("Largest message. Default 4 MiB.", { least: 1_024, most: 2_000_000_000, restart: true }),
  view: orFalse("What is made of what discovery tells; `false` to take everything as it is told.", view),
} as const;

export const clientPolicy = group("client", "What clients do: of programs, and of gateways towards servers.",
  { ...policyFields, ...speechFields });

export type ClientPolicy = TypeOf<typeof clientPolicy>;

/** What one service's callers do in another way: nothing of how they speak, which connections share. */
export const servicePolicy = group("client", "What callers of this service do in another way.", policyFields);

export const methodPolicy = group("a method", "What calls of one method do in another way.", {
  timeoutMs: ms("Time of a call that names none itself; of streams as well. A gateway lets no call take longer.", {
    least: 1,
  }),
  retry: orFalse("How failed calls are repeated; `false` for single attempts.",
    group("retry", "How failed calls of this method are repeated.", { maxAttempts, codes: retriedCodes })),
  hedge: orFalse("How late calls are sent a second time; `false` for never.",
    group("hedge", "When a hedge of this method leaves.", { delayMs: ms("A fixed delay.", { most: 3_600_000 }) })),
  idempotent: flag("`false`: no attempt whose outcome is unknown is repeated, whatever the contract says. `true` is " +
    "taken only where the contract says so itself: a file cannot make a repeat harmless."),
});

export type MethodPolicy = TypeOf<typeof methodPolicy>;

export const servicesSchema = map("Of single services, by their full names: `calc.v1.Calculator`.",
  group("a service", "One service.", {
    client: servicePolicy,
    methods: map("Of single methods, by their names in the contract: `add`.", methodPolicy),
  }));

/** Patterns of residency and of route keys. */
export const patterns = oneOrMore("Exact text, or a prefix that ends in `*`; of a list, one must match.",
  text("A pattern."));
