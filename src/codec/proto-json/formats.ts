/** The texts of google.protobuf's Timestamp, Duration and FieldMask in JSON (RFC 3339, `1.5s`, `user.displayName`). */
import { lowerCamel } from "../../contract/proto/names.ts";
import { firstMs, lastMs, timestampMs } from "../protobuf/timestamp.ts";

/** Most seconds of a Duration: 10,000 years. */
const longestSeconds = 315_576_000_000n;
const nanosPerSecond = 1_000_000_000;

/** Fractions of a second have 3, 6 or 9 digits, or none. */
function fraction(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  if (digits.endsWith("000000")) return `.${digits.slice(0, 3)}`;
  return digits.endsWith("000") ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

/** `2030-01-01T00:00:00Z`; undefined for what is no Date of the years 1 to 9999. */
export function dateText(value: unknown): string | undefined {
  const ms = timestampMs(value);
  if (ms !== ms) return undefined;
  const seconds = Math.floor(ms / 1000);
  const rest = ms - seconds * 1000;
  return rest === 0 ? `${secondsText(seconds)}Z` : `${secondsText(seconds)}.${String(rest + 1000).slice(1)}Z`;
}

const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));

/**
 * `2030-01-01T00:00:00` of so many seconds since 1970, a third of what toISOString costs. Days become a date by
 * counting years from March, so that the leap day comes last (the algorithm is Howard Hinnant's `civil_from_days`).
 */
function secondsText(seconds: number): string {
  const day = Math.floor(seconds / 86_400);
  const second = seconds - day * 86_400;
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = ((dayOfEra - (dayOfEra / 1460 | 0) + (dayOfEra / 36_524 | 0) - (dayOfEra / 146_096 | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - (yearOfEra / 100 | 0));
  const month = (5 * dayOfYear + 2) / 153 | 0;
  const date = dayOfYear - ((153 * month + 2) / 5 | 0) + 1;
  const year = yearOfEra + era * 400 + (month < 10 ? 0 : 1);
  return `${two[year / 100 | 0]}${two[year % 100]}-${two[month < 10 ? month + 3 : month - 9]}-${two[date]}T` +
    `${two[second / 3600 | 0]}:${two[(second / 60 | 0) % 60]}:${two[second % 60]}`;
}

const dateTime =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

interface Moment {
  /** Of the whole second. */
  readonly ms: number;
  readonly nanos: number;
}

/** Two digits; NaN-free, but out of any range where they are none. */
function digits(text: string, at: number): number {
  const [tens, ones] = [text.charCodeAt(at) - 0x30, text.charCodeAt(at + 1) - 0x30];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 1000;
}

/** The commonest form, in UTC without a fraction or with milliseconds; NaN for any other. */
function plainMs(text: string): number {
  const { length } = text;
  if ((length !== 20 && length !== 24) || text.charCodeAt(length - 1) !== 0x5a || text.charCodeAt(10) !== 0x54 ||
    text[4] !== "-" || text[7] !== "-" || text[13] !== ":" || text[16] !== ":") return Number.NaN;
  const [century, year] = [digits(text, 0), digits(text, 2)];
  const [month, day] = [digits(text, 5), digits(text, 8)];
  const [hour, minute, second] = [digits(text, 11), digits(text, 14), digits(text, 17)];
  // The 29th and later are not days of every month; years before 1900 are not what Date.UTC takes them for.
  if (century < 19 || century > 99 || year > 99 || month < 1 || month > 12 || day < 1 || day > 28) return Number.NaN;
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN;
  let ms = 0;
  if (length === 24) {
    const [first, rest] = [text.charCodeAt(20) - 0x30, digits(text, 21)];
    if (text[19] !== "." || first < 0 || first > 9 || rest > 99) return Number.NaN;
    ms = first * 100 + rest;
  }
  return Date.UTC(century * 100 + year, month - 1, day, hour, minute, second, ms);
}

function readMoment(json: unknown): Moment | undefined {
  const parts = typeof json === "string" && json.length <= 40 ? dateTime.exec(json) : null;
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHours = 0, offsetMinutes = 0] = parts;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000 * (sign === "-" ? -1 : 1);
  const ms = date.getTime() - offset;
  return ms >= firstMs && ms <= lastMs ? { ms, nanos: Number(fraction.padEnd(9, "0")) } : undefined;
}

/** A Date, to the millisecond, rounded down. */
export function readDate(json: unknown): Date | undefined {
  const ms = typeof json === "string" ? plainMs(json) : Number.NaN;
  if (ms === ms) return new Date(ms);
  const moment = readMoment(json);
  return moment === undefined ? undefined : new Date(moment.ms + Math.floor(moment.nanos / 1_000_000));
}

interface Parts {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Undefined unless `value` is an object of both parts, nanoseconds less than a second. */
function partsOf(value: unknown): Parts | undefined {
  const { seconds, nanos } = (typeof value === "object" && value !== null ? value : {}) as Partial<Parts>;
  const fits = typeof seconds === "bigint" && typeof nanos === "number" && Number.isInteger(nanos) &&
    Math.abs(nanos) < nanosPerSecond;
  return fits ? { seconds, nanos } : undefined;
}

/** The text of `{ seconds, nanos }` since 1970. */
export function timestampText(value: unknown): string | undefined {
  const parts = partsOf(value);
  if (parts === undefined || parts.nanos < 0) return undefined;
  const ms = Number(parts.seconds) * 1000;
  if (!(ms >= firstMs && ms <= lastMs)) return undefined;
  return `${secondsText(ms / 1000)}${fraction(parts.nanos)}Z`;
}

export function readTimestamp(json: unknown): Parts | undefined {
  const moment = readMoment(json);
  return moment === undefined ? undefined : { seconds: BigInt(moment.ms / 1000), nanos: moment.nanos };
}

/** The text of a duration, whose parts must have one sign. */
export function durationText(value: unknown): string | undefined {
  const parts = partsOf(value);
  if (parts === undefined) return undefined;
  const { seconds, nanos } = parts;
  if (seconds > longestSeconds || seconds < -longestSeconds) return undefined;
  if ((seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)) return undefined;
  const sign = seconds < 0n || nanos < 0 ? "-" : "";
  return `${sign}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
}

export function readDuration(json: unknown): Parts | undefined {
  const parts = typeof json === "string" ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (parts === null) return undefined;
  const [, sign, whole = "", digits = ""] = parts;
  const seconds = BigInt(whole);
  if (seconds > longestSeconds) return undefined;
  const nanos = Number(digits.padEnd(9, "0"));
  return sign === "-" ? { seconds: -seconds, nanos: nanos === 0 ? 0 : -nanos } : { seconds, nanos };
}

/** Undefined for a path that would not come back as it is: `fooBar`, `foo__bar`, `foo_3`. */
export function fieldMaskText(value: unknown): string | undefined {
  const { paths } = (typeof value === "object" && value !== null ? value : {}) as { paths?: unknown };
  if (!Array.isArray(paths)) return undefined;
  const texts = paths.map((path: unknown) => (
    typeof path !== "string" || /_(?:$|[^a-z])|[A-Z,]/.test(path) ? undefined : lowerCamel(path)));
  return texts.includes(undefined) ? undefined : texts.join(",");
}

export function readFieldMask(json: unknown): { paths: string[] } | undefined {
  if (typeof json !== "string" || json.includes("_")) return undefined;
  const paths = json === "" ? [] : json.split(",");
  return { paths: paths.map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) };
}
