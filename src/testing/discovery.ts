/**
 * The compliance suite of Discovery and Registrar: what every source of endpoints must do.
 *
 * It knows no test runner: each case is a name and a function that rejects when the driver is wrong. Cases
 * wait for what they expect without a timer, so give them a timeout where a silent driver would hang.
 */
import type { Discovery, Registrar, Watcher } from "../core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields, sameEndpoint } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";

export type ServiceFields = Readonly<Record<string, readonly EndpointFields[]>>;

/** One source of its own, and the means to change it. */
export interface DiscoveryHarness {
  readonly discovery: Discovery;
  readonly registrar?: Registrar | undefined;
  /** Replaces everything that is served. Drivers that cannot change have none. */
  set?(services: ServiceFields): void | Promise<void>;
  /** Makes the source fail, so that watchers of a name hear of it, until the next `set`. */
  breakSource?(): void | Promise<void>;
  /** Takes away what the case left. */
  close?(): void | Promise<void>;
}

export interface DiscoverySuiteOptions {
  /** Whether harnesses have `set`, `breakSource` and a `registrar`. Default none of them. */
  readonly changes?: boolean;
  readonly failures?: boolean;
  readonly registrar?: boolean;
}

export interface DiscoveryCase {
  readonly name: string;
  /** Resolves if the driver behaves; rejects with what it did instead. */
  readonly run: () => Promise<void>;
}

export type CreateDiscoveryHarness = (services: ServiceFields) => DiscoveryHarness | Promise<DiscoveryHarness>;

/**
 * All cases that the options allow. `create` is called once for each.
 *
 * @example
 * for (const { name, run } of discoveryCases(create, { changes: true })) test(name, { timeout: 10_000 }, run);
 */
export function discoveryCases(
  create: CreateDiscoveryHarness, options: DiscoverySuiteOptions = {},
): readonly DiscoveryCase[] {
  const cases = [
    ...readingCases,
    ...(options.changes === true ? changeCases : []),
    ...(options.failures === true ? failureCases : []),
    ...(options.registrar === true ? registrarCases : []),
  ];
  return cases.map(({ name, services, body }) => ({
    name,
    async run() {
      const harness = await create(services);
      try {
        await body(harness);
      } finally {
        await harness.close?.();
      }
    },
  }));
}

interface SuiteCase {
  readonly name: string;
  readonly services: ServiceFields;
  readonly body: (harness: DiscoveryHarness) => Promise<void>;
}

const a: EndpointFields = { address: "127.0.0.1:7001", region: "eu-west", zone: "a" };
const b: EndpointFields = { address: "127.0.0.1:7002", region: "eu-west", zone: "b", weight: 3 };
const full: EndpointFields = {
  id: "full", address: "[::1]:7003", region: "us-east", zone: "c", weight: 0.5, backup: true, priority: 2,
  attributes: { version: "1.10", lat: "52.1" },
};
const two: ServiceFields = { "geo.v1.Cities": [a, b], "geo.v1.Routes": [full] };

const readingCases: readonly SuiteCase[] = [
  {
    name: "tells the complete set, each endpoint with all its fields and the defaults of the rest",
    services: two,
    async body({ discovery }) {
      await new Recorder(discovery, "geo.v1.Cities").until([a, b]);
      await new Recorder(discovery, "geo.v1.Routes").until([full]);
    },
  },
  {
    name: "tells every watcher of a name, and the late one too",
    services: two,
    async body({ discovery }) {
      const first = new Recorder(discovery, "geo.v1.Cities");
      await first.until([a, b]);
      await new Recorder(discovery, "geo.v1.Cities").until([a, b]);
      first.checkSnapshots(1);
    },
  },
  {
    name: "may be stopped twice, and from within a snapshot",
    services: two,
    async body({ discovery }) {
      const recorder = new Recorder(discovery, "geo.v1.Cities");
      await recorder.until([a, b]);
      recorder.stop();
      recorder.stop();
      let stop: (() => void) | undefined;
      await new Promise<void>((resolve) => {
        stop = discovery.watch("geo.v1.Cities", { snapshot: () => {
          stop?.();
          resolve();
        } });
      });
      stop?.();
      await new Recorder(discovery, "geo.v1.Cities").until([a, b]);
    },
  },
];

