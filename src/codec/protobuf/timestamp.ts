/** Dates as google.protobuf.Timestamp: seconds and nanoseconds since 1970, to the millisecond. */
import { isDate } from "./scalars.ts";

/** The years 1 to 9999, which Timestamp is defined for, in milliseconds. */
export const firstMs = -62_135_596_800_000;
export const lastMs = 253_402_300_799_999;

/** The furthest that a Date reaches from 1970, in seconds. */
const dateReachSeconds = 8_640_000_000_000;

/** Milliseconds of a Date that Timestamp can express; NaN of anything else. */
export function timestampMs(value: unknown): number {
  if (!isDate(value)) return NaN;
  const ms = Date.prototype.getTime.call(value);
  return ms >= firstMs && ms <= lastMs ? ms : NaN;
}

/** The Date of a timestamp, rounded down to the millisecond; undefined when it is out of range. */
export function timestampDate(seconds: number, nanos: number): Date | undefined {
  if (!(nanos >= 0 && nanos < 1_000_000_000) || Math.abs(seconds) > dateReachSeconds) return undefined;
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1_000_000));
  return Number.isNaN(date.getTime()) ? undefined : date;
}
