/**
 * Load reports on HTTP protocols: an `xds.data.orca.v3.OrcaLoadReport` in a trailer (gRFC A51, "per-call" reporting).
 * What the message has no field for travels among its named metrics.
 */
import type { LoadReport } from "../core/load.ts";
import { fromAnyBase64, toBase64Unpadded } from "../wire/base64.ts";
import { Cursor } from "../wire/cursor.ts";
import { Writer } from "../wire/writer.ts";

/** The trailer that carries a report. */
export const loadReportName = "endpoint-load-metrics-bin";
/** The request header of a caller that reads reports: how busy a server is concerns nobody else. */
export const loadWantedName = "endpoint-load-metrics-format";
export const loadWantedFormat = "bin";

const Field = { cpu: 1, memory: 2, callsPerSecond: 6, errorsPerSecond: 7, named: 8, application: 9 } as const;
const inFlightName = "meridian.in_flight";
const loopLagName = "meridian.loop_lag_ms";
const latencyName = "meridian.latency_ms";
/** A report is a few numbers; more is not read. */
const maxReportBytes = 4_096;

/** The trailer's value, in base64. */
export function writeLoadReport(report: LoadReport): string {
  const writer = new Writer(128);
  double(writer, Field.cpu, report.cpu);
  double(writer, Field.memory, report.memory);
  double(writer, Field.callsPerSecond, report.callsPerSecond);
  double(writer, Field.errorsPerSecond, report.errorsPerSecond);
  named(writer, inFlightName, report.inFlight);
  named(writer, loopLagName, report.loopLagMs);
  named(writer, latencyName, report.latencyMs ?? 0);
  return toBase64Unpadded(writer.finish());
}

function double(writer: Writer, field: number, value: number): void {
  if (value === 0 || !Number.isFinite(value)) return;
  writer.ensure(9);
  writer.writeByte(field << 3 | 1);
  new DataView(writer.bytes.buffer, writer.bytes.byteOffset).setFloat64(writer.position, value, true);
  writer.position += 8;
}

/** An entry of the map of named metrics: `{ 1: name, 2: value }`. */
function named(writer: Writer, name: string, value: number): void {
  if (value === 0 || !Number.isFinite(value)) return;
  const entry = new Writer(64);
  entry.writeByte(1 << 3 | 2);
  entry.writeVarint(name.length);
  entry.writeBytes(new TextEncoder().encode(name));
  double(entry, 2, value);
  writer.writeByte(Field.named << 3 | 2);
  writer.writeVarint(entry.position);
  writer.writeBytes(entry.finish());
}

/** Reads a trailer's value; undefined for one that is no report. */
export function readLoadReport(text: string): LoadReport | undefined {
  const bytes = text.length > maxReportBytes ? undefined : fromAnyBase64(text);
  if (bytes === undefined) return undefined;
  const report = { cpu: 0, memory: 0, inFlight: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0, latencyMs: 0 };
  try {
    eachField(new Cursor().over(bytes, 0, bytes.length), (field, value, cursor) => {
      if (field === Field.cpu || field === Field.application) report.cpu = Math.max(report.cpu, value);
      else if (field === Field.memory) report.memory = value;
      else if (field === Field.callsPerSecond) report.callsPerSecond = value;
      else if (field === Field.errorsPerSecond) report.errorsPerSecond = value;
      else if (field === Field.named && cursor !== undefined) readNamed(cursor, report);
    });
  } catch {
    return undefined;
  }
  return report;
}

function readNamed(entry: Cursor, report: { inFlight: number; loopLagMs: number; latencyMs: number }): void {
  let name = "";
  let metric = 0;
  eachField(entry, (field, value, cursor) => {
    if (field === 1 && cursor !== undefined) name = cursor.restText();
    else if (field === 2) metric = value;
  });
  if (name === inFlightName) report.inFlight = metric;
  else if (name === loopLagName) report.loopLagMs = metric;
  else if (name === latencyName) report.latencyMs = metric;
}

/** Goes through a Protobuf message: doubles by value, runs as cursors, and passes over the rest. */
function eachField(cursor: Cursor, visit: (field: number, value: number, run: Cursor | undefined) => void): void {
  while (!cursor.atEnd) {
    const tag = cursor.varint();
    const field = Math.floor(tag / 8);
    switch (tag & 7) {
      case 0: cursor.varint(); break;
      case 1: {
        const value = readDouble(cursor);
        visit(field, Number.isFinite(value) && value > 0 ? value : 0, undefined);
        break;
      }
      case 2: {
        const run = cursor.run(maxReportBytes);
        visit(field, 0, new Cursor().over(run, 0, run.length));
        break;
      }
      case 5: for (let i = 0; i < 4; i++) cursor.byte(); break;
      default: throw new RangeError("a wire type that no field has");
    }
  }
}

function readDouble(cursor: Cursor): number {
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 8; i++) view.setUint8(i, cursor.byte());
  return view.getFloat64(0, true);
}