const thousand: readonly EndpointFields[] = Array.from({ length: 1_000 }, (_, i) => (
  { address: `10.0.${i >> 8}.${i & 255}:7001`, region: `region-${i % 3}`, zone: "abc"[i % 3] ?? "", weight: 1 + i % 5 }
));

const changeCases: readonly SuiteCase[] = [
  {
    name: "tells a thousand endpoints, and the change of one among them",
    services: { "geo.v1.Cities": thousand },
    async body(harness) {
      const recorder = new Recorder(harness.discovery, "geo.v1.Cities");
      await recorder.until(thousand);
      const changed = thousand.map((one, i) => (i === 500 ? { ...one, weight: 9 } : one));
      await harness.set?.({ "geo.v1.Cities": changed });
      await recorder.until(changed);
    },
  },
  {
    name: "tells a change as the complete new set",
    services: two,
    async body(harness) {
      const recorder = new Recorder(harness.discovery, "geo.v1.Cities");
      await recorder.until([a, b]);
      const heavier = { ...b, weight: 7 };
      await harness.set?.({ ...two, "geo.v1.Cities": [heavier, full] });
      await recorder.until([heavier, full]);
      await harness.set?.({ ...two, "geo.v1.Cities": [a] });
      await recorder.until([a]);
    },
  },
  {
    name: "tells the empty set where nobody is left",
    services: two,
    async body(harness) {
      const recorder = new Recorder(harness.discovery, "geo.v1.Cities");
      await recorder.until([a, b]);
      await harness.set?.({ ...two, "geo.v1.Cities": [] });
      await recorder.until([]);
    },
  },
  {
    name: "does not tell a name anew when another one changes, nor a watcher who has left",
    services: two,
    async body(harness) {
      const still = new Recorder(harness.discovery, "geo.v1.Routes");
      const gone = new Recorder(harness.discovery, "geo.v1.Cities");
      const watching = new Recorder(harness.discovery, "geo.v1.Cities");
      await Promise.all([still.until([full]), gone.until([a, b]), watching.until([a, b])]);
      gone.stop();
      await harness.set?.({ ...two, "geo.v1.Cities": [b] });
      await watching.until([b]);
      still.checkSnapshots(1);
      gone.checkSnapshots(1);
    },
  },
  {
    name: "tells who comes back after everybody had left what is true by then",
    services: two,
    async body(harness) {
      const first = new Recorder(harness.discovery, "geo.v1.Cities");
      await first.until([a, b]);
      first.stop();
      await harness.set?.({ ...two, "geo.v1.Cities": [b] });
      await new Recorder(harness.discovery, "geo.v1.Cities").until([b]);
    },
  },
];

const failureCases: readonly SuiteCase[] = [
  {
    name: "keeps the last good set when the source fails, says so, and goes on when it is mended",
    services: two,
    async body(harness) {
      const recorder = new Recorder(harness.discovery, "geo.v1.Cities");
      await recorder.until([a, b]);
      await harness.breakSource?.();
      await recorder.untilFailed();
      recorder.checkSnapshots(1);
      await harness.set?.({ ...two, "geo.v1.Cities": [b] });
      await recorder.until([b]);
    },
  },
];

