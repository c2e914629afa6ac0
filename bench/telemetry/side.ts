// One side of bench/telemetry.ts: SIDE SETUP [OUTSTANDING ADDRESS]. Tells its address or readiness, then its costs.
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { pino } from "pino";
import { createClient, createServer, observeAll } from "../../src/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { openTelemetry } from "../../src/telemetry/otel/index.ts";
import { structuredLog } from "../../src/telemetry/index.ts";
import { sameRecord, smallRecord } from "../records.ts";
import { cpuNs, endAlone } from "../stack/process.ts";
import { Echo } from "../systems/meridian/contract.ts";

const [side, setUp = "", outstanding, address = ""] = process.argv.slice(2);
endAlone();
const ratio = setUp.includes("100 %") ? 1 : setUp.includes("1 %") ? 0.01 : 0;
// Spans are gathered as they are for a collector, that takes them and says nothing.
const exporter = {
  export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
  shutdown: () => Promise.resolve(), forceFlush: () => Promise.resolve(),
};
const tracing = ratio === 0 ? undefined : openTelemetry(nodeRuntime, {
  meter: false, ratio, marks: setUp.includes("marked"),
  tracer: new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] }).getTracer("bench"),
});
// One call in a hundred gets a line, that goes nowhere.
const logging = setUp.includes("logs")
  ? structuredLog(pino({}, { write: () => undefined }), { ratio: 0.01, random: nodeRuntime.random })
  : undefined;
const own = { metrics: setUp.includes("metrics"), observer: observeAll(logging) };

if (side === "server") {
  const same = (request: unknown): unknown => request;
  const handlers = { small: same, user: same, async *receive() {}, send: async () => ({ count: 0 }) };
  const server = createServer(tracing === undefined ? own : tracing.server(own));
  process.on("message", () => process.send?.(cpuNs()));
  process.send?.(await server.implement(Echo, handlers as never).listen());
} else {
  const options = { ...own, address };
  const client = createClient(Echo, tracing === undefined ? options : tracing.client(options));
  const { name, tags } = smallRecord(7);
  const record = { id: 7, name, tags: [...tags] };
  if (!sameRecord(await client.small(record), record)) throw new Error("a reply is not what was sent");
  process.on("message", (calls: number) => {
    const beganNs = cpuNs();
    let left = calls;
    void Promise.all(Array.from({ length: Number(outstanding) }, async () => {
      while (left-- > 0) await client.small(record);
    })).then(() => process.send?.(cpuNs() - beganNs));
  });
  process.send?.("ready");
}
