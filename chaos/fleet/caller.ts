// The observer: a client that calls a thousand times a second, whatever comes back, and writes down what it does.
import { RpcError, type Picker } from "../../src/core/index.ts";
import { createClient } from "../../src/index.ts";
import { type Change, type FromCaller, machineMs, type Report, type ToCaller, Who } from "./messages.ts";

const tell = (message: FromCaller): void => void process.send?.(message);
const tickMs = 5;
/** More than so many at once are not made up for: after a stop the calls that were not made are not missed. */
const mostPerTick = 50;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
let running: { report: Mutable<Report>; stop: () => void } | undefined;

process.on("message", (message: ToCaller) => {
  if (message.kind === "begin") {
    running = begin(message.addresses, message.callsPerSecond);
  } else {
    running?.stop();
    if (running !== undefined) tell({ kind: "report", ...running.report });
    running = undefined;
  }
});
process.on("disconnect", () => process.exit());
tell({ kind: "started" });

function begin(addresses: readonly string[], callsPerSecond: number) {
  const report: Mutable<Report> = { picks: [], failures: [], calls: 0, changes: [], stalls: [] };
  const numbers = new Map(addresses.map((address, i) => [address, i]));
  const client = createClient(Who, {
    address: addresses, timeoutMs: 1_000, metrics: false,
    routing: (makePicker) => recording(makePicker()),
    observer: {
      endpointChanged(endpoint, status, why) {
        const change: Change = { atMs: machineMs(), server: numbers.get(endpoint.id) ?? -1, status, why };
        report.changes.push(change);
      },
    },
  });

  function recording(inner: Picker): Picker {
    const pick: Picker = (candidates, context) => {
      const picked = inner(candidates, context);
      if (picked !== undefined) report.picks.push([machineMs(), numbers.get(picked.address.id) ?? -1]);
      return picked;
    };
    return Object.assign(pick, { seesAll: inner.seesAll ?? false });
  }

  const call = async (): Promise<void> => {
    try {
      await client.ask({});
    } catch (error) {
      report.failures.push([machineMs(), RpcError.from(error).message]);
    }
  };

  let tickedMs = machineMs();
  let owed = 0;
  let isCalling = false;
  const timer = setInterval(() => {
    const nowMs = machineMs();
    const lateMs = nowMs - tickedMs - tickMs;
    if (lateMs > 20) report.stalls.push([nowMs, lateMs]);
    owed += (nowMs - tickedMs) * callsPerSecond / 1_000;
    tickedMs = nowMs;
    const due = Math.min(mostPerTick, Math.floor(owed));
    owed = Math.min(1, owed - due);
    if (!isCalling) {
      const ready = client.$.endpoints().filter(({ status }) => status === "ready").length;
      if (ready < addresses.length) return;
      isCalling = true;
      tell({ kind: "calling" });
    }
    for (let i = 0; i < due; i++) {
      report.calls++;
      void call();
    }
  }, tickMs);
  return {
    report,
    stop() {
      clearInterval(timer);
      client.$.close(0);
    },
  };
}