const registrarCases: readonly SuiteCase[] = [
  {
    name: "shows who registers and hides who withdraws",
    services: {},
    async body({ discovery, registrar }) {
      const recorder = new Recorder(discovery, "geo.v1.Cities");
      const first = registrar?.register("geo.v1.Cities", a);
      const second = registrar?.register("geo.v1.Cities", full);
      await Promise.all([first?.registered, second?.registered]);
      await recorder.until([a, full]);
      await first?.close();
      await recorder.until([full]);
      await first?.close();
      await second?.close();
      await recorder.until([]);
    },
  },
  {
    name: "carries everything there is to say of an endpoint, whatever its id",
    services: {},
    async body({ discovery, registrar }) {
      const recorder = new Recorder(discovery, "geo.v1.Cities");
      const odd: EndpointFields = { ...full, id: "a/b c%2F\u00fc\u2028.:\\\"x", address: "unix:/tmp/geo cities.sock" };
      const registrations = [full, odd].flatMap((one) => registrar?.register("geo.v1.Cities", one) ?? []);
      await Promise.all(registrations.map((one) => one.registered));
      await recorder.until([full, odd]);
      await Promise.all(registrations.map((one) => one.close()));
      await recorder.until([]);
    },
  },
  {
    name: "keeps names apart of which one begins with the other",
    services: {},
    async body({ discovery, registrar }) {
      const short = new Recorder(discovery, "geo.v1");
      const long = new Recorder(discovery, "geo.v1.Cities");
      const first = registrar?.register("geo.v1", a);
      const second = registrar?.register("geo.v1.Cities", b);
      await Promise.all([first?.registered, second?.registered]);
      await Promise.all([short.until([a]), long.until([b])]);
      await first?.close();
      await short.until([]);
      await new Recorder(discovery, "geo.v1.Cities").until([b]);
      await second?.close();
    },
  },
  {
    name: "keeps an id that is closed and entered again at once",
    services: {},
    async body({ discovery, registrar }) {
      const recorder = new Recorder(discovery, "geo.v1.Cities");
      let registration = registrar?.register("geo.v1.Cities", a);
      await registration?.registered;
      for (let weight = 2; weight < 12; weight++) {
        const closing = registration?.close();
        registration = registrar?.register("geo.v1.Cities", { ...a, weight });
        await Promise.all([closing, registration?.registered]);
      }
      await recorder.until([{ ...a, weight: 11 }]);
      // A withdrawal that comes late would be seen before, or with, what is entered now.
      const after = registrar?.register("geo.v1.Cities", b);
      await after?.registered;
      await recorder.until([{ ...a, weight: 11 }, b]);
      await Promise.all([registration?.close(), after?.close()]);
      await recorder.until([]);
    },
  },
  {
    name: "holds one entry for one id: who registers again replaces who was there",
    services: {},
    async body({ discovery, registrar }) {
      const recorder = new Recorder(discovery, "geo.v1.Cities");
      const old = registrar?.register("geo.v1.Cities", a);
      await old?.registered;
      await recorder.until([a]);
      const renewed = registrar?.register("geo.v1.Cities", { ...a, weight: 9 });
      await renewed?.registered;
      await recorder.until([{ ...a, weight: 9 }]);
      await renewed?.close();
      await old?.close();
    },
  },
];

/** Watches a name, remembers what it hears, and waits for what a case expects. */
class Recorder implements Watcher {
  readonly #snapshots: (readonly EndpointAddress[])[] = [];
  readonly #failures: RpcError[] = [];
  readonly stop: () => void;
  #heard: (() => void)[] = [];

  constructor(discovery: Discovery, name: string) {
    this.stop = discovery.watch(name, this);
  }

  snapshot(endpoints: readonly EndpointAddress[]): void {
    this.#snapshots.push(endpoints);
    this.#wake();
  }

  failed(error: RpcError): void {
    this.#failures.push(error);
    this.#wake();
  }

  /** Waits until the last snapshot is that of these endpoints, in any order. */
  async until(fields: readonly EndpointFields[]): Promise<void> {
    const wanted = fields.map(endpointAddress);
    while (!isSet(this.#snapshots.at(-1), wanted)) await this.#next();
  }

  async untilFailed(): Promise<void> {
    while (this.#failures.length === 0) await this.#next();
  }

  /** Checks how many *different* sets in a row were told. */
  checkSnapshots(count: number): void {
    const changes = this.#snapshots.filter((one, i) => i === 0 || !isSet(this.#snapshots[i - 1], one));
    if (changes.length === count) return;
    const told = changes.map((one) => `[${one.map(({ address }) => address).join(", ")}]`).join(" ");
    throw new Error(`expected ${count} different snapshots, was told ${changes.length}: ${told}`);
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#heard.push(resolve);
    });
  }

  #wake(): void {
    const waiting = this.#heard;
    this.#heard = [];
    for (const resolve of waiting) resolve();
  }
}

function isSet(actual: readonly EndpointAddress[] | undefined, wanted: readonly EndpointAddress[]): boolean {
  if (actual === undefined || actual.length !== wanted.length) return false;
  const byId = new Map(actual.map((one) => [one.id, one]));
  return wanted.every((one) => {
    const other = byId.get(one.id);
    return other !== undefined && sameEndpoint(one, other);
  });
}
